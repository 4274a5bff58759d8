"""Takes with points that can be found again in the pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.training.sample import Take

SIGMA = 1.8


def blobs(seed: int, size: tuple[int, int] = (120, 90), frames: int = 5, spacing: int = 24) -> Take:
    """White Gaussian blobs on black, wandering a little; track n is the centre of blob n."""
    rng = np.random.default_rng(seed)
    width, height = size
    x, y = np.meshgrid(np.arange(14, width - 12, spacing), np.arange(14, height - 12, spacing))
    start = np.stack([x, y], axis=-1).reshape(-1, 1, 2) + rng.uniform(-1, 1, (x.size, 1, 2))
    wandering = np.cumsum(rng.uniform(-0.4, 0.4, (x.size, frames, 2)), axis=1)
    xy = (start + wandering).astype(np.float32)
    flags = np.ones(xy.shape[:2], bool)
    return Take(f"blobs-{seed}", draw_blobs(xy, size), xy, flags, flags)


def draw_blobs(xy: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.uint8]:
    """``(T, H, W, 3)``: a blob at each point of each frame."""
    x, y = (np.arange(side, dtype=np.float64) for side in size)
    across = np.exp(-((x - xy[..., :1]) ** 2) / (2 * SIGMA**2))  # N T W
    down = np.exp(-((y - xy[..., 1:]) ** 2) / (2 * SIGMA**2))  # N T H
    video = np.einsum("nth,ntw->thw", down, across)
    return np.round(np.clip(video, 0, 1) * 255)[..., None].repeat(3, axis=3).astype(np.uint8)


def find(frame: NDArray[np.uint8], near: NDArray[np.float32], reach: int) -> NDArray[np.float64]:
    """The centre of light within `reach` pixels of a place; NaN where the window is cut off."""
    x, y = (round(float(v)) for v in near)
    height, width = frame.shape[:2]
    if not (reach <= x < width - reach and reach <= y < height - reach):
        return np.full(2, np.nan)
    window = frame[y - reach : y + reach + 1, x - reach : x + reach + 1, 0].astype(np.float64)
    offsets = np.arange(-reach, reach + 1)
    total = window.sum()
    return np.array([x + (window * offsets).sum() / total, y + (window.T * offsets).sum() / total])


def misses(take: Take, reach: int) -> NDArray[np.float64]:
    """From each visible point to the blob found there, where it is whole; ``(K, 2)``."""
    gaps = [
        find(take.video[t], take.xy[n, t], reach) - take.xy[n, t]
        for n, t in np.argwhere(take.visible)
    ]
    rows = np.array(gaps).reshape(-1, 2)
    return rows[np.isfinite(rows).all(axis=1)]


def noise_take(
    seed: int, size: tuple[int, int] = (40, 30), frames: int = 6, points: int = 30
) -> Take:
    """Pixels and tracks at random; points may leave the picture."""
    rng = np.random.default_rng(seed)
    video = rng.integers(0, 256, (frames, size[1], size[0], 3), dtype=np.uint8)
    xy = rng.uniform(-3, np.asarray(size) + 2, (points, frames, 2)).astype(np.float32)
    flags = (xy >= -0.5).all(axis=2) & (xy <= np.asarray(size) - 0.5).all(axis=2)
    return Take(f"noise-{seed}", video, xy, flags, np.ones_like(flags))
