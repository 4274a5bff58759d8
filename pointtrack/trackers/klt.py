"""KLT: pyramidal Lucas-Kanade from frame to frame, re-anchored on what was queried.

Lucas and Kanade, IJCAI 1981; Shi and Tomasi, CVPR 1994; pyramids by Bouguet, 2000; forward-
backward check by Kalal et al., ICPR 2010. Frame-to-frame matching drifts, so each point
remembers its patch from the query frame and is aligned with it again under an affine warp
(`templates.py`). The same patch tells whether the point is still seen, and finds it again.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack import geometry
from pointtrack.errors import PointtrackError
from pointtrack.trackers.base import Tracker
from pointtrack.trackers.patches import Grey
from pointtrack.trackers.session import Estimate, Flags, Points, Session, Values
from pointtrack.trackers.templates import Templates
from pointtrack.weights import ModelCard

CARD = ModelCard(
    name="klt",
    family="KLT",
    summary="pyramidal Lucas-Kanade, forward-backward check, re-anchored on the query's patch",
    paper="Lucas, Kanade, IJCAI 1981; Tomasi, Kanade, 1991; Shi, Tomasi, CVPR 1994",
    task="online",
)

_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03)
_LIKE = 0.3  # normalised correlation with the query's patch that counts as the same point
_ALIKE = 0.7  # what a point that was lost needs to be taken up again
_NEIGHBOURS = 8


class KltTracker(Tracker):
    """Pyramidal Lucas-Kanade.

    Parameters
    ----------
    window
        Side of the matching window in pixels.
    levels
        Pyramid levels above the full picture.
    error
        A point is lost when tracking it there and back misses by more than this, in pixels.
    anchor
        Align with the query's patch every so many frames; 0: never (drifts).
    """

    card = CARD

    def __init__(self, window: int = 21, levels: int = 3, error: float = 1.0, anchor: int = 5):
        if window < 3 or levels < 0 or error <= 0 or anchor < 0:
            raise PointtrackError(
                "klt needs window >= 3, levels >= 0, error > 0 and anchor >= 0, found "
                f"{window}, {levels}, {error} and {anchor}"
            )
        self._window, self._levels, self._error = (window, window), levels, error
        self._anchor = anchor

    def session(self, keep: bool = False) -> KltSession:
        return KltSession(self._window, self._levels, self._error, self._anchor, keep)


class KltSession(Session):
    """Holds one grey frame, and for every point its query's patch and whether it is lost."""

    def __init__(self, window: tuple[int, int], levels: int, error: float, anchor: int, keep: bool):
        super().__init__(keep)
        self._window, self._levels, self._error = window, levels, error
        self._anchor = anchor
        self._grey: NDArray[np.uint8] = np.empty((0, 0), np.uint8)
        self._templates = Templates()
        self._lost = np.empty(0, bool)

    def _start(self, frame: NDArray[np.uint8]) -> None:
        self._grey = _grey(frame)

    def _begin(self, xy: Points) -> None:
        self._templates.add(self._grey, xy)
        self._lost = np.concatenate([self._lost, np.zeros(len(xy), bool)])

    def _keep(self, rows: Flags) -> None:
        self._templates.keep(rows)
        self._lost = self._lost[rows]

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        before, self._grey = self._grey, _grey(frame)
        old = self._now[0]
        if len(old) == 0:
            return self._now
        new, error = self._match(before, old)
        likeness = self._templates.likeness(self._grey, new)
        held = (error <= self._error) & (likeness >= _LIKE)
        moved = ~held
        if moved.any():
            new[moved] = old[moved] + self._drift(old, new, held, likeness)
            likeness[moved] = self._templates.likeness(self._grey, new[moved], moved)
        if self._anchor and self.frame % self._anchor == 0:
            new, likeness = self._reanchor(new, likeness, held)
        # A lost point needs more to be taken up again than a held one to be kept.
        self._lost = likeness < np.where(held, _LIKE, _ALIKE)
        assert self.size is not None
        visible = ~self._lost & geometry.inside(new, self.size)
        sure = np.clip((likeness - 0.4) / 0.5, 0, 1)
        return new, visible, np.where(visible, sure, 0).astype(np.float32)

    def _match(self, before: NDArray[np.uint8], old: Points) -> tuple[Points, NDArray[np.float32]]:
        """New positions, and by how many pixels each misses its start on the way back.

        Lost points are not matched: there is nothing under them to follow.
        """
        new, error = old.copy(), np.full(len(old), np.inf, np.float32)
        rows = np.flatnonzero(~self._lost)
        if len(rows) == 0:
            return new, error
        start = old[rows]
        found, there = self._follow(before, self._grey, start, self._levels)
        again, back = self._follow_back(before, found, start)
        kept = there & back
        gap = again - start
        error[rows[kept]] = np.hypot(gap[kept, 0], gap[kept, 1])
        new[rows] = found
        return new, error

    def _follow_back(self, before: Grey, found: Points, start: Points) -> tuple[Points, Flags]:
        """The way back is as long as the way there: short ones do without the coarsest level.

        Not with fewer: a search that can only look near its start forgives wrong matches.
        """
        again, back = np.empty_like(start), np.zeros(len(start), bool)
        levels = min(2, self._levels)
        near = np.abs(found - start).max(axis=1) <= self._window[0] / 4 * 2**levels
        for part, most in ((near, levels), (~near, self._levels)):
            if part.any():
                again[part], back[part] = self._follow(self._grey, before, found[part], most)
        return again, back

    def _follow(self, left: Grey, right: Grey, xy: Points, levels: int) -> tuple[Points, Flags]:
        moved, status, _ = cv2.calcOpticalFlowPyrLK(  # type: ignore[call-overload]
            left, right, xy, None, winSize=self._window, maxLevel=levels, criteria=_CRITERIA
        )
        return moved, status[:, 0] == 1

    def _drift(self, old: Points, new: Points, held: Flags, likeness: Values) -> Points:
        """How points that are not held move: like the nearest ones that are; (L, 2)."""
        lost = old[~held]
        if not held.any():
            return np.zeros_like(lost)
        # What covers one point often drags others along, and these look less alike.
        sure = held & (likeness >= _ALIKE)
        if sure.sum() >= _NEIGHBOURS:
            held = sure
        anchors = old[held]
        # |a - b|^2 up to a term that is the same for all anchors of a point.
        near = np.square(anchors).sum(axis=1) - 2 * (lost @ anchors.T)  # L H
        count = min(_NEIGHBOURS, len(anchors))
        nearest = np.argpartition(near, count - 1, axis=1)[:, :count]
        steps = np.sort((new[held] - anchors)[nearest], axis=1)  # L 8 2
        middle = steps[:, (count - 1) // 2] + steps[:, count // 2]  # twice their median
        return np.asarray(middle / 2, np.float32)

    def _reanchor(self, xy: Points, likeness: Values, held: Flags) -> tuple[Points, Values]:
        aligned, alike, _ = self._templates.align(self._grey, xy)
        gap = np.linalg.norm(aligned - xy, axis=1)
        reach = np.where(held, 0.1, 0.25) * self._window[0]
        taken = (alike >= _ALIKE) & (gap <= reach)
        self._templates.accept(taken)
        return np.where(taken[:, None], aligned, xy), np.where(taken, alike, likeness)


def _grey(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
