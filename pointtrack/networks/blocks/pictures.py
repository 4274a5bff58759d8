"""How networks that began with ImageNet want their pictures."""

from __future__ import annotations

from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


def standardised(frames: Tensor, white: float = 255.0) -> Tensor:
    """RGB ``(F, 3, H, W)``, white at ``white``, less ImageNet's mean, over its deviation."""
    shape = (1, 3, 1, 1)
    scale = white * frames.new_tensor(DEVIATION).view(shape)
    return (frames - white * frames.new_tensor(MEAN).view(shape)) / scale
