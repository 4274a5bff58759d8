"""The maps of one rendered frame: from Blender's EXR file, and kept between runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError, require
from pointtrack.files import atomic_path

# How much of itself depth may change from a pixel to the next on one surface, times the focal
# length in pixels: as much as on a plane seen at a cosine of some 0.2 from corner to corner.
STEEPEST = 7.0

BACKGROUND = 1e9  # Blender's depth where there is nothing is 1e10


@dataclass(frozen=True, eq=False)
class FrameMaps:
    """What is seen at the centre of each pixel of one frame.

    Attributes
    ----------
    depth
        ``(H, W)`` float32, distance along the optical axis; infinite where there is nothing.
    normal, position
        ``(H, W, 3)`` float32 in Blender's world, z up.
    index
        ``(H, W)`` uint16, the number of the instance, 0 for what is none.
    forward, backward
        ``(H, W, 2)`` float32, where the surface is in the next and in the previous frame less
        where it is now, in pixels, y down.
    """

    depth: NDArray[np.float32]
    normal: NDArray[np.float32]
    position: NDArray[np.float32]
    index: NDArray[np.uint16]
    forward: NDArray[np.float32]
    backward: NDArray[np.float32]


_NAMES = ("depth", "normal", "position", "index", "forward", "backward")


def read_exr(path: Path) -> FrameMaps:
    """Read the multi-layer EXR file that Blender wrote for one frame.

    Blender's Vector pass counts y upwards: XY is previous less current, ZW current less next.
    """
    openexr = require("OpenEXR", "blender")
    parts = openexr.File(str(path), separate_channels=True).parts
    found = {name: part.channels[name].pixels for part in parts for name in part.channels}
    channels = {name.partition(".")[2]: pixels for name, pixels in found.items()}

    def stack(name: str, letters: str) -> NDArray[np.float32]:
        try:
            planes = [channels[f"{name}.{letter}"] for letter in letters]
        except KeyError as problem:
            there = ", ".join(sorted(channels))
            raise FormatError(f"{path} has no channel {problem}; there are: {there}") from problem
        return np.stack(planes, -1).astype(np.float32)

    depth, vector = stack("Depth", "Z")[..., 0], stack("Vector", "XYZW")
    return FrameMaps(
        depth=np.where(depth < BACKGROUND, depth, np.inf).astype(np.float32),
        normal=stack("Normal", "XYZ"),
        position=stack("Position", "XYZ"),
        index=stack("Object Index", "X")[..., 0].round().astype(np.uint16),
        forward=vector[..., 2:] * np.array((-1, 1), np.float32),
        backward=vector[..., :2] * np.array((1, -1), np.float32),
    )


def save_maps(path: Path, maps: FrameMaps) -> None:
    """Keep a frame's maps, whole or not at all."""
    with atomic_path(path) as temporary:
        np.savez(temporary, **{name: getattr(maps, name) for name in _NAMES})


def load_maps(path: Path) -> FrameMaps:
    """Read what `save_maps` wrote."""
    with np.load(path) as archive:
        return FrameMaps(*(archive[name] for name in _NAMES))
