"""Painted textures in numpy: float RGB pictures (H, W, 3) in [0, 1], row 0 on top.

All but single pictures repeat without a seam; all are drawn from a seeded generator.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Rng = np.random.Generator
SIZE = 512


def noise(
    rng: Rng, size: int = SIZE, cells: float = 6.0, fall: float = 1.2, stretch: float = 1.0
) -> Picture:
    """Periodic noise of unit spread (H, W); `cells` blobs a side, wide in x by `stretch`."""
    power = _spectrum(size, cells, fall, stretch)
    waves = power * np.exp(2j * np.pi * rng.random(power.shape, np.float32)).astype(np.complex64)
    field = cv2.idft(_packed(waves, size), flags=cv2.DFT_COMPLEX_OUTPUT)[..., 0]
    return (field - field.mean()) / (field.std() + 1e-12)


@lru_cache(64)
def _spectrum(size: int, cells: float, fall: float, stretch: float) -> Picture:
    """How strong each wave of a noise is (H, W)."""
    fy = np.fft.fftfreq(size)[:, None] * size
    fx = np.fft.fftfreq(size)[None] * size * stretch
    f = np.hypot(fx, fy)
    power = np.where(f < cells, (f / cells) ** 2, (np.maximum(f, 1e-6) / cells) ** -(1 + fall))
    return power.astype(np.float32)


def _packed(waves: NDArray[np.complex64], size: int) -> Picture:
    """Complex waves as OpenCV's two channels."""
    return waves.view(np.float32).reshape(size, size, 2)


def colour(
    rng: Rng,
    saturation: tuple[float, float] = (0.15, 0.8),
    value: tuple[float, float] = (0.3, 0.9),
) -> NDArray[np.float64]:
    """A random colour (3,)."""
    return np.array(
        colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    )


def palette(rng: Rng, count: int = 5, muted: float | None = None) -> NDArray[np.float64]:
    """Colours (count, 3) around one or two hues, from dark to bright, one of them pale."""
    hue, spread = rng.random(), rng.choice([0.06, 0.12, 0.5])
    grey = rng.uniform(0, 0.7) if muted is None else muted
    colours = []
    for i in range(count):
        h = hue + spread * (i % 2) + rng.normal(0, 0.03)
        s = np.clip(rng.uniform(0.4, 0.9) * (1 - grey), 0, 1)
        colours.append(colorsys.hsv_to_rgb(h % 1, s, 0.25 + 0.65 * rng.random()))
    colours[-1] = colorsys.hsv_to_rgb(hue % 1, 0.12, 0.92)
    return np.array(colours)


def grained(rng: Rng, image: Picture, strength: float = 0.05) -> Picture:
    """Blotches and fine specks, so that no painted area is quite flat."""
    height, width = image.shape[:2]
    specks = noise(rng, SIZE, 24, 0.25) * 1.1
    grain = cv2.resize(specks, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(image * (1 + strength * grain[..., None]), 0, 1).astype(np.float32)


def flat(shade: NDArray[np.floating], height: int = SIZE, width: int = SIZE) -> Picture:
    """One colour everywhere."""
    return np.broadcast_to(np.asarray(shade, np.float32), (height, width, 3)).copy()


def mixed(
    low: NDArray[np.floating], high: NDArray[np.floating], weight: NDArray[np.floating]
) -> Picture:
    """Between two colours by a weight (H, W) in [0, 1]."""
    w = np.clip(weight, 0, 1)[..., None]
    return (np.asarray(low) * (1 - w) + np.asarray(high) * w).astype(np.float32)


def wood(rng: Rng, planks: int = 5) -> Picture:
    """Planks along x, 1 m wide in all."""
    tone = np.array(
        [
            [0.62, 0.42, 0.25],
            [0.42, 0.26, 0.15],
            [0.74, 0.58, 0.38],
            [0.35, 0.3, 0.27],
            [0.55, 0.33, 0.2],
        ]
    )[rng.integers(5)]
    image = np.zeros((SIZE, SIZE, 3), np.float32)
    rings, grain = noise(rng, SIZE, 3, 1.2, 7), noise(rng, SIZE, 40, 0.6, 14)
    for rows in np.array_split(np.arange(SIZE), planks):
        shift = int(rng.integers(SIZE))
        ring = np.roll(rings, shift, 1)[rows]
        shade = (
            1
            + 0.13 * np.sin(ring * 9)
            + 0.1 * np.roll(grain, shift, 1)[rows]
            + rng.uniform(-0.16, 0.16)
        )
        image[rows] = tone * shade[..., None]
        image[rows[:2]] *= 0.4
        if planks > 1:
            cut = int(rng.integers(SIZE))
            image[rows, cut : cut + 2] *= 0.45
    return np.clip(image, 0.02, 1)


def parquet(rng: Rng) -> Picture:
    """Square blocks of strips, turned alternately."""
    tone = np.array([0.6, 0.4, 0.22]) * rng.uniform(0.7, 1.2)
    block, strips = SIZE // 4, 4
    image = np.zeros((SIZE, SIZE, 3), np.float32)
    grain = noise(rng, SIZE, 30, 0.7, 8)
    for i in range(4):
        for j in range(4):
            tile = np.zeros((block, block, 3), np.float32)
            for rows in np.array_split(np.arange(block), strips):
                y = int(rng.integers(SIZE - block))
                part = grain[y : y + len(rows), y : y + block]
                tile[rows] = tone * (1 + 0.1 * part + rng.uniform(-0.22, 0.22))[..., None]
                tile[rows[:1]] *= 0.4
            image[i * block : (i + 1) * block, j * block : (j + 1) * block] = (
                tile if (i + j) % 2 else tile.swapaxes(0, 1)
            )
    return np.clip(image, 0.02, 1)


def bricks(rng: Rng, rows: int = 8, columns: int = 4) -> Picture:
    """A brick wall; a picture is about 1 m."""
    tone = np.array(
        [[0.55, 0.25, 0.18], [0.62, 0.45, 0.33], [0.5, 0.48, 0.45], [0.75, 0.68, 0.58]]
    )[rng.integers(4)]
    image = flat(np.array([0.66, 0.63, 0.58]) * rng.uniform(0.7, 1.1))
    h, w = SIZE // rows, SIZE // columns
    for r in range(rows):
        for c in range(columns):
            x = c * w + (r % 2) * w // 2
            brick = tone * rng.uniform(0.72, 1.2) * rng.uniform(0.95, 1.05, 3)
            columns_ = np.arange(x + 3, x + w - 3) % SIZE
            image[r * h + 3 : (r + 1) * h - 3, columns_] = brick
    return grained(rng, image, 0.11)


def tiles(rng: Rng, count: int = 4) -> Picture:
    """Square tiles in one or two colours, perhaps with a motif."""
    colours = palette(rng, 3, 0.5)
    image = np.zeros((SIZE, SIZE, 3), np.float32)
    side, kind = SIZE // count, rng.integers(3)
    for i in range(count):
        for j in range(count):
            shade = colours[(i + j) % 2 if kind else 2] * rng.uniform(0.9, 1.08)
            tile = flat(np.clip(shade, 0, 1), side, side)
            if kind == 2:
                ink = colours[2 if (i + j) % 2 else 1].tolist()
                cv2.circle(tile, (side // 2, side // 2), side // 3, ink, side // 14, cv2.LINE_AA)
                for corner in ((0, 0), (side, 0), (0, side), (side, side)):
                    cv2.circle(tile, corner, side // 4, ink, -1, cv2.LINE_AA)
            tile[:2] = tile[:, :2] = 0.35
            image[i * side : (i + 1) * side, j * side : (j + 1) * side] = tile
    return grained(rng, image, 0.05)


def plaid(rng: Rng) -> Picture:
    """Crossing coloured bands with a visible weave."""
    colours = palette(rng, 4)
    image = flat(colours[-1] if rng.random() < 0.5 else colours[0])
    period = SIZE // int(rng.integers(2, 5))
    for _ in range(4):
        start, width = int(rng.integers(period)), int(rng.integers(4, period // 3))
        ink = colours[rng.integers(4)].astype(np.float32)
        band = (np.arange(SIZE) - start) % period < width
        image[band] = 0.5 * image[band] + 0.5 * ink
        image[:, band] = 0.5 * image[:, band] + 0.5 * ink
    weave = 1 - 0.08 * ((np.add.outer(np.arange(SIZE), np.arange(SIZE)) // 4) % 2)
    return grained(rng, (image * weave[..., None]).astype(np.float32), 0.05)


def stripes(rng: Rng) -> Picture:
    """Bands along x in three or four colours."""
    colours = palette(rng, 4)
    repeats = int(rng.integers(2, 6))
    bounds = np.sort(np.r_[0, rng.uniform(0, 1, 3)])
    row = (np.arange(SIZE) / SIZE * repeats) % 1
    image = colours[np.searchsorted(bounds, row, "right") - 1][:, None].repeat(SIZE, 1)
    return grained(rng, image.astype(np.float32), 0.07)


def motifs(rng: Rng, count: int = 60, radius: float = 26.0) -> Picture:
    """Shapes scattered on a ground colour."""
    colours = palette(rng, 6)
    image = flat(colours[rng.choice([0, 5])])
    kinds = rng.permutation(["disc", "star", "ring", "triangle", "square"])[:3]
    for i in range(count):
        centre, r = rng.uniform(0, SIZE, 2), radius * rng.uniform(0.5, 1.4)
        shape = outline(str(kinds[i % 3]), r, rng.uniform(0, 6.3))
        ink = colours[rng.integers(6)].tolist()
        for dx in (-SIZE, 0, SIZE):
            for dy in (-SIZE, 0, SIZE):
                points = (shape + centre + (dx, dy)).astype(np.int32)
                if kinds[i % 3] == "ring":
                    cv2.polylines(image, [points], True, ink, max(int(r / 3), 1), cv2.LINE_AA)
                else:
                    cv2.fillPoly(image, [points], ink, cv2.LINE_AA)
    return grained(rng, image, 0.06)


def outline(kind: str, radius: float, turn: float) -> NDArray[np.float64]:
    """Corners (K, 2) of a disc, ring, star, triangle or square."""
    corners = {"star": 10, "triangle": 3, "square": 4}.get(kind, 24)
    angle = np.arange(corners) * 2 * np.pi / corners + turn
    reach = np.where((np.arange(corners) % 2 == 1) & (kind == "star"), 0.45, 1.0) * radius
    return np.stack([np.cos(angle), np.sin(angle)], 1) * reach[:, None]


def wallpaper(rng: Rng) -> Picture:
    """A small motif on a lattice, on a pale ground."""
    ground = 0.55 + 0.4 * colour(rng, (0.1, 0.3), (0.6, 0.95))
    ink, second = colour(rng), colour(rng)
    image = flat(np.clip(ground, 0, 1))
    n = int(rng.integers(3, 7))
    step, kind = SIZE / n, str(rng.choice(["star", "ring", "disc", "square"]))
    for i in range(-1, n + 1):
        for j in range(-1, n + 1):
            centre = (np.array([i, j]) + 0.5 + [0.25 * (j % 2 * 2 - 1) * (n % 2 == 0), 0]) * step
            for shape, tone in (
                (outline(kind, step * 0.28, 0.3), ink),
                (outline("disc", step * 0.1, 0), second),
            ):
                cv2.fillPoly(image, [(shape + centre).astype(np.int32)], tone.tolist(), cv2.LINE_AA)
    weight = rng.uniform(0.45, 1.0)
    return grained(
        rng, (image * weight + (1 - weight) * np.clip(ground, 0, 1)).astype(np.float32), 0.04
    )


def marble(rng: Rng) -> Picture:
    """Veins through a pale or dark stone."""
    base, vein = (0.85, 0.35) if rng.random() < 0.7 else (0.16, 0.7)
    field = noise(rng, SIZE, 3, 1.1) + 0.5 * noise(rng, SIZE, 9, 1.0)
    lines = np.exp(-np.abs(np.sin(field * 2.2)) * 9) * (0.4 + 0.6 * (noise(rng, SIZE, 4) > 0))
    tint = np.array([1, 0.98, 0.95]) * rng.uniform(0.92, 1, 3)
    return grained(rng, mixed(base * tint, vein * tint, lines + 0.12 * noise(rng, SIZE, 5)), 0.04)


def terrazzo(rng: Rng) -> Picture:
    """Chips of several colours in a ground."""
    colours = palette(rng, 5, 0.3)
    image = flat(colours[-1] * rng.uniform(0.7, 1))
    for _ in range(420):
        centre, r = rng.uniform(0, SIZE, 2), rng.gamma(2, 3.5) + 2
        chip = outline("square", r, rng.uniform(0, 6)) * rng.uniform(0.5, 1.2, (4, 1)) + centre
        cv2.fillPoly(image, [chip.astype(np.int32)], colours[rng.integers(5)].tolist(), cv2.LINE_AA)
    return grained(rng, image, 0.05)


def plaster(rng: Rng, tone: NDArray[np.float64] | None = None) -> Picture:
    """A painted wall: nearly one colour, with stains and brush marks."""
    shade = 0.35 + 0.6 * colour(rng, (0.05, 0.45), (0.4, 0.95)) if tone is None else tone
    field = 0.04 * noise(rng, SIZE, 3, 1.0) + 0.025 * noise(rng, SIZE, 70, 0.4)
    return np.clip(flat(np.clip(shade, 0, 1)) * (1 + field[..., None]), 0, 1)


def concrete(rng: Rng) -> Picture:
    """Grey with stains, pores and joints."""
    shade = np.array([0.52, 0.51, 0.49]) * rng.uniform(0.6, 1.25)
    field = 0.1 * noise(rng, SIZE, 4, 0.9) + 0.06 * noise(rng, SIZE, 80, 0.3)
    image = flat(shade) * (1 + field[..., None])
    pores = noise(rng, SIZE, 50, 1.5) > 2.3
    image[pores] *= 0.55
    image[:3] *= 0.55
    image[:, :3] *= 0.55
    return np.clip(image, 0, 1).astype(np.float32)


def asphalt(rng: Rng) -> Picture:
    """Dark with fine stones and a few cracks."""
    field = 0.28 * noise(rng, SIZE, 110, 0.2) + 0.12 * noise(rng, SIZE, 4, 1.0)
    image = flat(np.array([0.27, 0.27, 0.28]) * rng.uniform(0.7, 1.4)) * (1 + field[..., None])
    cracks = np.abs(noise(rng, SIZE, 3, 0.9)) < 0.012
    image[cracks] *= 0.4
    return np.clip(image, 0.02, 1).astype(np.float32)


def paving(rng: Rng) -> Picture:
    """Irregular stones with dark joints (a periodic Voronoi pattern)."""
    count = int(rng.integers(30, 80))
    seeds = rng.uniform(0, SIZE, (count, 2)).astype(np.float32)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    best = np.full((2, SIZE, SIZE), 1e9, np.float32)
    owner = np.zeros((SIZE, SIZE), int)
    for i, (a, b) in enumerate(seeds):
        dx, dy = np.abs(x - a), np.abs(y - b)
        d = np.hypot(np.minimum(dx, SIZE - dx), np.minimum(dy, SIZE - dy))
        closer = d < best[0]
        best[1] = np.where(closer, best[0], np.minimum(best[1], d))
        owner[closer], best[0] = i, np.minimum(best[0], d)
    tone = colour(rng, (0.03, 0.25), (0.4, 0.7))
    image = (tone * rng.uniform(0.65, 1.25, (count, 1)))[owner]
    image = np.where((best[1] - best[0] < 4)[..., None], tone * 0.35, image)
    return grained(rng, image.astype(np.float32), 0.13)


def grass(rng: Rng) -> Picture:
    """A lawn from above: strokes of many greens and some dry ones."""
    dry = rng.uniform(0, 0.8)
    low, high = np.array([0.16, 0.27, 0.08]), np.array([0.44 + 0.2 * dry, 0.54, 0.22])
    patches = noise(rng, SIZE, 4, 1.1)
    image = mixed(low, high, 0.35 + 0.15 * patches)
    for _ in range(5000):
        a = rng.uniform(0, SIZE, 2)
        b = a + rng.normal(0, 8, 2)
        tone = (low + (high - low) * rng.uniform(0, 1.3)) * rng.uniform(0.7, 1.3, 3)
        cv2.line(
            image,
            tuple(a.astype(int).tolist()),
            tuple(b.astype(int).tolist()),
            np.clip(tone, 0, 1).tolist(),
            1,
            cv2.LINE_AA,
        )
    return grained(rng, image, 0.1)


def soil(rng: Rng) -> Picture:
    """Earth, sand or gravel with pebbles."""
    tone = np.array([[0.46, 0.35, 0.24], [0.7, 0.6, 0.44], [0.52, 0.47, 0.41]])[rng.integers(3)]
    field = 0.09 * noise(rng, SIZE, 5, 0.8) + 0.15 * noise(rng, SIZE, 70, 0.3)
    image = (flat(tone) * (1 + field[..., None])).astype(np.float32)
    for _ in range(260):
        centre, r = rng.uniform(0, SIZE, 2), rng.gamma(1.6, 2) + 1
        shade = (tone * rng.uniform(0.6, 1.6)).tolist()
        pebble = outline("disc", r, 0) * rng.uniform(0.6, 1, (1, 2)) + centre
        cv2.fillPoly(image, [(pebble + 1.5).astype(np.int32)], (tone * 0.4).tolist(), cv2.LINE_AA)
        cv2.fillPoly(image, [pebble.astype(np.int32)], shade, cv2.LINE_AA)
    return np.clip(image, 0.01, 1)


def litter(rng: Rng) -> Picture:
    """A forest's floor: earth under fallen leaves and moss."""
    image = mixed(
        np.array([0.3, 0.23, 0.15]), np.array([0.26, 0.33, 0.12]), 0.5 * noise(rng, SIZE, 4)
    )
    for _ in range(900):
        tone = np.array([0.5, 0.34, 0.17]) * rng.uniform(0.5, 1.25) * rng.uniform(0.85, 1.15, 3)
        leaf = outline("disc", rng.uniform(4, 9), 0) * (1, rng.uniform(0.3, 0.6))
        turn = rng.uniform(0, 6.3)
        spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        place = leaf @ spin.T + rng.uniform(0, SIZE, 2)
        cv2.fillPoly(image, [place.astype(np.int32)], tone.tolist(), cv2.LINE_AA)
    return grained(rng, image, 0.12)


def foliage(rng: Rng, hue: float | None = None) -> Picture:
    """Colours of leaves with their veins and light."""
    h = rng.choice([0.2, 0.25, 0.3, 0.33, 0.1]) if hue is None else hue
    low = np.array(colorsys.hsv_to_rgb(h, 0.75, 0.24))
    high = np.array(colorsys.hsv_to_rgb(h - 0.04, 0.6, 0.66))
    return grained(rng, mixed(low, high, 0.45 + 0.28 * noise(rng, SIZE, 24, 0.6)), 0.12)


def bark(rng: Rng) -> Picture:
    """Furrows along y."""
    tone = colour(rng, (0.15, 0.45), (0.25, 0.5)) * 0.3 + np.array([0.3, 0.22, 0.15]) * 0.7
    furrows = noise(rng, SIZE, 10, 0.8, 0.25).T
    field = 0.3 * furrows + 0.1 * noise(rng, SIZE, 60, 0.4)
    return np.clip(flat(tone) * (1 + field[..., None]), 0.02, 1).astype(np.float32)


def carpet(rng: Rng) -> Picture:
    """Fibres in one or two colours."""
    a, b = colour(rng, (0.2, 0.7), (0.25, 0.7)), colour(rng, (0.1, 0.5), (0.3, 0.8))
    spots = noise(rng, SIZE, 8, 1.0) * rng.choice([0.1, 0.5]) + noise(rng, SIZE, 90, 0.2) * 0.25
    return np.clip(mixed(a, b, 0.3 + 0.3 * spots), 0, 1)


def speckle(rng: Rng) -> Picture:
    """Sprayed dots of a few sizes."""
    colours = palette(rng, 4)
    image = flat(colours[0])
    for level, cells in enumerate((40, 20, 9)):
        image[noise(rng, SIZE, cells, 1.6) > 1.3] = colours[level + 1]
    return grained(rng, image, 0.06)


ANYTHING: tuple[Callable[[Rng], Picture], ...] = (
    wood,
    bricks,
    tiles,
    plaid,
    stripes,
    motifs,
    wallpaper,
    marble,
    terrazzo,
    speckle,
    paving,
    carpet,
)
CLOTHS: tuple[Callable[[Rng], Picture], ...] = (plaid, stripes, motifs, carpet, speckle, wallpaper)
