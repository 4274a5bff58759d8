"""Procedural clips: textured layers that move and cover each other, with exact tracks.

::

    from pointtrack.synthesis import generate, preset

    clip = generate(7, preset("default", frames=8, size=(128, 128)))
    clip.video, clip.xy, clip.visible        # T H W 3, N T 2, N T

The same seed and settings give the same clip. Tracks are solved, not rendered: a point of a
layer is where the layer's motion puts it, to far below a pixel, and it is hidden where a
layer in front covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from pointtrack.datasets import Clip
from pointtrack.errors import PointtrackError
from pointtrack.queries import Queries
from pointtrack.synthesis.casting import Casting
from pointtrack.synthesis.config import ProceduralConfig
from pointtrack.synthesis.effects import random_effects
from pointtrack.synthesis.sampling import sample_queries
from pointtrack.synthesis.scene import ClipScene
from pointtrack.tracks import Tracks
from pointtrack.video import open_video

FPS = Fraction(24)
_SUBFRAMES = 5  # moments averaged for motion blur


@dataclass(frozen=True, eq=False)
class SyntheticClip:
    """A generated video and the true tracks of N points over its T frames.

    Attributes
    ----------
    video : ndarray
        ``(T, H, W, 3)`` uint8 RGB.
    xy : ndarray
        ``(N, T, 2)`` float32, pixels with the centre of the top-left pixel at ``(0, 0)``; also
        where hidden or outside the picture. NaN where not valid.
    visible, valid : ndarray
        ``(N, T)`` bool. A point is not valid where its layer is behind the camera there.
    queries : ndarray
        ``(N, 3)`` float32 rows (t, x, y), one a point, at a frame in which it is visible.
    seed : int
        What it was made from, with `config`.
    """

    video: NDArray[np.uint8]
    xy: NDArray[np.float32]
    visible: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    queries: NDArray[np.float32]
    seed: int
    config: ProceduralConfig

    def to_clip(self, name: str | None = None) -> Clip:
        """The same as a clip of a data set, for `pointtrack.evaluate`."""
        name = name or f"procedural-{self.seed}"
        video = open_video(self.video, fps=FPS)
        xy = self.xy.astype(np.float64)
        return Clip(name, video, xy, self.visible, self.valid, Queries(self.queries))

    def to_tracks(self) -> Tracks:
        """The tracks alone, as a track file holds them."""
        size = self.config.size
        return Tracks(self.xy, self.visible, size=size, fps=FPS, queries=Queries(self.queries))


def make_scene(
    seed: int, config: ProceduralConfig | None = None, device: torch.device | str = "cpu"
) -> ClipScene:
    """Draw lots for a scene; nothing is rendered yet. See `generate`."""
    config = config or ProceduralConfig()
    if seed < 0:
        raise PointtrackError(f"a seed is 0, 1, 2, ..., found {seed}")
    layout, look = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    where = find_device(device)
    subframes = _SUBFRAMES if layout.random() < config.motion_blur else 1
    shutter = layout.uniform(0.2, 0.9)
    offsets = (np.arange(subframes) - subframes // 2) / subframes * shutter
    times = (np.arange(config.frames)[:, None] + offsets).ravel()  # M
    layers = Casting(layout, config, times, where).layers()
    effects = random_effects(look, config)
    noise_seed = int(look.integers(2**62))
    return ClipScene(layers, effects, config.size, config.frames, subframes, noise_seed)


def generate(
    seed: int, config: ProceduralConfig | None = None, device: torch.device | str = "cpu"
) -> SyntheticClip:
    """Make one clip.

    Parameters
    ----------
    seed
        0 or more. The same seed and settings give the same bytes on the same machine. On
        another device the scene and its tracks are the same, but noise differs, and pixels do
        by rounding.
    config
        Default: ``ProceduralConfig()``; see also `preset`.
    device
        Where textures are made and frames drawn. Tracks are computed on the CPU, in float64.

    Raises
    ------
    PointtrackError
        When the seed is negative, there is no such device, or the folder of textures holds no
        picture.
    """
    config = config or ProceduralConfig()
    scene = make_scene(seed, config, device)
    rng = np.random.default_rng(np.random.SeedSequence(seed).spawn(3)[2])
    queries = sample_queries(scene, config.points, rng)
    xy, visible, valid = scene.track(queries)
    return SyntheticClip(scene.render(), xy, visible, valid, queries, seed, config)


def find_device(device: torch.device | str) -> torch.device:
    """A device by name, such as "cpu" or "cuda".

    Raises
    ------
    PointtrackError
        When this machine has none of that name.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise PointtrackError(f"there is no device {str(device)!r} here") from problem
