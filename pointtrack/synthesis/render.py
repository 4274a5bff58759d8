"""Drawing a scene: layers laid over each other from back to front, many frames at a time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pointtrack.geometry import Size
from pointtrack.synthesis.layers import COVERED, Layer

_PIXELS = 1 << 20  # drawn at a time, which bounds memory


def frame_chunks(frames: int, size: Size) -> list[range]:
    """Runs of frames of about `_PIXELS` pixels."""
    step = max(1, _PIXELS // (size[0] * size[1]))
    return [range(first, min(first + step, frames)) for first in range(0, frames, step)]


def draw(layers: Sequence[Layer], moments: Tensor, size: Size) -> Tensor:
    """The layers, back to front, at n moments: ``(3, n, H, W)`` float32 in [0, 1]."""
    device = layers[0].pixels.device
    canvas = torch.zeros(3, len(moments), size[1], size[0], device=device)
    for layer in layers:
        if layer.shadow is not None:
            _cast(canvas, layer, moments, size)
        box = layer.box(moments, size)
        if box is None:
            continue
        x0, y0, x1, y1 = box
        v, u = layer.grid(moments, box)
        found = layer.sample(layer.pixels, u)
        colour = found[:3]
        if layer.shading is not None:
            light = layer.shading[moments].float().to(device)[:, :, None, None]
            colour *= 1 + light[:, 0] * v[..., 0] + light[:, 1] * v[..., 1] + light[:, 2]
        part = canvas[:, :, y0:y1, x0:x1]
        if layer.endless and layer.solid:
            part.copy_(colour)
        else:
            part.mul_(1 - found[3]).add_(colour)
    return canvas


def _cast(canvas: Tensor, layer: Layer, moments: Tensor, size: Size) -> None:
    shadow = layer.shadow
    assert shadow is not None
    box = layer.box(moments, size, shadow.shift)
    if box is None:
        return
    x0, y0, x1, y1 = box
    _, u = layer.grid(moments, box, shadow.shift)
    dark = layer.sample(shadow.mask, u)[0]
    canvas[:, :, y0:y1, x0:x1].mul_(1 - shadow.strength * dark)


def top_layers(layers: Sequence[Layer], moments: Tensor, size: Size) -> Tensor:
    """Which layer is on top at every pixel's centre: ``(n, H, W)`` int64, an index of layers."""
    device = layers[0].pixels.device
    top = torch.zeros(len(moments), size[1], size[0], dtype=torch.int64, device=device)
    for index, layer in enumerate(layers):
        box = layer.box(moments, size) if layer.solid else None
        if box is None:
            continue
        x0, y0, x1, y1 = box
        _, u = layer.grid(moments, box)
        cover = layer.sample(layer.pixels[3:], u)[0]
        top[:, y0:y1, x0:x1][cover >= COVERED] = index
    return top
