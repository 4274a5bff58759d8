"""Which checker reads which folder. A folder that is not here is reported as "not yet"."""

from __future__ import annotations

from collections.abc import Callable

from cotracker3_checks import COTRACKER3_CHECKERS
from cotracker_checks import COTRACKER_CHECKERS
from cotracker_loss_checks import LOSS_CHECKERS
from locotrack_checks import LOCOTRACK_CHECKERS
from metric_checks import METRIC_CHECKERS
from mft_checks import MFT_CHECKERS
from parity_fixtures import Case
from pips_checks import PIPS_CHECKERS
from raft_checks import RAFT_CHECKERS
from space_checks import SPACE_CHECKERS
from tapir_checks import TAPIR_CHECKERS
from tapnet_checks import TAPNET_CHECKERS

CHECKERS: dict[str, Callable[[Case], None]] = {
    **METRIC_CHECKERS,
    **SPACE_CHECKERS,
    **TAPIR_CHECKERS,
    **TAPNET_CHECKERS,
    **LOCOTRACK_CHECKERS,
    **RAFT_CHECKERS,
    **MFT_CHECKERS,
    **PIPS_CHECKERS,
    **COTRACKER_CHECKERS,
    **COTRACKER3_CHECKERS,
    **LOSS_CHECKERS,
}
