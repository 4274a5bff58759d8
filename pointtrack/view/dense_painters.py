"""Ways to draw dense tracks: a grid that bends, a colour wheel of flow, paint that sticks."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.dense import DenseTracks
from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size
from pointtrack.view.colours import by_position, position_map
from pointtrack.view.ink import Ink
from pointtrack.view.overlay import Frame, fade
from pointtrack.view.style import Style

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels, the last ones not included
Positions = NDArray[np.float32]
Flags = NDArray[np.bool_]

_BACKGROUND = Style(desaturate=0.45, darken=0.25)
_STEP = 2  # pixels between the places that a line of the grid goes through
_TORN = 4.0  # neighbours that are pulled apart by more than this many times are not joined
_LUT = 256
_FINE = 2  # paint is laid on this many times as densely as the pixels lie
_PAINT = 0.82  # its opacity
_CHECKS = 8  # squares along the longer side of the default paint


class GridPainter:
    """A grid drawn on the frame that is followed, bent as its pixels go.

    Where a line's pixels are hidden, or pulled apart, it is broken.

    Parameters
    ----------
    dense
        What to draw.
    cells
        Of the grid along the picture's longer side.
    """

    def __init__(self, dense: DenseTracks, cells: int = 24):
        if not 1 <= cells <= max(dense.size):
            raise PointtrackError(f"cells must be from 1 to {max(dense.size)}, found {cells}")
        self._dense = dense
        width, height = self.size = dense.size
        spacing = max(dense.size) / cells
        self._lines = [
            *((np.s_[::_STEP, column], column, None) for column in _centred(width, spacing)),
            *((np.s_[row, ::_STEP], None, row) for row in _centred(height, spacing)),
        ]
        # Steps at a time in one colour: about the side of a cell.
        self._stroke = max(2, round(spacing / _STEP))
        self._rgb = [self._colours(column, row) for _, column, row in self._lines]
        self._width = max(1.0, float(np.hypot(width, height)) / 620)
        self._ink = Ink(self.size, self._width, shadow=self._width)

    def paint(self, frame: Frame, t: int) -> Frame:
        """A new picture of frame ``t`` of the video, ``(H, W, 3)``."""
        picture = fade(frame, _BACKGROUND)
        xy, visible = self._dense.at(t)
        self._ink.clear()
        for (line, _, _), rgb in zip(self._lines, self._rgb, strict=True):
            self._line(xy[line], visible[line], rgb)  # type: ignore[index]
        return self._ink.over(picture)

    def _line(self, xy: Positions, seen: Flags, rgb: NDArray[np.uint8]) -> None:
        known = seen & np.isfinite(xy).all(axis=1)
        near = np.abs(np.diff(xy, axis=0)).max(axis=1) <= _TORN * _STEP
        joined = known[:-1] & known[1:] & near  # each with the next
        places = self._ink.place(xy)
        for a, colour in zip(range(0, len(joined), self._stroke), rgb, strict=True):
            for first, last in _stretches(joined[a : a + self._stroke]):
                self._ink.line(places[a + first : a + last + 1], colour, 0.95, self._width)

    def _colours(self, column: int | None, row: int | None) -> NDArray[np.uint8]:
        """Of every stroke of a line, by where its middle lies."""
        length = self.size[1] if row is None else self.size[0]
        steps = -(-length // _STEP) - 1
        middle = (np.arange(0, steps, self._stroke) + self._stroke / 2) * _STEP
        x = middle if column is None else np.full(len(middle), float(column))
        y = middle if row is None else np.full(len(middle), float(row))
        return by_place(np.column_stack([x, y]), self.size)


class FlowPainter:
    """The frame, and beside it how far every pixel of the frame that is followed has moved.

    The colour is the direction, pale where there is little motion; pixels that are hidden are
    dark. The wheel in the corner is the key, and its rim the greatest motion.

    Parameters
    ----------
    dense
        What to draw.
    source
        The frame that is followed.
    """

    def __init__(self, dense: DenseTracks, source: Frame):
        self._dense = dense
        width, height = dense.size
        self.size = (2 * width, height)
        grey = cv2.cvtColor(source, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
        self._light = (0.55 + 0.45 * grey)[..., None]
        self._scale = _largest(dense)
        self._key = _wheel(max(16, min(dense.size) // 5))

    def paint(self, frame: Frame, t: int) -> Frame:
        """A new picture ``(H, 2 W, 3)``."""
        _, visible = self._dense.at(t)
        flow = self._dense.flow(t) / self._scale
        known = np.isfinite(flow).all(axis=-1)
        shown = np.where((visible & known)[..., None], 1.0, 0.3) * self._light
        colours = _table_lookup(np.where(known[..., None], flow, 0))
        picture = np.asarray(colours * shown, np.uint8)
        rgb, disc = self._key
        corner = picture[: len(rgb), -len(rgb) :]
        corner[disc] = rgb[disc]
        return np.concatenate([frame, picture], axis=1)


class PatchPainter:
    """Paint laid on a part of the frame that is followed, which sticks to its pixels.

    Parameters
    ----------
    dense
        What to draw.
    box
        Which part, ``(x0, y0, x1, y1)``; default: the middle.
    paint
        ``(h, w, 3)`` or, with opacity, ``(h, w, 4)`` uint8 RGB(A), which is stretched over the
        box. Default: a chequered pattern.
    """

    def __init__(
        self, dense: DenseTracks, box: Box | None = None, paint: NDArray[np.uint8] | None = None
    ):
        self._dense = dense
        self.size = dense.size
        self._box = _checked_box(box, dense.size)
        x0, y0, x1, y1 = self._box
        wide, tall = (x1 - x0) * _FINE, (y1 - y0) * _FINE
        paint = _chequered(self._box, dense.size) if paint is None else paint
        if paint.ndim != 3 or paint.shape[2] not in (3, 4) or paint.dtype != np.uint8:
            raise PointtrackError(
                f"paint must be (h, w, 3 or 4) uint8, found {paint.shape} {paint.dtype}"
            )
        laid = cv2.resize(paint, (wide, tall), interpolation=cv2.INTER_AREA).astype(np.float32)
        self._rgb = laid[..., :3].reshape(-1, 3)
        opacity = laid[..., 3] / 255 if paint.shape[2] == 4 else np.ones((tall, wide), np.float32)
        self._opacity = _PAINT * opacity.ravel()

    def paint(self, frame: Frame, t: int) -> Frame:
        """A new picture of frame ``t`` of the video, ``(H, W, 3)``."""
        x0, y0, x1, y1 = self._box
        xy, visible = self._dense.at(t)
        xy, visible = xy[y0:y1, x0:x1], visible[y0:y1, x0:x1]
        seen = visible & np.isfinite(xy).all(axis=-1) & ~_pulled_apart(xy)
        fine = (xy.shape[1] * _FINE, xy.shape[0] * _FINE)
        places = cv2.resize(np.nan_to_num(xy), fine, interpolation=cv2.INTER_LINEAR)
        # Between a pixel that is seen and one that is not lies nothing.
        there = cv2.resize(seen.astype(np.float32), fine, interpolation=cv2.INTER_LINEAR) > 0.99
        return self._splat(frame, places.reshape(-1, 2).astype(np.float32), there.ravel())

    def _splat(self, frame: Frame, places: Positions, there: Flags) -> Frame:
        """Every piece of paint goes onto the four pixels around it."""
        height, width = frame.shape[:2]
        places, rgb, opacity = places[there], self._rgb[there], self._opacity[there]
        low = np.floor(places).astype(np.int64)
        share = places - low
        sums = np.zeros((5, height * width))  # what is covered, opacity, red, green, blue
        for dx in (0, 1):
            for dy in (0, 1):
                column, row = low[:, 0] + dx, low[:, 1] + dy
                inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
                weight = (np.abs(1 - dx - share[:, 0]) * np.abs(1 - dy - share[:, 1]))[inside]
                cell = (row * width + column)[inside]
                values = np.column_stack([np.ones(len(opacity)), opacity, rgb])[inside]
                for total, value in zip(sums, values.T, strict=True):
                    total += np.bincount(cell, weight * value, height * width)
        covered, opaque, *colours = sums.reshape(5, height, width)
        weight = np.maximum(covered, 1e-6)
        share_covered = np.minimum(covered, 1) * opaque / weight
        mixed = np.stack(colours, axis=-1) / weight[..., None]
        alpha = share_covered[..., None]
        return np.asarray(frame * (1 - alpha) + mixed * alpha + 0.5, np.uint8)


def by_place(xy: NDArray[np.floating], size: Size) -> NDArray[np.uint8]:
    """The colour of a place of the picture, as overlays of points have it."""
    corners = np.array([[0, 0], [size[0] - 1, size[1] - 1]])
    return by_position(np.concatenate([xy, corners]), size)[:-2]


def _centred(length: int, spacing: float) -> list[int]:
    """Lines across a side, the same distance from both of its ends."""
    count = max(1, int((length - 1) / spacing))
    rest = (length - 1 - (count - 1) * spacing) / 2
    return [round(rest + k * spacing) for k in range(count)]


def _stretches(joined: Flags) -> list[tuple[int, int]]:
    """Runs of joined neighbours: numbers of their first and last place."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], joined, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _largest(dense: DenseTracks, frames: int = 9) -> float:
    """A motion that hardly any pixel exceeds, from some of the frames; at least a pixel."""
    found = [1.0]
    for t in np.unique(np.linspace(dense.frames[0], dense.frames[-1], frames).round().astype(int)):
        flow = dense.flow(int(t))
        seen = dense.at(int(t))[1] & np.isfinite(flow).all(axis=-1)
        if seen.any():
            found.append(float(np.percentile(np.hypot(*flow[seen].T), 98)))
    return max(found)


@cache
def _table() -> NDArray[np.uint8]:
    places = np.linspace(0, 1, _LUT)
    return position_map(np.stack(np.meshgrid(places, places), axis=-1))  # y x 3


def _table_lookup(flow: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colours ``(..., 3)`` of motion ``(..., 2)``, of length 1 at the wheel's rim."""
    length = np.maximum(np.hypot(flow[..., 0], flow[..., 1]), 1)[..., None]
    place = np.round((flow / length + 1) / 2 * (_LUT - 1)).astype(np.int64)
    return _table()[place[..., 1], place[..., 0]]


def _wheel(side: int) -> tuple[NDArray[np.uint8], Flags]:
    """The key ``(side, side, 3)``, and which of it is the disc."""
    at = np.linspace(-1.08, 1.08, side)
    motion = np.stack(np.meshgrid(at, at), axis=-1)
    radius = np.hypot(motion[..., 0], motion[..., 1])
    rgb = _table_lookup(motion)
    rgb[radius > 1] = 24
    return rgb, radius <= 1.08


def _checked_box(box: Box | None, size: Size) -> Box:
    width, height = size
    if box is None:
        return width * 3 // 10, height * 3 // 10, -(-width * 7 // 10), -(-height * 7 // 10)
    x0, y0, x1, y1 = box
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise PointtrackError(
            f"the box is (x0, y0, x1, y1) in the {width}x{height} picture, found {box}"
        )
    return box


def _chequered(box: Box, size: Size) -> NDArray[np.uint8]:
    """Squares in the colours of where they lie, every other one darker."""
    x0, y0, x1, y1 = box
    x, y = np.meshgrid(np.arange(x1 - x0), np.arange(y1 - y0))
    side = max(1.0, max(x1 - x0, y1 - y0) / _CHECKS)
    dark = ((x // side + y // side) % 2).astype(bool)
    uv = np.stack([x / max(1, x1 - x0 - 1), y / max(1, y1 - y0 - 1)], axis=-1)
    rgb = _table_lookup(2 * uv - 1)
    return np.where(dark[..., None], rgb // 3, rgb).astype(np.uint8)


def _pulled_apart(xy: Positions) -> Flags:
    """Pixels ``(h, w)`` that are far from the next one to their right or below."""
    torn = np.zeros(xy.shape[:2], bool)
    torn[:, :-1] |= np.abs(np.diff(xy, axis=1)).max(axis=-1) > _TORN
    torn[:-1] |= np.abs(np.diff(xy, axis=0)).max(axis=-1) > _TORN
    return torn
