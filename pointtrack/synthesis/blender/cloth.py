"""A small cloth solver in numpy: position-based dynamics on a grid (Müller et al., 2007)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def _pairs(rows: int, columns: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Springs in groups that share no vertex, so that a group is moved at once."""
    index = np.arange(rows * columns).reshape(rows, columns)
    groups = []
    for di, dj in ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0)):
        a = index[: rows - di, max(0, -dj) : columns - max(0, dj)]
        b = index[di:, max(0, dj) : columns + min(0, dj)]
        i, j = np.meshgrid(np.arange(a.shape[0]), np.arange(a.shape[1]), indexing="ij")
        period = 2 * max(di, abs(dj))
        along = i if di else j
        for part in range(period):
            chosen = along % period == part
            groups.append((a[chosen], b[chosen]))
    return groups


def drape(
    verts: Floats,
    shape: tuple[int, int],
    pinned: NDArray[np.bool_],
    frames: int,
    fps: float,
    warm: int = 24,
    wind: Callable[[float], Floats] | None = None,
    balls: tuple[tuple[tuple[float, float, float], float], ...] = (),
    floor: float | None = None,
    anchor: Callable[[float], Floats] | None = None,
    substeps: int = 6,
    stiffness: float = 0.9,
) -> Floats:
    """Let a grid of cloth hang, blow and fall.

    Parameters
    ----------
    verts
        ``(rows * columns, 3)`` at the start, row by row; its distances are the cloth's own.
    pinned
        ``(V,)`` vertices that stay, or move with `anchor`.
    warm
        Frames simulated before the first one that is returned.
    wind
        Acceleration ``(3,)`` in m/s² at a time in seconds.
    balls, floor
        What the cloth lies on: (centre, radius), and a height.
    anchor
        How far the pinned vertices have moved ``(3,)`` at a time.

    Returns
    -------
    ndarray
        ``(frames, V, 3)``.
    """
    groups = _pairs(*shape)
    rest = [np.linalg.norm(verts[a] - verts[b], axis=1) for a, b in groups]
    free = ~pinned
    weight = free.astype(float)[:, None]
    now, last = verts.copy(), verts.copy()
    dt = 1.0 / fps / substeps
    out = []
    for frame in range(warm + frames):
        for sub in range(substeps):
            time = (frame - warm) / fps + sub * dt
            force = np.array([0, 0, -9.81])
            push = np.zeros_like(now)
            if wind is not None:
                normal = _normals(now, shape)
                gust = wind(time)
                push = normal * np.abs(normal @ gust)[:, None] * np.sign(normal @ gust)[:, None]
            moved = now + weight * (0.988 * (now - last) + (force + push) * dt * dt)
            if anchor is not None:
                moved[pinned] = verts[pinned] + anchor(time)
            last, now = now, moved
            for _ in range(4):
                for (a, b), length in zip(groups, rest, strict=True):
                    way = now[b] - now[a]
                    far = np.linalg.norm(way, axis=1)
                    total = np.maximum(weight[a, 0] + weight[b, 0], 1e-9)
                    shift = (
                        stiffness * ((far - length) / np.maximum(far, 1e-9) / total)[:, None] * way
                    )
                    now[a] += weight[a] * shift
                    now[b] -= weight[b] * shift
                for centre, radius in balls:
                    out_ = now - centre
                    far = np.linalg.norm(out_, axis=1, keepdims=True)
                    inside = (far[:, 0] < radius) & free
                    now[inside] = centre + out_[inside] / far[inside] * radius
                    last[inside] += 0.6 * (now[inside] - last[inside])  # friction
                if floor is not None:
                    below = (now[:, 2] < floor) & free
                    now[below, 2] = floor
                    last[below] += 0.6 * (now[below] - last[below])
        if frame >= warm:
            out.append(now.copy())
    return np.stack(out)


def _normals(verts: Floats, shape: tuple[int, int]) -> Floats:
    grid = verts.reshape(*shape, 3)
    normal = np.cross(np.gradient(grid, axis=1), np.gradient(grid, axis=0)).reshape(-1, 3)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)


def gusts(rng: np.random.Generator, strength: float) -> Callable[[float], Floats]:
    """A wind that swells and turns."""
    heading = rng.uniform(0, 2 * np.pi)
    rate, phase = rng.uniform(0.4, 1.6, 3), rng.uniform(0, 6.3, 3)

    def wind(time: float) -> Floats:
        beat = np.sin(2 * np.pi * rate * time + phase)
        angle = heading + 0.5 * beat[0]
        return (
            strength
            * (0.7 + 0.6 * beat[1])
            * np.array([np.cos(angle), np.sin(angle), 0.2 * beat[2]])
        )

    return wind
