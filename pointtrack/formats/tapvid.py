"""TAP-Vid pickle ``.pkl``: the layout of TAP-Vid-DAVIS and RoboTAP, for one video.

A dict from the video's name (here: the file's) to a dict with ``points`` (N, T, 2) and
``occluded`` (N, T). Points are normalised: the picture's outer edges are 0 and 1, so the
centre of the top-left pixel is (0.5 / W, 0.5 / H); ``y`` points down. Frames count from 0;
tracks that start later are filled up with unknown positions, which are NaN and occluded.

The video itself is not written. What a track file needs besides (``size``, ``fps``,
``names``) stands beside the points, where programs that read TAP-Vid overlook it. Lost:
confidence, queries, `Tracks.start` and uneven frame times.

Files are read through `safe_pickle`. Without ``size`` it is taken from the ``video`` array
(raw frames or JPEG bytes) or from the caller. Files of several videos are data sets:
`pointtrack.datasets` reads them.
"""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError
from pointtrack.files import PathLike, atomic_path
from pointtrack.formats.common import (
    DEFAULT_FPS,
    UNKNOWN_SIZE,
    fps_from_text,
    need_size,
    need_tracks,
    reading,
)
from pointtrack.formats.safe_pickle import safe_load
from pointtrack.geometry import Size, normalised_to_pixel, pixel_to_normalised
from pointtrack.tracks import Tracks


class TapVid:
    """Read and write TAP-Vid pickles of one video; see the module."""

    name = "tapvid"
    suffixes: tuple[str, ...] = (".pkl", ".pickle")
    summary = "TAP-Vid pickle of one video"
    can_read = True
    can_write = True

    def read(
        self, path: PathLike, size: Size = UNKNOWN_SIZE, fps: Fraction = DEFAULT_FPS
    ) -> Tracks:
        """Read a pickle that holds exactly one video."""
        with reading(path, "a TAP-Vid pickle of one video"):
            with Path(path).open("rb") as file:
                example = _only(safe_load(file))
            return _tracks(example, size, fps)

    def write(self, tracks: Tracks, path: PathLike) -> None:
        """Write one video's points."""
        need_tracks(tracks, path)
        size = need_size(tracks, path)
        points = pixel_to_normalised(tracks.xy.astype(np.float64), size)  # N T 2
        before = ((0, 0), (tracks.start, 0))
        example = {
            "points": np.pad(points, (*before, (0, 0)), constant_values=np.nan),
            "occluded": np.pad(~tracks.visible, before, constant_values=True),
            "size": size,
            "fps": f"{tracks.fps.numerator}/{tracks.fps.denominator}",
            "names": list(tracks.names),
        }
        data = pickle.dumps({Path(path).stem: example}, protocol=4)
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)


def _only(content: Any) -> dict[Any, Any]:
    if isinstance(content, dict) and "points" in content:
        return content
    examples = list(content.values()) if isinstance(content, dict) else content
    if not isinstance(examples, list) or not all(isinstance(e, dict) for e in examples):
        raise FormatError("expected a dict of videos, each with points and occluded")
    if len(examples) != 1:
        raise FormatError(f"it holds {len(examples)} videos; read data sets with datasets")
    return examples[0]


def _tracks(example: dict[Any, Any], size: Size, fps: Fraction) -> Tracks:
    points, occluded = example.get("points"), example.get("occluded")
    if not (isinstance(points, np.ndarray) and isinstance(occluded, np.ndarray)):
        raise FormatError("it lacks the arrays points and occluded")
    if points.ndim != 3 or points.shape[2] != 2 or points.dtype.kind not in "fiu":
        raise FormatError(f"its points have shape {points.shape}, expected (N, T, 2)")
    if occluded.shape != points.shape[:2] or occluded.dtype.kind not in "biuf":
        raise FormatError(f"its occluded has shape {occluded.shape}, expected {points.shape[:2]}")
    known = _size(example) or size
    if min(known) < 1:
        raise FormatError("it holds no video, so the size of the video must be given")
    with np.errstate(over="ignore", invalid="ignore"):
        xy = normalised_to_pixel(points.astype(np.float64), known).astype(np.float32)
    names = example.get("names", ())
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
        raise FormatError("its names are not a list of text")
    return Tracks(
        xy,
        occluded == 0,
        size=known,
        fps=fps_from_text(str(example["fps"])) if "fps" in example else fps,
        names=tuple(names),
    )


def _size(example: dict[Any, Any]) -> Size | None:
    if "size" in example:
        size = example["size"]
        if not (isinstance(size, tuple) and len(size) == 2):
            raise FormatError("its size is not (width, height)")
        if not all(type(side) is int and 0 < side < 2**31 for side in size):
            raise FormatError(f"its size is {str(size)[:40]}, expected (width, height)")
        return size
    video = example.get("video")
    if isinstance(video, np.ndarray) and video.ndim == 4:
        return (int(video.shape[2]), int(video.shape[1]))
    if isinstance(video, (list, np.ndarray)) and len(video) and isinstance(video[0], bytes):
        return _picture_size(video[0])
    return None


def _picture_size(data: bytes) -> Size:
    picture: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise FormatError("its first frame is not a picture")
    return (picture.shape[1], picture.shape[0])
