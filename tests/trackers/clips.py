"""Clips whose every pixel's way is known exactly, and flows that know it too.

The picture is a sum of plane waves, so it can be read anywhere without interpolation, and an
affine motion keeps it a sum of plane waves. Frame ``t`` shows the scene's point ``s`` at
``A_t s + b_t``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrices = NDArray[np.float64]  # T 2 2
Shifts = NDArray[np.float64]  # T 2


@dataclass(frozen=True)
class Waves:
    """A smooth random texture: ``sum_k a_k cos(k . p + phase_k)`` around mid-grey."""

    seed: int = 0
    shortest: float = 7.0  # px
    longest: float = 50.0
    count: int = 150

    def picture(self, size: tuple[int, int], matrix: NDArray, shift: NDArray) -> NDArray[np.uint8]:
        rng = np.random.default_rng(self.seed)
        length = np.exp(rng.uniform(np.log(self.shortest), np.log(self.longest), self.count))
        angle, phase = rng.uniform(0, 2 * np.pi, (2, self.count))
        waves = 2 * np.pi / length * np.stack([np.cos(angle), np.sin(angle)])  # 2 K
        gain = rng.normal(0, 45 * np.sqrt(2 / self.count), (3, self.count)) + rng.normal(
            0, 25 * np.sqrt(2 / self.count), self.count
        )
        inverse = np.linalg.inv(matrix)
        seen = inverse.T @ waves  # the waves as this frame shows them
        start = np.exp(1j * (phase - (inverse @ shift) @ waves))
        along = np.exp(1j * np.outer(seen[0], np.arange(size[0])))  # K W
        down = np.exp(1j * np.outer(np.arange(size[1]), seen[1])) * start  # H K
        colours = [(128 + ((down * g) @ along).real) for g in gain]
        return np.clip(np.round(np.stack(colours, axis=-1)), 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Clip:
    """Frames and the motion that made them."""

    frames: NDArray[np.uint8]  # T H W 3
    matrix: Matrices
    shift: Shifts
    boxes: NDArray[np.float64] | None = None  # T 4: x0 y0 x1 y1 of what covers the scene
    size: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", self.frames.shape[2:0:-1])

    def move(self, xy: ArrayLike, start: int, end: int) -> NDArray[np.float64]:
        """Where points ``(K, 2)`` of one frame are on another."""
        scene = np.linalg.solve(self.matrix[start], (np.asarray(xy) - self.shift[start]).T)
        return (self.matrix[end] @ scene).T + self.shift[end]

    def truth(self, txy: ArrayLike) -> NDArray[np.float64]:
        """The tracks ``(N, T, 2)`` of queries ``(N, 3)``."""
        rows = np.asarray(txy, np.float64)
        frames = range(len(self.frames))
        return np.array([[self.move(r[None, 1:], int(r[0]), t)[0] for t in frames] for r in rows])

    def covered(self, tracks: NDArray, margin: float = 0) -> NDArray[np.bool_]:
        """Which of ``(N, T, 2)`` lie under what covers the scene, made wider by ``margin``."""
        assert self.boxes is not None
        low, high = self.boxes[:, :2] - margin, self.boxes[:, 2:] + margin
        return ((tracks > low) & (tracks < high)).all(axis=-1)


def clip(
    frames: int,
    size: tuple[int, int] = (128, 96),
    *,
    velocity: tuple[float, float] = (0, 0),
    turn: float = 0,
    zoom: float = 1,
    seed: int = 0,
    finest: float = Waves.shortest,
    coarsest: float = Waves.longest,
) -> Clip:
    """A scene that moves by ``velocity`` px, turns by ``turn`` radians about the picture's middle
    and grows by ``zoom`` with every frame."""
    time = np.arange(frames)
    angle, scale = turn * time, zoom**time
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=1)  # T 2 2
    middle = (np.array(size) - 1) / 2
    shift = middle + time[:, None] * np.array(velocity, float) - matrix @ middle
    waves = Waves(seed, finest, coarsest)
    pictures = [waves.picture(size, m, s) for m, s in zip(matrix, shift, strict=True)]
    return Clip(np.stack(pictures), matrix, shift)


def cover(scene: Clip, boxes: ArrayLike, *, plain: bool = False) -> Clip:
    """The same clip behind a board at ``boxes (T, 4)``: textured, and its texture moves with
    it, or plain and dark."""
    given = np.asarray(boxes, np.float64)
    frames, board = scene.frames.copy(), Waves(99, 3.5, 30)
    x, y = np.meshgrid(np.arange(scene.size[0]), np.arange(scene.size[1]))
    for frame, box in zip(frames, given, strict=True):
        x0, y0, x1, y1 = box
        inside = (x > x0) & (x < x1) & (y > y0) & (y < y1)
        frame[inside] = 30 if plain else board.picture(scene.size, np.eye(2), box[:2])[inside]
    return Clip(frames, scene.matrix, scene.shift, given)


def spread(size: tuple[int, int], columns: int, rows: int, margin: float) -> NDArray[np.float32]:
    """A grid of positions ``(K, 2)`` off the whole numbers."""
    x = np.linspace(margin, size[0] - 1 - margin, columns) + 0.21
    y = np.linspace(margin, size[1] - 1 - margin, rows) - 0.37
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)


def on_frame(xy: ArrayLike, frame: int) -> NDArray[np.float32]:
    """Queries ``(K, 3)`` at positions of one frame."""
    points = np.asarray(xy, np.float32)
    return np.column_stack([np.full(len(points), frame, np.float32), points])


def numbered(scene: Clip) -> Clip:
    """The same motion without its looks: each pixel holds its frame's number."""
    count, height, width, _ = scene.frames.shape
    number = np.arange(count)[:, None, None, None]
    digits = np.concatenate([number % 256, number // 256, 0 * number], axis=-1).astype(np.uint8)
    frames = np.broadcast_to(digits, (count, height, width, 3))
    return Clip(frames, scene.matrix, scene.shift, scene.boxes)


def number_of(frame: NDArray[np.uint8]) -> int:
    """Which frame of a `numbered` clip this is."""
    return int(frame[0, 0, 0]) + 256 * int(frame[0, 0, 1])
