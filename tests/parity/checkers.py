"""Which checker reads which folder. A folder that is not here is reported as "not yet"."""

from __future__ import annotations

from collections.abc import Callable

from metric_checks import METRIC_CHECKERS
from parity_fixtures import Case
from space_checks import SPACE_CHECKERS

CHECKERS: dict[str, Callable[[Case], None]] = {**METRIC_CHECKERS, **SPACE_CHECKERS}
