"""Which checker reads which folder. A folder that is not here is reported as "not yet"."""

from __future__ import annotations

from collections.abc import Callable

from metric_checks import METRIC_CHECKERS
from mft_checks import MFT_CHECKERS
from parity_fixtures import Case
from raft_checks import RAFT_CHECKERS
from space_checks import SPACE_CHECKERS
from tapir_checks import TAPIR_CHECKERS

CHECKERS: dict[str, Callable[[Case], None]] = {
    **METRIC_CHECKERS,
    **SPACE_CHECKERS,
    **TAPIR_CHECKERS,
    **RAFT_CHECKERS,
    **MFT_CHECKERS,
}
