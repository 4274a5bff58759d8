"""Which checker reads which folder. A folder that is not here is reported as "not yet"."""

from __future__ import annotations

from collections.abc import Callable

from alltracker_checks import ALLTRACKER_CHECKERS
from cotracker3_checks import COTRACKER3_CHECKERS
from cotracker_checks import COTRACKER_CHECKERS
from cotracker_loss_checks import LOSS_CHECKERS
from dinov2_checks import DINOV2_CHECKERS
from dot_checks import DOT_CHECKERS
from gmrw_checks import GMRW_CHECKERS
from locotrack_checks import LOCOTRACK_CHECKERS
from metric_checks import METRIC_CHECKERS
from mft_checks import MFT_CHECKERS
from parity_fixtures import Case
from pips_checks import PIPS_CHECKERS
from raft_checks import RAFT_CHECKERS
from space_checks import SPACE_CHECKERS
from tapir_checks import TAPIR_CHECKERS
from tapnet_checks import TAPNET_CHECKERS
from tapnext_checks import TAPNEXT_CHECKERS
from taptr_checks import TAPTR_CHECKERS
from trackon_checks import TRACKON_CHECKERS

CHECKERS: dict[str, Callable[[Case], None]] = {
    **METRIC_CHECKERS,
    **SPACE_CHECKERS,
    **TAPIR_CHECKERS,
    **TAPNET_CHECKERS,
    **TAPTR_CHECKERS,
    **TAPNEXT_CHECKERS,
    **LOCOTRACK_CHECKERS,
    **RAFT_CHECKERS,
    **MFT_CHECKERS,
    **DOT_CHECKERS,
    **PIPS_CHECKERS,
    **COTRACKER_CHECKERS,
    **COTRACKER3_CHECKERS,
    **LOSS_CHECKERS,
    **DINOV2_CHECKERS,
    **ALLTRACKER_CHECKERS,
    **GMRW_CHECKERS,
    **TRACKON_CHECKERS,
}
