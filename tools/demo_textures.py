"""Procedural textures of the demo scene: float RGB images (H, W, 3) in [0, 1], row 0 on top."""

from __future__ import annotations

import cv2
import numpy as np

INK = np.array([[0.80, 0.16, 0.12], [0.95, 0.66, 0.13], [0.10, 0.42, 0.62], [0.16, 0.50, 0.27],
                [0.91, 0.40, 0.22], [0.36, 0.22, 0.48], [0.93, 0.88, 0.78]])  # fmt: skip


def noise(rng, height, width, cell_y, cell_x, octaves=4):
    """Smooth fractal noise in about [-1, 1], cells given in pixels."""
    total = np.zeros((height, width), np.float32)
    for k in range(octaves):
        rows = max(2, int(height * 2**k / cell_y))
        cols = max(2, int(width * 2**k / cell_x))
        grid = rng.uniform(-1, 1, (min(rows, height), min(cols, width))).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / 1.8**k
    return total / 1.5


def grained(rng, image, strength=0.06):
    """Add blotches and fine specks, so that no painted area is quite flat."""
    height, width = image.shape[:2]
    blotch = noise(rng, height, width, 60, 60) * strength
    dust = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 2.2)
    dust /= dust.std()
    strong = np.maximum(np.abs(dust) - 1.7, 0)  # a few dark or light grains
    specks = dust + 2.5 * np.sign(dust) * strong
    return np.clip(image * (1 + blotch + specks * strength)[..., None], 0, 1)


def wood(rng, height=1024, width=2048, planks=7, tone=(0.62, 0.40, 0.22)):
    image = np.zeros((height, width, 3), np.float32)
    for rows in np.array_split(np.arange(height), planks):
        n = len(rows)
        rings = noise(rng, n, width, 50, 900, 3)
        grain = noise(rng, n, width, 5, 260, 3)
        shade = 1 + 0.16 * np.sin(rings * 16) + 0.17 * grain + rng.uniform(-0.16, 0.16)
        for _ in range(5):  # knots
            cy, cx, r = rng.uniform(0, n), rng.uniform(0, width), rng.uniform(9, 20)
            yy, xx = np.mgrid[:n, :width]
            dist = np.hypot(yy - cy, (xx - cx) / 2) / r
            shade -= 0.5 * np.exp(-(dist**2)) + 0.14 * np.exp(-dist / 3) * np.sin(dist * 5)
        image[rows] = np.array(tone) * shade[..., None]
        image[rows[:3]] *= 0.35  # joint between planks
    return grained(rng, np.clip(image, 0.01, 1), 0.08)


def motifs(rng, height, width, ground, count, radius, kinds=("disc", "star", "ring", "tri")):
    """Scatter printed shapes in the ink colours on a ground colour."""
    image = np.empty((height, width, 3), np.float32)
    image[:] = ground
    for i in range(count):
        c, r = rng.uniform((0, 0), (width, height)), radius * rng.uniform(0.6, 1.3)
        color, kind = INK[rng.integers(len(INK))].tolist(), kinds[i % len(kinds)]
        corners = {"star": 10, "tri": 3}.get(kind, 24)
        angle = np.arange(corners) * 2 * np.pi / corners + rng.uniform(0, 6)
        reach = np.where(np.arange(corners) % 2 == 0, r, r * (0.45 if kind == "star" else 1.0))
        shape = c + np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None]
        if kind == "ring":
            cv2.polylines(image, [shape.astype(np.int32)], True, color, int(r / 3), cv2.LINE_AA)
        else:
            cv2.fillPoly(image, [shape.astype(np.int32)], color, cv2.LINE_AA)
    return grained(rng, image)


def plaid(rng, size=1024):
    lines = np.zeros(size)
    for period, width, weight in ((170, 60, 0.5), (170, 14, 0.9), (85, 6, 0.6)):
        lines += weight * ((np.arange(size) + rng.integers(period)) % period < width)
    rows, cols = np.broadcast_arrays(lines[:, None, None], lines[None, :, None])
    image = np.array([0.92, 0.88, 0.80]) - 0.24 * (rows * [0.2, 1.4, 1.6] + cols * [1.7, 0.9, 0.3])
    weave = 1 - 0.10 * ((np.add.outer(np.arange(size), np.arange(size)) // 4) % 2)
    return grained(rng, np.clip(image, 0.04, 1) * weave[..., None], 0.05)


def ball_paint(rng, height=512, width=1024):
    image = np.empty((height, width, 3), np.float32)
    for i, columns in enumerate(np.array_split(np.arange(width), 6)):
        image[:, columns] = INK[[0, 6, 2, 6, 1, 6][i]]
    spots = motifs(rng, height, width, (0, 0, 0), 60, 24)
    image = np.where(spots.sum(2, keepdims=True) > 0.2, spots, image)
    image[height // 2 - 14 : height // 2 + 14] = 0.08
    return grained(rng, image)


def letters(rng, text, cell=256):
    """A 3 x 2 atlas of wooden faces with a painted frame and a letter on each."""
    tiles = []
    for i, letter in enumerate(text):
        tile = wood(rng, cell, cell, 1, (0.80, 0.62, 0.40)).astype(np.float32)
        color = INK[(i + rng.integers(6)) % 6].tolist()
        cv2.rectangle(tile, (18, 18), (cell - 19, cell - 19), color, 14, cv2.LINE_AA)
        font, scale = cv2.FONT_HERSHEY_TRIPLEX, 5.6
        (w, h), _ = cv2.getTextSize(letter, font, scale, 16)
        at = ((cell - w) // 2, (cell + h) // 2)
        cv2.putText(tile, letter, at, font, scale, color, 18, cv2.LINE_AA)
        tiles.append(grained(rng, tile, 0.05))
    return np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])


def cover(rng, text, color, cell=256):
    """A 3 x 2 atlas for a book: sides are front spine, back spine, pages, pages, top, bottom."""
    face = motifs(rng, cell, cell, color * 0.7 + 0.1, 26, 20)
    spine = face.copy()
    strip = np.empty((cell, 4 * cell, 3), np.float32)  # drawn wide, as the spine is
    strip[:] = color * 0.5
    cv2.putText(strip, text, (190, 200), cv2.FONT_HERSHEY_DUPLEX, 5, (0.95, 0.9, 0.8), 12, 16)
    spine[:] = cv2.resize(strip, (cell, cell), interpolation=cv2.INTER_AREA)
    pages = np.repeat(rng.uniform(0.55, 0.9, (cell // 4, 1, 1)), 4, 0) * np.ones((cell, cell, 3))
    spine, pages = spine.astype(np.float32), pages.astype(np.float32)
    return np.vstack([np.hstack([spine, spine, pages]), np.hstack([pages, face, face])])


def stripes(rng, size=512):
    y, x = np.mgrid[:size, :size] / size
    band = np.floor((y * 14 + x) * 3).astype(int) % 5
    return grained(rng, INK[np.array([0, 6, 2, 6, 1])[band]].astype(np.float32))
