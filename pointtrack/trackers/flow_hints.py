"""Optical flow as a hint for the compact network: see `pointtrack.networks.compact_flow`."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pointtrack.networks.compact_flow import straight
from pointtrack.trackers.flow import ConsistentFlow, DisFlow, Points
from pointtrack.trackers.patches import correlation, lattice, normalised, read

Flags = NDArray[np.bool_]

_PATCH = lattice(4, 2)
_ALIKE = 0.8  # patches that are less alike than this show something else, the more so the less
_ITERATIONS = 8  # of the search for flow: more of them lose small motions among large ones
_TEMPLATES = 4  # frames at most from which flow is followed straight to the newest


class FlowHints:
    """Flow to the newest of the frames that it is shown: from the one before, and straight from
    the first few frames on which points were asked for.

    Which frames are remembered depends on earlier points only, so that points do not disturb
    those that were there before them.
    """

    def __init__(self) -> None:
        self._source = DisFlow("fine", iterations=_ITERATIONS)
        self._frames: list[NDArray[np.uint8]] = []
        self._templates: dict[int, NDArray[np.uint8]] = {}
        self._flows: dict[int, ConsistentFlow] = {}
        self._seen = 0
        self._origin = np.empty((0, 2), np.float32)  # K 2
        self._born = np.empty(0, np.int64)  # K

    def see(self, frame: NDArray[np.uint8]) -> None:
        """Take the next frame, ``(H, W, 3)`` RGB, of the same size as the one before."""
        self._frames = [*self._frames[-1:], self._source.prepare(frame)]
        self._seen += 1
        self._flows = {
            born: self._source.between(template, self._frames[-1], self._flows.get(born))
            for born, template in self._templates.items()
        }

    def add(self, xy: Points) -> None:
        """Points ``(K, 2)`` px are asked for on the newest frame."""
        if len(xy) and len(self._templates) < _TEMPLATES:
            self._templates[self._seen] = self._frames[-1]
        self._origin = np.concatenate([self._origin, np.asarray(xy, np.float32)])
        self._born = np.concatenate([self._born, np.full(len(xy), self._seen)])

    def keep(self, rows: Flags) -> None:
        """Forget all points but those of ``rows``."""
        self._origin, self._born = self._origin[rows], self._born[rows]
        wanted = set(self._born.tolist())
        self._templates = {t: held for t, held in self._templates.items() if t in wanted}

    def latest(self) -> NDArray[np.float32]:
        """Flow between the last two frames, of which there must be two.

        Returns
        -------
        ndarray
            ``(H, W, 4)`` px: from the earlier frame to the later, and from the later to the
            earlier, (x, y, x, y).
        """
        earlier, later = self._frames
        return _both(self._source.between(earlier, later))

    def direct(self) -> NDArray[np.float32]:
        """`Hints.direct` of the points, ``(K, 3)``: there must have been a frame since each."""
        hints = np.zeros((len(self._born), 3), np.float32)
        for born, flow in self._flows.items():
            rows = self._born == born
            field = torch.from_numpy(_both(flow))[None]
            which = torch.zeros(int(rows.sum()), dtype=torch.long)
            hints[rows] = straight(field, which, torch.from_numpy(self._origin[rows])).numpy()
        return hints

    def confirmed(self, direct: NDArray[np.float32]) -> NDArray[np.float32]:
        """What `direct` says, trusted less the less the places that it leads to look alike.

        Flow to a picture that shows nothing there and nothing back agrees with itself.
        """
        like = np.zeros(len(direct), np.float32)
        for born, template in self._templates.items():
            rows = self._born == born
            looks = normalised(read(template, self._origin[rows], _PATCH))
            seen = normalised(read(self._frames[-1], direct[rows, :2], _PATCH))
            like[rows] = np.clip(correlation(looks, seen) / _ALIKE, 0, 1)
        return np.column_stack([direct[:, :2], direct[:, 2] * like]).astype(np.float32)


def video_flow(video: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Flow to each frame of ``(T, H, W, 3)`` but the first, from the one before and from the
    first; two of ``(T - 1, H, W, 4)``, as `FlowHints.latest`."""
    hints = FlowHints()
    shape = max(0, len(video) - 1), *video.shape[1:3], 4
    near, straight_on = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for t, frame in enumerate(video):
        hints.see(np.ascontiguousarray(frame))
        if t == 0:
            hints.add(np.zeros((1, 2)))
        else:
            near[t - 1], straight_on[t - 1] = hints.latest(), _both(*hints._flows.values())
    return near, straight_on


def _both(flow: ConsistentFlow) -> NDArray[np.float32]:
    return np.asarray(cv2.merge([flow.forward, flow.backward]), np.float32)
