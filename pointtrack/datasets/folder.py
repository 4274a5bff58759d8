"""Your own data: videos with a track file beside each.

The rule, for a folder:

- ``NAME.mp4`` (or any other video suffix) goes with ``NAME.npz``, ``NAME.csv``, ... beside it;
- a sub-folder ``NAME`` of pictures goes with ``NAME.npz``, ... beside it, or with
  ``NAME.npz``, ... or ``truth.npz``, ... in it;
- a sub-folder ``NAME`` of one clip, as ``pointtrack synth`` writes it, holds ``video.mp4`` or a
  folder ``frames`` of pictures, and ``tracks.npz``, ...;
- a folder's only video may also have its tracks in ``truth.npz`` or ``tracks.npz``, ...

Any track format that pointtrack reads will do. Other files are overlooked, but a video
without tracks, or with two track files, is an error that names it. A single video file, and a
folder of pictures itself, are data sets of one clip.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pointtrack import formats
from pointtrack.datasets.clip import Clip, Dataset, Entry
from pointtrack.datasets.truth import read_clip
from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.video import open_video
from pointtrack.video.pictures import natural_order, pictures_in

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".gif", ".mpg", ".mpeg", ".ts", ".wmv"}
)
_COMMON_NAMES = ("truth", "tracks")
_CLIP_FRAMES, _CLIP_VIDEO = "frames", "video"


class FolderDataset(Dataset):
    """Videos with a track file each; see the module for what belongs to what.

    Parameters
    ----------
    path
        A folder of videos or of sub-folders of pictures, a folder of pictures, or one video.

    Raises
    ------
    FormatError
        When there is no video.
    """

    def __init__(self, path: PathLike):
        self._place = Path(path)
        self.name = self._place.resolve().stem
        self._videos = videos_in(self._place) if self._place.is_dir() else [self._place]
        if not self._videos:
            raise FormatError(
                f"the folder {path} holds no video, no folder of pictures and no TAP-Vid pickle"
            )

    def count(self) -> int:
        return len(self._videos)

    def entries(self) -> Iterator[Entry]:
        """One entry a video, in natural order."""
        stems = [_stem(video) for video in self._videos]
        for video, stem in zip(self._videos, stems, strict=True):
            name = stem if stems.count(stem) == 1 else video.name
            yield Entry(name, partial(self._load, video, name))

    def _load(self, video: Path, name: str) -> Clip:
        alone = len(self._videos) == 1
        return read_clip(name, open_video(video), find_truth(video, alone))


def videos_in(folder: Path) -> list[Path]:
    """The videos of a folder: files, sub-folders of pictures, and those of sub-folders of a clip.

    Where there is none, the folder itself, when it holds pictures or is the folder of a clip.
    """
    found = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=natural_order)
    videos = [video for p in found if (video := _video_at(p)) is not None]
    own = _clip_video(folder)
    if own is not None and own in videos:
        return [own]
    if not videos and pictures_in(folder):
        return [folder]
    return videos


def _video_at(place: Path) -> Path | None:
    """A video file, a folder of pictures, or the video of the folder of a clip."""
    if place.is_file():
        return place if place.suffix.lower() in VIDEO_SUFFIXES else None
    return place if pictures_in(place) else _clip_video(place)


def _clip_video(folder: Path) -> Path | None:
    """``frames`` or ``video.*`` of a folder with ``tracks.*``."""
    if not folder.is_dir() or not _track_files(folder, "tracks"):
        return None
    frames = folder / _CLIP_FRAMES
    if frames.is_dir() and pictures_in(frames):
        return frames
    videos = (p for p in folder.glob(f"{_CLIP_VIDEO}.*") if p.suffix.lower() in VIDEO_SUFFIXES)
    return next(iter(sorted(videos)), None)


def _stem(video: Path) -> str:
    """What a video's clip is called."""
    if video == _clip_video(video.parent):
        return video.resolve().parent.name
    return video.name if video.is_dir() else video.stem


def find_truth(video: Path, alone: bool = True) -> Path:
    """The track file that belongs to a video file or a folder of pictures.

    Parameters
    ----------
    video
        The video.
    alone
        Whether it is the only one of its folder, so that ``truth.*`` there means it.

    Raises
    ------
    FormatError
        When there is none, or more than one.
    """
    if video == _clip_video(video.parent):
        found = _track_files(video.parent, "tracks")
        return _only(video, found)
    # A folder's name is a name as a whole: "take.2" is not "take" with a suffix.
    stem = video.resolve().name if video.is_dir() else video.stem
    found = _track_files(video.parent, stem)
    if not found and video.is_dir():
        found = _track_files(video, stem) or _common_files(video)
    if not found and alone and video.is_file():
        found = _common_files(video.parent)
    if not found:
        raise FormatError(
            f"{video} has no track file: expected {stem}.npz, {stem}.csv or another track "
            f"format {'beside or in' if video.is_dir() else 'beside'} it"
        )
    return _only(video, found)


def _only(video: Path, found: list[Path]) -> Path:
    if len(found) > 1:
        raise FormatError(f"{video} has {len(found)} track files: {', '.join(map(str, found))}")
    return found[0]


def _common_files(folder: Path) -> list[Path]:
    return [path for name in _COMMON_NAMES for path in _track_files(folder, name)]


def _track_files(folder: Path, stem: str) -> list[Path]:
    suffixes = {s for known in formats.available() if known.can_read for s in known.suffixes}
    return sorted(path for s in suffixes if (path := folder / f"{stem}{s}").is_file())
