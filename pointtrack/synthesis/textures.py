"""Generated textures: noise of many octaves, cells, patterns that repeat, marks, gradients.

A texture is ``(3, S, S)`` float32 in [0, 1] on the device asked for. What is random is drawn
with NumPy, so it does not depend on the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pointtrack.synthesis.colours import Palette, pick, ramp, random_palette
from pointtrack.synthesis.marks import glyphs, leaves, strokes

Maker = Callable[[np.random.Generator, int, Palette, torch.device], Tensor]


def plane(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The coordinates x and y in [-1, 1] of the texels' centres: two ``(S, S)`` tensors."""
    line = (torch.arange(size, device=device, dtype=torch.float32) * 2 + 1) / size - 1
    return line[None, :].expand(size, size), line[:, None].expand(size, size)


def spectral_noise(
    rng: np.random.Generator,
    size: int,
    device: torch.device,
    slope: float = 1.5,
    stretch: float = 1.0,
) -> Tensor:
    """Noise whose amplitude falls as frequency^-slope; ``(S, S)``, mean 0, deviation 1.

    All octaves at once: a slope of 1 is as rough as photographs, 2 is clouds. A `stretch`
    other than 1 draws it out, as wood and brushed metal are.
    """
    half = size // 2 + 1
    drawn = rng.standard_normal((2, size, half), dtype=np.float32)
    row = np.fft.fftfreq(size).astype(np.float32)[:, None] * size
    column = np.arange(half, dtype=np.float32)[None] * np.float32(stretch)
    radius = np.sqrt(row**2 + column**2)
    radius[0, 0] = np.inf  # no constant part
    spectrum = torch.from_numpy(drawn * radius ** np.float32(-slope)).to(device)
    noise = torch.fft.irfft2(torch.complex(spectrum[0], spectrum[1]), s=(size, size))
    return noise / noise.std()


def even_noise(
    rng: np.random.Generator, size: int, device: torch.device, slope: float, stretch: float = 1.0
) -> Tensor:
    """`spectral_noise` spread nearly evenly over [0, 1]."""
    return torch.sigmoid(1.7 * spectral_noise(rng, size, device, slope, stretch))


def clouds(rng: np.random.Generator, size: int, palette: Palette, device: torch.device) -> Tensor:
    """Noise coloured by a palette: stone, soil, sky, fabric."""
    stretch = float(rng.choice([1, 1, 0.2, 4]))
    return ramp(palette, even_noise(rng, size, device, rng.uniform(0.9, 2.0), stretch))


def grain(rng: np.random.Generator, size: int, palette: Palette, device: torch.device) -> Tensor:
    """Bands bent by noise: wood and marble."""
    x, y = plane(size, device)
    heading, number = rng.uniform(0, 2 * np.pi), rng.uniform(6, 25)
    along = math.cos(heading) * x + math.sin(heading) * y
    bent = along * number + rng.uniform(0.5, 3) * spectral_noise(rng, size, device, 2.0)
    return ramp(palette, 0.5 + 0.5 * torch.sin(bent))


def cells(rng: np.random.Generator, size: int, palette: Palette, device: torch.device) -> Tensor:
    """Cells about scattered points: cobbles, scales, cracked earth, mosaic."""
    count = int(rng.integers(3, 11))
    sites = rng.random((count + 2, count + 2, 2)).astype(np.float32)
    shade = rng.random((count + 2, count + 2)).astype(np.float32)
    x, y = ((c + 1) * (count / 2) for c in plane(size, device))
    column, row = x.long(), y.long()
    place = torch.from_numpy(sites).to(device).view(-1, 2)
    nearest = torch.full((size, size), 9.0, device=device)
    second, owner = nearest.clone(), torch.zeros_like(column)
    for down in range(3):
        for right in range(3):
            index = (row + down) * (count + 2) + column + right
            dx = place[:, 0][index] + (column + (right - 1)) - x
            dy = place[:, 1][index] + (row + (down - 1)) - y
            distance = dx * dx + dy * dy
            closer = distance < nearest
            second = torch.minimum(second, torch.maximum(nearest, distance))
            owner = torch.where(closer, index, owner)
            nearest = torch.minimum(nearest, distance)
    colour = ramp(palette, torch.from_numpy(shade).to(device).view(-1)[owner])
    seam = ((second.sqrt() - nearest.sqrt()) * rng.uniform(4, 14)).clamp(0, 1)
    return colour * (rng.uniform(0.1, 0.8) + (1 - 0.5) * seam).clamp(max=1)


def spots(rng: np.random.Generator, size: int, palette: Palette, device: torch.device) -> Tensor:
    """Two materials parted by a level of noise: hides, camouflage, rust."""
    level = spectral_noise(rng, size, device, rng.uniform(1.3, 2.2))
    part = torch.sigmoid((level - rng.uniform(-0.5, 0.5)) * rng.uniform(3, 20))
    one = clouds(rng, size, palette[:2], device)
    two = clouds(rng, size, palette[-2:], device)
    return torch.lerp(one, two, part)


def gradient(rng: np.random.Generator, size: int, palette: Palette, device: torch.device) -> Tensor:
    """Hardly any texture: one colour that passes slowly into another."""
    x, y = plane(size, device)
    heading = rng.uniform(0, 2 * np.pi)
    along = math.cos(heading) * x + math.sin(heading) * y
    if rng.random() < 0.4:
        along = ((x - rng.uniform(-1, 1)) ** 2 + (y - rng.uniform(-1, 1)) ** 2).sqrt() - 1
    near = palette[[0, 0]] + rng.uniform(-0.12, 0.12, (2, 3)).astype(np.float32)
    return ramp(np.clip(near, 0, 1), 0.5 + 0.35 * along)


def repeats(rng: np.random.Generator, size: int, palette: Palette, device: torch.device) -> Tensor:
    """Checks, stripes, bricks, dots, tiles and plaid."""
    x, y = plane(size, device)
    heading = float(rng.choice([0, 0, rng.uniform(0, np.pi)]))
    number = rng.uniform(2.5, max(3.0, min(12.0, size / 16)))
    p = (math.cos(heading) * x + math.sin(heading) * y) * number + rng.random()
    q = (math.cos(heading) * y - math.sin(heading) * x) * number + rng.random()
    sharp = size / (2 * number)  # texels a unit, so that edges are one texel wide
    kind = rng.choice(["checks", "stripes", "bricks", "dots", "tiles", "plaid"])
    if kind == "checks":
        part = 0.5 + torch.sin(np.pi * p) * torch.sin(np.pi * q) * (sharp / 3)
    elif kind == "stripes":
        part = 0.5 + (torch.sin(np.pi * p) - rng.uniform(-0.5, 0.5)) * (sharp / 3)
    elif kind == "dots":
        square = (p - p.round()) ** 2 + (q - q.round()) ** 2
        part = 0.5 + (rng.uniform(0.2, 0.45) - square.sqrt()) * sharp
    elif kind == "plaid":
        wide, narrow = torch.sin(np.pi * p), torch.sin(np.pi * q)
        return ramp(palette, 0.5 + 0.25 * (wide * sharp).clamp(-1, 1) + 0.25 * narrow.sign())
    else:
        if kind == "bricks":
            p = p / 2 + (q.floor() % 2) / 2
        wall = torch.minimum(0.5 - (p - p.floor() - 0.5).abs(), 0.5 - (q - q.floor() - 0.5).abs())
        part = (wall - rng.uniform(0.03, 0.1)) * sharp
        stone = p.floor().long() * 7 + q.floor().long() * 3
        colours = pick(palette[1:], stone if rng.random() < 0.6 else stone * 0)
        mortar = torch.from_numpy(palette[0]).to(device)[:, None, None]
        return torch.lerp(mortar.expand_as(colours), colours, part.clamp(0, 1))
    return ramp(palette[[0, -1]], part)


_RICH: tuple[tuple[Maker, float], ...] = (
    (clouds, 0.2),
    (grain, 0.1),
    (cells, 0.12),
    (spots, 0.16),
    (leaves, 0.22),
    (glyphs, 0.09),
    (strokes, 0.11),
)


def random_texture(
    rng: np.random.Generator,
    size: int,
    device: torch.device,
    textureless: float = 0.0,
    repeated: float = 0.0,
) -> Tensor:
    """A texture of a random kind; the two numbers are the chances of a plain or repeated one."""
    palette = random_palette(rng)
    kind = rng.random()
    if kind < textureless:
        return gradient(rng, size, palette, device).clamp(0, 1)
    if kind < textureless + repeated:
        image = repeats(rng, size, palette, device)
    else:
        makers, weights = zip(*_RICH, strict=True)
        image = makers[rng.choice(len(makers), p=weights)](rng, size, palette, device)
    # Nothing real is quite even: wear, dirt and uneven light, alike in all channels.
    wear = spectral_noise(rng, size, device, rng.uniform(0.7, 1.8))
    return (image * (1 + rng.uniform(0.02, 0.14) * wear)).clamp(0, 1)
