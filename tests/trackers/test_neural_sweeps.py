"""Which frames networks with a memory go through."""

from __future__ import annotations

import numpy as np
import pytest

import pointtrack as pt
from pointtrack.trackers.neural.sweeps import plan_sweeps


def asked(*rows: tuple[int, int]) -> pt.Queries:
    """Observations (point, frame)."""
    names = tuple(str(n) for n in range(1 + max(point for point, _ in rows)))
    txy = np.array([[frame, 1, 1] for _, frame in rows], np.float32)
    return pt.Queries(txy, np.array([point for point, _ in rows]), names)


@pytest.mark.parametrize(
    ("rows", "both_ways", "warm_up", "ahead", "back", "needed"),
    [
        ([(0, 0), (1, 0)], True, False, range(9), range(0), [False, False]),
        ([(0, 2), (1, 4)], False, False, range(2, 9), range(0), [False, False]),
        ([(0, 2), (1, 4)], True, False, range(2, 9), range(4, -1, -1), [True, True]),
        ([(0, 0), (1, 4)], True, False, range(9), range(4, -1, -1), [False, True]),
        ([(0, 2), (0, 5), (1, 7)], False, False, range(2, 9), range(5, 1, -1), [True, True, False]),
        ([(0, 2), (1, 4)], True, True, range(9), range(8, -1, -1), [True, True]),
    ],
)
def test_no_frame_is_gone_through_in_vain(
    rows: list[tuple[int, int]],
    both_ways: bool,
    warm_up: bool,
    ahead: range,
    back: range,
    needed: list[bool],
) -> None:
    found = plan_sweeps(asked(*rows), 9, both_ways, warm_up)
    assert (found.ahead, found.back) == (ahead, back)
    assert found.needed.tolist() == needed
