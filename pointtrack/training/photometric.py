"""Photometric augmentation: what is seen changes, where it is does not.

Only the eraser and the replacer touch the tracks: a point under a rectangle is not visible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.geometry import Size
from pointtrack.training.checks import chance, interval, number, picture_size
from pointtrack.training.colours import (
    GREY,
    Frame,
    Matrix,
    colour_matrix,
    mean_luma,
    then,
    transform,
)
from pointtrack.training.rectangles import Rectangles, erase, replace_by_others
from pointtrack.training.sample import Take
from pointtrack.video.blurring import blurred

Span = tuple[float, float]
Effect = Callable[[Frame, int], Frame]

_CHANCES = (
    "erase",
    "replace",
    "jitter",
    "grey",
    "channels",
    "gamma",
    "fade",
    "blur",
    "motion_blur",
    "sharpen",
    "noise",
    "compress",
)


@dataclass(frozen=True)
class PhotometricConfig:
    """What takes look like. Lengths are in pixels of a picture of `reference` size.

    Chances are in [0, 1]; each is drawn once a take, those of `erase_frame` and
    `replace_frame` for each frame after the first.

    Attributes
    ----------
    reference
        (width, height) at which lengths are meant; elsewhere they are scaled by the root of
        the areas' ratio.
    erase, erase_frame, erase_count, erase_side
        Rectangles filled with their mean colour: chances, least and greatest number and side.
    replace, replace_frame, replace_count, replace_side
        Rectangles filled from another place and frame, in other colours.
    jitter
        Chance that brightness, contrast, saturation and hue change.
    brightness, offset, contrast, saturation, hue
        By how much at most: factors in 1 +- x, for `offset` a share of white that is added,
        for `hue` a share of the colour circle.
    each_frame
        Jitter and blur are drawn anew for every frame, as CoTracker does, instead of being
        the same throughout.
    grey
        Chance that a take has no colour.
    channels
        Chance that red, green and blue are shifted by themselves.
    gamma
        Chance of another gamma, 0.8 to 1.25.
    fade, fade_share, fade_scale
        Chance that texture fades, as on plain walls and skies: of what differs from the blurred
        picture a share is left, everywhere or in parts of the picture; its least and greatest
        value, and those of the blur's standard deviation.
    blur, blur_deviation
        Chance of Gaussian blur; least and greatest standard deviation.
    motion_blur
        Chance of blur along a line.
    sharpen
        Chance of sharper edges.
    noise, noise_deviation
        Chance of noise; least and greatest standard deviation, in grey levels of 255.
    compress, quality
        Chance of JPEG compression; least and greatest quality.

    Raises
    ------
    PointtrackError
        When a value is out of range; the message names it.
    """

    reference: Size = (512, 384)
    erase: float = 0.0
    erase_frame: float = 0.5
    erase_count: tuple[int, int] = (1, 10)
    erase_side: tuple[int, int] = (2, 99)
    replace: float = 0.0
    replace_frame: float = 0.5
    replace_count: tuple[int, int] = (1, 10)
    replace_side: tuple[int, int] = (2, 99)
    jitter: float = 0.0
    brightness: float = 0.2
    offset: float = 0.0
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.08
    each_frame: bool = False
    grey: float = 0.0
    channels: float = 0.0
    gamma: float = 0.0
    fade: float = 0.0
    fade_share: Span = (0.06, 0.5)
    fade_scale: Span = (12.0, 60.0)
    blur: float = 0.0
    blur_deviation: Span = (0.1, 2.0)
    motion_blur: float = 0.0
    sharpen: float = 0.0
    noise: float = 0.0
    noise_deviation: Span = (2.0, 10.0)
    compress: float = 0.0
    quality: tuple[int, int] = (50, 100)

    def __post_init__(self) -> None:
        picture_size("reference", self.reference)
        for name in (*_CHANCES, "erase_frame", "replace_frame"):
            chance(name, getattr(self, name))
        for name in ("brightness", "offset", "contrast", "saturation"):
            chance(name, getattr(self, name))
        number("hue", self.hue, 0, 0.5)
        for name in ("erase_count", "erase_side", "replace_count", "replace_side"):
            interval(name, getattr(self, name), 1, integers=True)
        interval("fade_share", self.fade_share, 0, 1)
        interval("fade_scale", self.fade_scale, 1)
        interval("blur_deviation", self.blur_deviation, 0)
        interval("noise_deviation", self.noise_deviation, 0, 255)
        interval("quality", self.quality, 1, 100, integers=True)
        for name, value in self.__dict__.items():
            if isinstance(value, list):  # from JSON
                object.__setattr__(self, name, tuple(value))

    def unit(self, size: Size) -> float:
        """What a pixel of the reference is in a picture of this size."""
        area, meant = size[0] * size[1], self.reference[0] * self.reference[1]
        return float((area / meant) ** 0.5)


def recolour(take: Take, config: PhotometricConfig, rng: np.random.Generator) -> Take:
    """Change what a take looks like; see `PhotometricConfig`. The take given is left as it is."""
    if not any(getattr(config, name) for name in _CHANCES):
        return take
    video, visible = take.video.copy(), take.visible.copy()
    unit = config.unit(take.size)
    if rng.random() < config.erase:
        low, high = config.erase_side
        some = Rectangles(config.erase_frame, config.erase_count, (low * unit, high * unit))
        erase(video, visible, take, some, rng)
    if rng.random() < config.replace:
        low, high = config.replace_side
        some = Rectangles(config.replace_frame, config.replace_count, (low * unit, high * unit))
        jitter = partial(_jitter_twice, config, rng)
        replace_by_others(video, visible, take, some, jitter, rng)
    effects = list(_effects(config, unit, take, rng))
    for t in range(len(video)):
        for effect in effects:
            video[t] = effect(video[t], t)
    return replace(take, video=video, visible=visible)


def _effects(
    config: PhotometricConfig, unit: float, take: Take, rng: np.random.Generator
) -> Iterator[Effect]:
    """What a take undergoes, drawn once; frame by frame where the settings say so."""
    frames = len(take.video)
    matrices = _colours(config, take, rng)
    if matrices is not None:
        yield lambda frame, t: transform(frame, matrices[t])
    if rng.random() < config.gamma:
        curve = 255 * (np.arange(256) / 255) ** np.exp(rng.uniform(-1, 1) * np.log(1.25))
        table = np.round(curve).astype(np.uint8)
        yield lambda frame, t: np.asarray(cv2.LUT(frame, table), np.uint8)
    if rng.random() < config.fade:
        kept, deviation = _fading(config, take.size, rng), unit * rng.uniform(*config.fade_scale)
        yield lambda frame, t: _faded(frame, kept, deviation)
    if rng.random() < config.blur:
        deviations = unit * rng.uniform(*config.blur_deviation, frames if config.each_frame else 1)
        deviations = np.broadcast_to(deviations, frames)
        yield lambda frame, t: _blurred(frame, float(deviations[t]))
    if rng.random() < config.motion_blur:
        kernel = _line(unit * rng.uniform(3, 9), rng.uniform(0, np.pi))
        yield lambda frame, t: np.asarray(cv2.filter2D(frame, -1, kernel), np.uint8)
    if rng.random() < config.sharpen:
        amount = rng.uniform(0.2, 0.8)
        yield lambda frame, t: np.asarray(
            cv2.addWeighted(frame, 1 + amount, _blurred(frame, 1.0), -amount, 0), np.uint8
        )
    if rng.random() < config.noise:
        grains = _quantiles(rng.uniform(*config.noise_deviation))
        own = rng.spawn(1)[0]
        yield lambda frame, t: _noisy(frame, grains, own)
    if rng.random() < config.compress:
        quality = int(rng.integers(config.quality[0], config.quality[1] + 1))
        yield lambda frame, t: _compressed(frame, quality)


def _colours(
    config: PhotometricConfig, take: Take, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """All linear changes of colour, ``(T, 3, 4)``; None where there is none."""
    frames = len(take.video)
    matrices = np.broadcast_to(np.eye(3, 4), (frames, 3, 4))
    jittered = rng.random() < config.jitter
    if jittered and config.each_frame:
        matrices = np.stack([_jitter(config, mean_luma(frame), rng) for frame in take.video])
    elif jittered:  # one change for all, so that nothing flickers
        matrices = np.broadcast_to(_jitter(config, mean_luma(take.video[0]), rng), (frames, 3, 4))
    grey = rng.random() < config.grey
    if grey:
        matrices = GREY @ matrices
    shifted = rng.random() < config.channels
    if shifted:
        matrices = matrices + np.column_stack([np.zeros((3, 3)), rng.uniform(-20, 20, 3)])
    return matrices if jittered or grey or shifted else None


def _jitter(config: PhotometricConfig, mean: float, rng: np.random.Generator) -> Matrix:
    brightness, contrast, saturation = (
        1 + rng.uniform(-most, most)
        for most in (config.brightness, config.contrast, config.saturation)
    )
    offset = 255 * rng.uniform(-config.offset, config.offset)
    hue = rng.uniform(-config.hue, config.hue)
    return colour_matrix(brightness, contrast, saturation, hue, offset, mean)


def _jitter_twice(config: PhotometricConfig, rng: np.random.Generator, frame: Frame) -> Matrix:
    """More than any frame changes, so that a patch does not match by its colour."""
    mean = mean_luma(frame)
    return then(_jitter(config, mean, rng), _jitter(config, mean, rng))


def _fading(config: PhotometricConfig, size: Size, rng: np.random.Generator) -> NDArray[np.float32]:
    """How much of the texture is left where, ``(H, W, 1)``: the same everywhere, or in patches."""
    low, high = np.log(np.maximum(config.fade_share, 1e-3))
    share = np.exp(rng.uniform(low, high))
    if rng.random() >= 0.5:
        return np.full((size[1], size[0], 1), share, np.float32)
    coarse = 8 * rng.normal(size=(4, 4)).astype(np.float32)
    field = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)[..., None]
    return np.asarray(1 - (1 - share) / (1 + np.exp(-field)), np.float32)


def _faded(frame: Frame, kept: NDArray[np.float32], deviation: float) -> Frame:
    plain = blurred(frame.astype(np.float32), deviation)
    return np.rint(np.clip(plain + kept * (frame - plain), 0, 255)).astype(np.uint8)


def _blurred(frame: Frame, deviation: float) -> Frame:
    if deviation < 0.2:  # nothing of a neighbour would come in
        return frame
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), deviation), np.uint8)


def _line(length: float, angle: float) -> NDArray[np.float32]:
    """A kernel that blurs along a line through its middle."""
    reach = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    for along in np.linspace(-length / 2, length / 2, 4 * reach + 1):
        x, y = reach + along * np.cos(angle), reach + along * np.sin(angle)
        left, top = int(x), int(y)
        across, down = x - left, y - top
        kernel[top, left] += (1 - across) * (1 - down)
        kernel[top, left + 1] += across * (1 - down)
        kernel[top + 1, left] += (1 - across) * down
        kernel[top + 1, left + 1] += across * down
    return kernel / kernel.sum()


def _quantiles(deviation: float) -> NDArray[np.int16]:
    """256 equally likely values of Gaussian noise, in grey levels."""
    places = (np.arange(256) + 0.5) / 256
    normal = NormalDist(0, max(deviation, 1e-6))
    return np.round([normal.inv_cdf(float(place)) for place in places]).astype(np.int16)


def _noisy(frame: Frame, grains: NDArray[np.int16], rng: np.random.Generator) -> Frame:
    # Table look-up of random bytes: several times as quick as drawing normal numbers.
    which = np.frombuffer(rng.bytes(frame.size), np.uint8).reshape(frame.shape)
    return np.asarray(cv2.add(frame, grains[which], dtype=cv2.CV_8U), np.uint8)


def _compressed(frame: Frame, quality: int) -> Frame:
    # Red and blue are swapped on both ways, which costs less than swapping them back.
    _, data = cv2.imencode(".jpg", frame, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
