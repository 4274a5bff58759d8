"""One video with annotated tracks, and a set of them that is read one at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.camera import Camera
from pointtrack.errors import FormatError, PointtrackError
from pointtrack.files import reason
from pointtrack.queries import Queries
from pointtrack.video import Video


class FrameMaps(Sequence[NDArray[Any]]):
    """One ``(H, W)`` map a frame, such as depth; read only when asked for.

    Parameters
    ----------
    count
        Number of frames, T.
    load
        Reads the map of one frame, 0 to T - 1.
    """

    def __init__(self, count: int, load: Callable[[int], NDArray[Any]]):
        self._count, self._load = count, load

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, frame: Any) -> Any:
        if isinstance(frame, slice):
            return [self._load(t) for t in range(self._count)[frame]]
        return self._load(range(self._count)[frame])


@dataclass(frozen=True, eq=False)
class Clip:
    """A video and the true tracks of N points over its T frames.

    N may be 0 where a data set has masks only.

    Attributes
    ----------
    name : str
        What results call it; unique within its data set.
    video : Video
        Opened lazily: no frame is decoded before one is asked for.
    xy : ndarray
        ``(N, T, 2)`` float64, pixels of the video with the centre of the top-left pixel at
        ``(0, 0)``, whatever the data set's files use. NaN where unknown.
    visible : ndarray
        ``(N, T)`` bool; false wherever `valid` is.
    valid : ndarray
        ``(N, T)`` bool: where the annotation says whether the point is visible. Other frames
        are not scored. Default: everywhere.
    queries : Queries or None
        Where the data set itself asks for the points, one observation a track, in the order
        of the tracks.
    xyz : ndarray or None
        ``(N, T, 3)``, the same points in the world's coordinates; of the type in the file,
        and perhaps mapped from it.
    depth : sequence or None
        A map ``(H, W)`` float32 a frame: distance along the optical axis in the data set's
        unit (metres where it says so); infinite where there is nothing.
    masks : sequence or None
        A map ``(H, W)`` of integers a frame: 0 background, else the number of an instance.
    camera : Camera or None
        Projects `xyz` to `xy`.
    extra : mapping
        What else a data set's own metrics need, as its reader says.
    files : sequence of Path
        The files of single frames and maps, for `Dataset.check`; none where all is in one file.

    Raises
    ------
    FormatError
        When shapes do not fit together or a visible point has no position; the message says
        what was found and what was expected.
    """

    name: str
    video: Video
    xy: NDArray[np.float64]
    visible: NDArray[np.bool_]
    valid: NDArray[np.bool_] = None  # type: ignore[assignment]
    queries: Queries | None = None
    xyz: NDArray[np.floating] | None = None
    depth: Sequence[NDArray[np.float32]] | None = None
    masks: Sequence[NDArray[np.integer]] | None = None
    camera: Camera | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[Path] = ()

    def __post_init__(self) -> None:
        xy = np.asarray(self.xy, np.float64)
        if xy.ndim != 3 or xy.shape[2] != 2:
            raise FormatError(f"points have shape {xy.shape}, expected (N, T, 2)")
        if xy.shape[1] != len(self.video):
            raise FormatError(
                f"points cover {xy.shape[1]} frames, expected the video's {len(self.video)}"
            )
        valid = np.ones(xy.shape[:2], bool) if self.valid is None else self.valid
        visible = _flags("visible", self.visible, xy.shape[:2])
        valid = _flags("valid", valid, xy.shape[:2])
        visible = visible & valid
        lost = np.argwhere(visible & ~np.isfinite(xy).all(axis=2))
        if len(lost):
            track, frame = lost[0]
            raise FormatError(
                f"track {track} is visible in frame {frame} at {xy[track, frame].tolist()}, "
                "expected a position of finite numbers"
            )
        if self.queries is not None and self.queries.point.tolist() != list(range(len(xy))):
            raise FormatError(
                f"there are {len(self.queries.txy)} queries of {len(self.queries)} points, "
                f"expected one for each of the {len(xy)} tracks"
            )
        self._check_space(xy)
        for name, value in (("xy", xy), ("visible", visible), ("valid", valid)):
            object.__setattr__(self, name, value)

    def _check_space(self, xy: NDArray[np.float64]) -> None:
        frames = xy.shape[1]
        if self.xyz is not None and self.xyz.shape != (*xy.shape[:2], 3):
            raise FormatError(
                f"xyz has shape {self.xyz.shape}, expected {(*xy.shape[:2], 3)} as xy's"
            )
        for name in ("depth", "masks", "camera"):
            given = getattr(self, name)
            if given is not None and len(given) != frames:
                raise FormatError(f"{name} has {len(given)} frames, expected the video's {frames}")

    def __len__(self) -> int:
        """Number of tracks, N."""
        return len(self.xy)

    def __repr__(self) -> str:
        width, height = self.video.size
        return (
            f"Clip({self.name!r}, {len(self)} tracks, {len(self.video)} frames, {width}x{height})"
        )


def _flags(name: str, given: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    flags = np.asarray(given)
    if flags.shape != shape or not (flags.dtype == bool or np.isin(flags, (0, 1)).all()):
        raise FormatError(
            f"{name} is {flags.dtype} of shape {flags.shape}, expected booleans of shape {shape}"
        )
    return flags.astype(bool)


@dataclass(frozen=True)
class Entry:
    """A clip of a data set that has not been read yet.

    Attributes
    ----------
    name
        The clip's name; for a file that cannot be read at all, the file's.
    load
        Reads it; raises a `PointtrackError` that names file and entry when it is broken.
    """

    name: str
    load: Callable[[], Clip]


@dataclass(frozen=True)
class Problem:
    """Something wrong with a copy of a data set.

    Attributes
    ----------
    name
        The clip it is about; the set's own name where it is about the set as a whole.
    message
        One sentence that names the file, what was found and what was expected.
    """

    name: str
    message: str


class Dataset(ABC):
    """Clips, read one after the other: ``for clip in dataset``.

    Attributes
    ----------
    name
        What results call it.
    """

    name: str

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """Name every clip, without reading it; a broken one is found out by `Entry.load`."""

    @abstractmethod
    def count(self) -> int | None:
        """How many clips there are; None while only reading on would tell."""

    def __iter__(self) -> Iterator[Clip]:
        """Yield every clip; the first broken one raises."""
        for entry in self.entries():
            yield entry.load()

    def gaps(self) -> Iterator[Problem]:
        """What the set as a whole lacks, such as a shard; none where a reader cannot know."""
        return iter(())

    def check(self, deep: bool = False) -> Iterator[Problem]:
        """Look through the whole copy and name everything that is broken.

        Every annotation is read and held against its video, and every file of a frame or a map
        must be there and not be empty.

        Parameters
        ----------
        deep
            Decode every frame and every map, too.
        """
        yield from self.gaps()
        for entry in self.entries():
            try:
                clip = entry.load()
            except PointtrackError as problem:
                yield Problem(entry.name, str(problem))
                continue
            yield from (Problem(entry.name, words) for words in _clip_problems(clip, deep))


def _clip_problems(clip: Clip, deep: bool) -> Iterator[str]:
    missing = {str(path): words for path in clip.files if (words := _file_problem(path))}
    yield from missing.values()
    for words in _frame_problems(clip) if deep else ():
        if not any(path in words for path in missing):
            yield words


def _file_problem(path: Path) -> str | None:
    try:
        if not path.is_file():
            return f"there is no file {path}"
        return None if path.stat().st_size else f"{path} is empty"
    except OSError as problem:
        return f"cannot read {path}: {reason(problem)}"


def _frame_problems(clip: Clip) -> Iterator[str]:
    """Decode everything; what goes wrong, once each."""
    for t in range(len(clip.video)):
        try:
            clip.video[t]
        except PointtrackError as problem:
            yield str(problem)
    width, height = clip.video.size
    for name in ("depth", "masks"):
        maps = getattr(clip, name)
        for t in range(0 if maps is None else len(maps)):
            try:
                shape = maps[t].shape
            except PointtrackError as problem:
                yield str(problem)
                continue
            if shape != (height, width):
                yield (
                    f"{clip.name}: {name} of frame {t} has shape {shape}, "
                    f"expected {(height, width)} as the video's"
                )


def unreadable(problem: Exception) -> Callable[[], Clip]:
    """The ``load`` of an entry that is already known to be broken."""

    def load() -> Clip:
        raise problem

    return load
