"""Photometric augmentation: what is seen changes, where it is does not.

Only the eraser and the replacer touch the tracks: a point under a rectangle is not visible.
Brightness, contrast, saturation and hue are all linear in colour (hue as a turn about the grey
axis that keeps luma), so that together they are one 3x4 matrix a frame, clipped once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.geometry import Size, pixel_to_raster
from pointtrack.training.checks import chance, interval, number, picture_size
from pointtrack.training.sample import Take

Frame = NDArray[np.uint8]  # H W 3
Matrix = NDArray[np.float64]  # 3 4
Span = tuple[float, float]
Box = tuple[slice, slice]  # rows, columns
Effect = Callable[[Frame, int], Frame]

_CHANCES = (
    "erase",
    "erase_frame",
    "replace",
    "replace_frame",
    "jitter",
    "grey",
    "channels",
    "gamma",
    "blur",
    "motion_blur",
    "sharpen",
    "noise",
    "compress",
)
_LUMA = np.array([0.299, 0.587, 0.114])


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
        for name in _CHANCES:
            chance(name, getattr(self, name))
        for name in ("brightness", "offset", "contrast", "saturation"):
            chance(name, getattr(self, name))
        number("hue", self.hue, 0, 0.5)
        for name in ("erase_count", "erase_side", "replace_count", "replace_side"):
            interval(name, getattr(self, name), 1, integers=True)
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
        _erase(video, take, visible, config, unit, rng)
    if rng.random() < config.replace:
        _replace(video, take, visible, config, unit, rng)
    effects = list(_effects(config, unit, take, rng))
    for t in range(len(video)):
        for effect in effects:
            video[t] = effect(video[t], t)
    return replace(take, video=video, visible=visible)


def colour_matrix(
    brightness: float, contrast: float, saturation: float, hue: float, offset: float, mean: float
) -> Matrix:
    """Colour changes as ``(3, 4)``: ``new = matrix[:, :3] @ rgb + matrix[:, 3]``.

    In this order: brightness as a factor and an offset in grey levels, contrast about the mean
    grey level, saturation about luma, hue as a share of the circle.
    """
    grey = np.tile(_LUMA, (3, 1))
    colour = _hue_turn(hue) @ (grey + saturation * (np.eye(3) - grey))
    constant = contrast * offset + (1 - contrast) * (brightness * mean + offset)
    return np.column_stack([contrast * brightness * colour, colour @ np.full(3, constant)])


def _hue_turn(share: float) -> Matrix:
    """Turn about the grey axis, luma kept: red goes to green, green to blue."""
    # Two chroma axes orthogonal to each other; those of YIQ.
    to_yiq = np.array([_LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    angle = -2 * np.pi * share
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return np.linalg.solve(to_yiq, turn @ to_yiq)


def _erase(
    video: NDArray[np.uint8],
    take: Take,
    visible: NDArray[np.bool_],
    config: PhotometricConfig,
    unit: float,
    rng: np.random.Generator,
) -> None:
    for t in _chosen_frames(len(video), config.erase_frame, rng):
        for box in _boxes(take.size, config.erase_count, config.erase_side, unit, rng):
            patch = video[t][box]
            patch[...] = np.round(patch.mean(axis=(0, 1)))
            visible[:, t] &= ~_covered(take.xy[:, t], box)


def _replace(
    video: NDArray[np.uint8],
    take: Take,
    visible: NDArray[np.bool_],
    config: PhotometricConfig,
    unit: float,
    rng: np.random.Generator,
) -> None:
    for t in _chosen_frames(len(video), config.replace_frame, rng):
        for box in _boxes(take.size, config.replace_count, config.replace_side, unit, rng):
            tall, wide = (side.stop - side.start for side in box)
            other = take.video[rng.integers(len(video))]
            y = int(rng.integers(other.shape[0] - tall + 1))
            x = int(rng.integers(other.shape[1] - wide + 1))
            patch = np.ascontiguousarray(other[y : y + tall, x : x + wide])
            for _ in range(2):  # jittered twice, so that it does not match by colour
                patch = _transform(patch, _jitter(config, _luma(patch), rng))
            video[t][box] = patch
            visible[:, t] &= ~_covered(take.xy[:, t], box)


def _chosen_frames(frames: int, share: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """Frames after the first, each chosen by chance."""
    return 1 + np.flatnonzero(rng.random(frames - 1) < share)


def _boxes(
    size: Size,
    count: tuple[int, int],
    side: tuple[int, int],
    unit: float,
    rng: np.random.Generator,
) -> Iterator[Box]:
    """Rectangles of whole pixels, cut off at the picture's edges; none is empty."""
    for _ in range(int(rng.integers(count[0], count[1] + 1))):
        centre = rng.uniform(0, size)
        half = rng.uniform(side[0], side[1] + 1, 2) * unit / 2
        low = np.clip(np.round(centre - half), 0, np.asarray(size) - 1).astype(int)
        high = np.clip(np.round(centre + half), low + 1, size).astype(int)
        yield slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _covered(xy: NDArray[np.float32], box: Box) -> NDArray[np.bool_]:
    """Whether points ``(N, 2)`` lie under a rectangle of pixels."""
    x, y = pixel_to_raster(xy).T
    rows, columns = box
    inside_x = (x >= columns.start) & (x < columns.stop)
    return np.asarray(inside_x & (y >= rows.start) & (y < rows.stop))


def _effects(
    config: PhotometricConfig, unit: float, take: Take, rng: np.random.Generator
) -> Iterator[Effect]:
    """What a take undergoes, drawn once; frame by frame where the settings say so."""
    frames = len(take.video)
    matrices = _colours(config, take, rng)
    if matrices is not None:
        yield lambda frame, t: _transform(frame, matrices[t])
    if rng.random() < config.gamma:
        curve = 255 * (np.arange(256) / 255) ** np.exp(rng.uniform(-1, 1) * np.log(1.25))
        table = np.round(curve).astype(np.uint8)
        yield lambda frame, t: np.asarray(cv2.LUT(frame, table), np.uint8)
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
        matrices = np.stack([_jitter(config, _luma(frame), rng) for frame in take.video])
    elif jittered:  # one change for all, so that nothing flickers
        matrices = np.broadcast_to(_jitter(config, _luma(take.video[0]), rng), (frames, 3, 4))
    grey = rng.random() < config.grey
    if grey:
        matrices = np.tile(_LUMA, (3, 1)) @ matrices
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


def _luma(frame: Frame) -> float:
    """The mean grey level of a frame."""
    return float(np.dot(cv2.mean(frame)[:3], _LUMA))


def _transform(frame: Frame, matrix: Matrix) -> Frame:
    return np.asarray(cv2.transform(frame, matrix), np.uint8)


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
