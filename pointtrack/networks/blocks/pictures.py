"""Pictures as networks want them: ImageNet's colours, and sides of the right length."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


def standardised(frames: Tensor, white: float = 255.0) -> Tensor:
    """RGB ``(F, 3, H, W)``, white at ``white``, less ImageNet's mean, over its deviation."""
    shape = (1, 3, 1, 1)
    scale = white * frames.new_tensor(DEVIATION).view(shape)
    return (frames - white * frames.new_tensor(MEAN).view(shape)) / scale


class Padding(NamedTuple):
    """How many pixels are added at each side."""

    left: int
    right: int
    top: int
    bottom: int

    def pad(self, frames: Tensor) -> Tensor:
        """Continue frames ``(F, 3, H, W)`` with their edges."""
        return F.pad(frames, list(self), mode="replicate")

    def crop(self, maps: Tensor) -> Tensor:
        """Take off of ``(..., H, W)`` what was added."""
        height, width = maps.shape[-2:]
        return maps[..., self.top : height - self.bottom, self.left : width - self.right]


def padding_to(height: int, width: int, multiple: int, least: int) -> Padding:
    """What makes a picture's sides such multiples, and so long at least; added evenly."""
    wide, high = (max(least, -(-n // multiple) * multiple) - n for n in (width, height))
    return Padding(wide // 2, wide - wide // 2, high // 2, high - high // 2)
