"""Single pictures that are shown once: paintings, book covers, posters, balls."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from pointtrack.synthesis.blender.paint import (
    SIZE,
    Picture,
    Rng,
    flat,
    grained,
    mixed,
    motifs,
    noise,
    outline,
    palette,
    plaid,
    stripes,
)

WORDS = ("NORTH", "ATLAS", "RIVER", "LIGHT", "OCEAN", "GARDEN", "MUSIC", "STORY", "BIRDS", "MOON")


# Letters as five rows of three dots in octal; OpenCV's own fonts differ between its versions.
GLYPHS = {
    "A": "25755",
    "B": "65656",
    "C": "34443",
    "D": "65556",
    "E": "74647",
    "G": "34553",
    "H": "55755",
    "I": "72227",
    "L": "44447",
    "M": "57755",
    "N": "65555",
    "O": "25552",
    "R": "65655",
    "S": "34216",
    "T": "72222",
    "U": "55557",
    "V": "55552",
    "Y": "55222",
}


def landscape(rng: Rng) -> Picture:
    """Hills under a sky with a sun."""
    colours = palette(rng, 6)
    y = np.linspace(0, 1, SIZE)[:, None]
    image = mixed(colours[5], colours[1], np.repeat(y, SIZE, 1).astype(np.float32))
    centre = rng.uniform(0.2, 0.8, 2) * SIZE * (1, 0.6)
    cv2.circle(
        image,
        tuple(centre.astype(int).tolist()),
        int(rng.uniform(20, 70)),
        (0.96, 0.85, 0.55),
        -1,
        cv2.LINE_AA,
    )
    for k in range(4):
        line = 0.45 + 0.13 * k + 0.06 * noise(rng, SIZE, 4 + 2 * k, 1.0)[0]
        image = np.where((y > line[None])[..., None], colours[k] * (0.9 - 0.12 * k), image)
    return grained(rng, image.astype(np.float32), 0.1)


def write(image: Picture, word: str, at: tuple[int, int], height: int, ink: list[float]) -> None:
    """Print a word of `GLYPHS` into a picture, its upper left corner at (x, y)."""
    dot = height // 5
    for k, letter in enumerate(word):
        for row, bits in enumerate(GLYPHS[letter]):
            for column in range(3):
                if int(bits) & (4 >> column):
                    x, y = at[0] + (4 * k + column) * dot, at[1] + row * dot
                    image[y : y + dot, x : x + dot] = ink


def painting(rng: Rng) -> Picture:
    """Overlapping shapes in a few colours."""
    colours = palette(rng, 6)
    image = flat(colours[5])
    for _ in range(int(rng.integers(8, 26))):
        kind = str(rng.choice(["disc", "square", "triangle"]))
        shape = outline(kind, rng.uniform(30, 150), rng.uniform(0, 6)) + rng.uniform(0, SIZE, 2)
        cv2.fillPoly(
            image, [shape.astype(np.int32)], colours[rng.integers(6)].tolist(), cv2.LINE_AA
        )
    for _ in range(6):
        ends = rng.uniform(0, SIZE, (5, 2)).astype(np.int32)
        cv2.polylines(image, [ends], False, colours[rng.integers(6)].tolist(), 5, cv2.LINE_AA)
    return grained(rng, image, 0.09)


def poster(rng: Rng) -> Picture:
    """A word, lines of text and a figure."""
    colours = palette(rng, 5)
    image = flat(colours[rng.choice([0, 4])])
    ink = (colours[4] if image[0, 0].sum() < 1.5 else colours[0] * 0.5).tolist()
    word = str(rng.choice(WORDS))
    write(image, word, (30, 40), 80, ink)
    shape = outline(str(rng.choice(["disc", "star", "square"])), 130, rng.uniform(0, 6))
    shape = shape + np.array([256, 290])
    cv2.fillPoly(image, [shape.astype(np.int32)], colours[1].tolist(), cv2.LINE_AA)
    for k in range(3):
        width = int(rng.uniform(200, 440))
        cv2.line(image, (30, 440 + 22 * k), (30 + width, 440 + 22 * k), ink, 6, cv2.LINE_AA)
    return grained(rng, image, 0.05)


def rug(rng: Rng) -> Picture:
    """Borders and medallions, mirrored both ways."""
    colours = palette(rng, 5)
    half = SIZE // 2
    quarter = flat(colours[0], half, half)
    for k, inset in enumerate((0, 14, 44, 58)):
        quarter[inset:, inset:] = colours[(k + 1) % 5]
    for i in range(8):
        at = (int(28 + i * 32), 28)
        for point in (at, at[::-1]):
            cv2.circle(quarter, point, 8, colours[4].tolist(), -1, cv2.LINE_AA)
    for _ in range(26):
        kind = str(rng.choice(["disc", "square", "star"]))
        shape = outline(kind, rng.uniform(8, 30), rng.choice([0, 0.785])) + rng.uniform(90, half, 2)
        cv2.fillPoly(
            quarter, [shape.astype(np.int32)], colours[rng.integers(5)].tolist(), cv2.LINE_AA
        )
    for radius, k in ((110, 1), (84, 2), (50, 4)):
        cv2.circle(quarter, (half, half), radius, colours[k].tolist(), -1, cv2.LINE_AA)
    image = np.concatenate([quarter, quarter[::-1]])
    return grained(rng, np.concatenate([image, image[:, ::-1]], 1), 0.14)


def ball_print(rng: Rng) -> Picture:
    """What a ball wears: sectors, bands, shapes or a plaid."""
    kind = rng.integers(4)
    if kind == 0:
        colours = palette(rng, 6)
        sector = np.arange(SIZE) * int(rng.choice([4, 6, 8])) // SIZE
        image = np.repeat(colours[sector % int(rng.integers(2, 5))][None], SIZE, 0)
        image[: SIZE // 12] = image[-SIZE // 12 :] = colours[5]
        image[SIZE // 2 - 8 : SIZE // 2 + 8] = colours[5] * 0.2
        return grained(rng, image.astype(np.float32), 0.08)
    return (motifs, stripes, plaid)[kind - 1](rng)


def cover(rng: Rng) -> Picture:
    """A book's cover: title, rules and a motif."""
    return poster(rng) if rng.random() < 0.6 else painting(rng)


PICTURES: tuple[Callable[[Rng], Picture], ...] = (landscape, painting, poster)
