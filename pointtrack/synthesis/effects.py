"""What happens between the scene and the file: light, lens, sensor, compression.

None of it moves anything, so tracks stay what they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pointtrack.synthesis.config import ProceduralConfig
from pointtrack.synthesis.motion import Array, constant, swinging

_LIGHT_NODES = 5


@dataclass(frozen=True, eq=False)
class Effects:
    """One clip's effects over T frames; each None or 0 where the clip has it not.

    Attributes
    ----------
    gain : ndarray
        ``(T, 3)`` factors on red, green and blue.
    gamma, saturation : float
        The clip's grading; 1 changes nothing.
    light : ndarray or None
        ``(T, n, n)`` factors on a coarse lattice over the picture.
    vignette : float
        How dark the corners are.
    centre : tuple of float
        Of the vignette, in [-1, 1].
    blur : ndarray or None
        ``(T,)`` standard deviation in pixels.
    noise, shot : float
        Deviation of sensor noise in the dark, and what light adds to it.
    quality : int or None
        JPEG quality.
    """

    gain: Array
    gamma: float = 1.0
    saturation: float = 1.0
    light: Array | None = None
    vignette: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)
    blur: Array | None = None
    noise: float = 0.0
    shot: float = 0.0
    quality: int | None = None

    def apply(self, video: Tensor, frames: range, generator: torch.Generator) -> Tensor:
        """Frames ``(3, n, H, W)`` in [0, 1] as the camera stores them: ``(n, H, W, 3)`` uint8."""
        device = video.device
        part = slice(frames.start, frames.stop)
        gain = torch.from_numpy(self.gain[part]).float().to(device).T[:, :, None, None]
        video = video * gain
        if self.light is not None:
            light = torch.from_numpy(self.light[part]).float().to(device)[None]
            video *= functional.interpolate(
                light, video.shape[2:], mode="bicubic", align_corners=True
            )[0]
        if self.saturation != 1:
            grey = video.mean(dim=0, keepdim=True)
            video = grey + (video - grey) * self.saturation
        if self.vignette:
            video *= self._dark_corners(video)
        if self.blur is not None:
            video = _gaussian(video, self.blur[part])
        if self.gamma == 1:
            video = video.clamp_(0, 1)
        else:
            video = _exposed(video).clamp_(0, 1) ** self.gamma
        if self.noise or self.shot:
            grains = torch.randn(video.shape, device=device, generator=generator)
            deviation = self.noise + self.shot * video.sqrt() if self.shot else self.noise
            video = (video + grains * deviation).clamp_(0, 1)
        stored = video.mul(255).round_().to(torch.uint8).permute(1, 2, 3, 0).contiguous()
        if self.quality is not None:
            stored = torch.from_numpy(_compressed(stored.cpu().numpy(), self.quality)).to(device)
        return stored

    def _dark_corners(self, video: Tensor) -> Tensor:
        height, width = video.shape[2:]
        x = torch.linspace(-1, 1, width, device=video.device) - self.centre[0]
        y = torch.linspace(-1, 1, height, device=video.device) - self.centre[1]
        return 1 / (1 + 0.5 * self.vignette * (x[None] ** 2 + y[:, None] ** 2)) ** 2


def random_effects(rng: np.random.Generator, config: ProceduralConfig) -> Effects:
    """Draw a clip's effects."""
    times = np.arange(config.frames, dtype=np.float64)
    scale = min(config.size) / 256
    gain = np.ones((config.frames, 3))
    light, gamma, saturation = None, 1.0, 1.0
    if rng.random() < config.light:
        gain = np.exp(swinging(rng, np.zeros(1), 0.18, 0.035, (10, 80)).at(times))
        tint = swinging(rng, rng.normal(0, 0.04, 3), 0.06, 0.008).at(times)
        gain = gain * np.exp(tint)
        gamma, saturation = float(np.exp(rng.normal(0, 0.12))), float(rng.uniform(0.6, 1.25))
        if rng.random() < 0.5:
            light = _uneven_light(rng, times)
    blur = None
    if rng.random() < config.blur:
        base = scale * rng.uniform(0.3, 1.4)
        curve = constant(base)
        if rng.random() < 0.5:  # the lens hunts for focus
            curve = swinging(rng, np.array([base]), base, scale * 0.25, (10, 60))
        blur = np.clip(curve.at(times)[:, 0], 0, None)
    noisy = rng.random() < config.noise
    squeezed = rng.random() < config.compression
    return Effects(
        gain=np.broadcast_to(gain, (config.frames, 3)).copy(),
        gamma=gamma,
        saturation=saturation,
        light=light,
        vignette=float(rng.uniform(0.1, 0.6)) if rng.random() < config.vignette else 0.0,
        centre=tuple(rng.uniform(-0.25, 0.25, 2).tolist()),
        blur=blur,
        noise=float(rng.exponential(0.012)) if noisy else 0.0,
        shot=float(rng.exponential(0.015)) if noisy else 0.0,
        quality=int(rng.integers(25, 90)) if squeezed else None,
    )


def _uneven_light(rng: np.random.Generator, times: Array) -> Array:
    """Light and shade that wander over the picture, as under trees and clouds."""
    count = _LIGHT_NODES**2
    curve = swinging(rng, rng.normal(0, 0.2, count), 0.35, 0.06, (12, 60))
    return np.exp(curve.at(times)).reshape(len(times), _LIGHT_NODES, _LIGHT_NODES)


def _exposed(video: Tensor) -> Tensor:
    """Roll off what is too bright, as cameras do, rather than cut it at 1."""
    return torch.where(video < 0.7, video, 0.7 + 0.3 * torch.tanh((video - 0.7) / 0.3))


def _gaussian(video: Tensor, deviation: Array) -> Tensor:
    """Blur each frame of ``(3, n, H, W)`` by its own standard deviation in pixels."""
    reach = math.ceil(2.5 * float(deviation.max()))
    if reach == 0:
        return video
    place = torch.arange(-reach, reach + 1, device=video.device)
    width = torch.from_numpy(np.maximum(deviation, 0.05)).float().to(video.device)
    kernel = torch.exp(-0.5 * (place / width[:, None]) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True))[:, None]  # n 1 k
    count = len(kernel)
    padded = functional.pad(video, (reach, reach, reach, reach), mode="replicate")
    across = functional.conv2d(padded, kernel[:, :, None], groups=count)
    return functional.conv2d(across, kernel[..., None], groups=count)


def _compressed(frames: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Frames through JPEG and back."""
    return np.stack([_squeeze(frame, quality) for frame in frames])


def _squeeze(frame: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    settings: Sequence[int] = (cv2.IMWRITE_JPEG_QUALITY, quality)
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(frame[..., ::-1]), settings)
    back = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert back is not None
    return np.ascontiguousarray(back[..., ::-1], dtype=np.uint8)
