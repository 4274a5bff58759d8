"""Textures cut out of a user's own pictures."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.errors import PointtrackError
from pointtrack.video.pictures import pictures_in, read_picture

_KEPT = 1024  # pixels of the shorter side; more would only cost memory


@lru_cache(maxsize=8)
def find_pictures(folder: str) -> tuple[Path, ...]:
    """The pictures of a folder, which must hold one.

    Raises
    ------
    PointtrackError
        When there is no such folder or no picture in it.
    """
    found = pictures_in(Path(folder))
    if not found:
        raise PointtrackError(f"the folder of textures {folder} holds no picture")
    return tuple(found)


@lru_cache(maxsize=48)
def _reduced(path: Path) -> NDArray[np.uint8]:
    picture = read_picture(path)
    ratio = _KEPT / min(picture.shape[:2])
    if ratio < 1:
        smaller = cv2.resize(picture, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
        picture = smaller.astype(np.uint8)
    return np.ascontiguousarray(picture)


def random_cutting(
    rng: np.random.Generator, folder: str, size: int, device: torch.device
) -> Tensor:
    """A square of a picture, resized to ``(3, S, S)`` float32 in [0, 1] and perhaps mirrored."""
    paths = find_pictures(folder)
    picture = _reduced(paths[int(rng.integers(len(paths)))])
    height, width = picture.shape[:2]
    least = min(size, height, width)
    side = int(rng.integers(least, min(height, width) + 1))
    x, y = int(rng.integers(0, width - side + 1)), int(rng.integers(0, height - side + 1))
    how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    square = cv2.resize(picture[y : y + side, x : x + side], (size, size), interpolation=how)
    if rng.random() < 0.5:
        square = square[:, ::-1]
    image = torch.from_numpy(np.ascontiguousarray(square)).to(device).permute(2, 0, 1)
    return image.contiguous().float() / 255
