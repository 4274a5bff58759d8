"""One sample of a shard: its members, and the clip they make.

A shard is a tar archive as WebDataset reads it: members whose names agree up to the first dot
belong together. Ours are, for a sample ``000000012``:

- ``000000012.json``: ``name``, ``frames``, ``size`` (width, height), ``fps``;
- ``000000012.tracks.npz``: ``xy`` (N, T, 2) float32, pixels with the centre of the top-left
  pixel at (0, 0), ``visible`` and ``valid`` (N, T) bool;
- ``000000012.00000.jpg``, ``000000012.00001.jpg``, ... (or ``.png``), or ``000000012.mp4``.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets import Clip
from pointtrack.errors import FormatError, PointtrackError, VideoError
from pointtrack.geometry import Size
from pointtrack.training.sample import Take
from pointtrack.video import Video, write_video
from pointtrack.video.container import ContainerSource
from pointtrack.video.source import even_times

ShardStore = Literal["jpg", "png", "mp4"]

_PICTURE = re.compile(r"(\d+)\.(jpg|jpeg|png)")
_TRACKS, _ABOUT, _VIDEO = "tracks.npz", "json", "mp4"


class Members(Protocol):
    """The members of one sample, by what follows the first dot of their names.

    Attributes
    ----------
    label
        Shard and sample, for messages.
    """

    label: str

    def names(self) -> list[str]:
        """What there is."""
        ...

    def read(self, name: str) -> bytes:
        """The content of one."""
        ...

    def address(self, name: str) -> str:
        """Where FFmpeg can open one, as long as these members are kept."""
        ...


class HeldMembers:
    """Members in memory, as a stream delivers them."""

    def __init__(self, label: str, contents: Mapping[str, bytes]):
        self.label, self._contents = label, contents
        self._file: Any = None

    def names(self) -> list[str]:
        return list(self._contents)

    def read(self, name: str) -> bytes:
        return self._contents[name]

    def address(self, name: str) -> str:
        self._file = tempfile.NamedTemporaryFile(suffix=f".{name}")  # noqa: SIM115
        self._file.write(self._contents[name])
        self._file.flush()
        return f"file:{self._file.name}"


class FileMembers:
    """Members of a local tar file; each is read when it is asked for.

    Parameters
    ----------
    path
        The shard.
    key
        The sample's name.
    places
        Offset and length in bytes of each member.
    """

    def __init__(self, path: Path, key: str, places: Mapping[str, tuple[int, int]]):
        self.label = f"{path}, sample {key}"
        self._path, self._places = path, places

    def names(self) -> list[str]:
        return list(self._places)

    def read(self, name: str) -> bytes:
        offset, length = self._places[name]
        with self._path.open("rb") as file:
            file.seek(offset)
            data = file.read(length)
        if len(data) < length:
            raise FormatError(f"{self.label}: {name} is cut off at byte {len(data)} of {length}")
        return data

    def address(self, name: str) -> str:
        offset, length = self._places[name]
        return f"subfile,,start,{offset},end,{offset + length},,:{self._path}"


def pack(take: Take, key: str, store: ShardStore, quality: int) -> Iterator[tuple[str, bytes]]:
    """A take as the members of a shard: names and contents."""
    width, height = take.size
    about = {"name": take.name, "frames": len(take.video), "size": [width, height], "fps": 24}
    yield f"{key}.{_ABOUT}", (json.dumps(about) + "\n").encode()
    arrays = io.BytesIO()
    np.savez(arrays, xy=take.xy, visible=take.visible, valid=take.valid)
    yield f"{key}.{_TRACKS}", arrays.getvalue()
    if store == "mp4":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "video.mp4"
            write_video(path, take.video, 24, crf=min(round(2.8 * (100 - quality)), 51))
            yield f"{key}.{_VIDEO}", path.read_bytes()
        return
    settings = (cv2.IMWRITE_JPEG_QUALITY, quality) if store == "jpg" else ()
    for t, frame in enumerate(take.video):
        done, data = cv2.imencode(f".{store}", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), settings)
        if not done:
            raise FormatError(f"OpenCV cannot encode frame {t} of {take.name} as {store}")
        yield f"{key}.{t:05d}.{store}", data.tobytes()


def unpack(members: Members) -> Clip:
    """The clip of a sample; no frame is decoded before it is asked for.

    Raises
    ------
    FormatError
        When a member is missing or damaged; the message names it and its shard.
    """
    about, arrays = _about(members), _arrays(members)
    video = _video(members, about)
    try:
        return Clip(about["name"], video, arrays["xy"], arrays["visible"], arrays["valid"])
    except PointtrackError as problem:
        raise FormatError(f"{members.label}: {problem}") from problem


def _about(members: Members) -> dict[str, Any]:
    try:
        found = json.loads(_content(members, _ABOUT))
        width, height = (int(side) for side in found["size"])
        rate = Fraction(found.get("fps", 24)).limit_denominator(100_000)
        return {"name": str(found["name"]), "size": (width, height), "fps": rate}
    except (ValueError, KeyError, TypeError) as problem:
        if isinstance(problem, PointtrackError):
            raise
        raise FormatError(
            f"{members.label}: {_ABOUT} is not the description of a sample"
        ) from problem


def _arrays(members: Members) -> dict[str, NDArray[Any]]:
    content = _content(members, _TRACKS)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {name: archive[name] for name in ("xy", "visible", "valid")}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as problem:
        raise FormatError(
            f"{members.label}: {_TRACKS} is not an archive of xy, visible and valid"
        ) from problem


def _content(members: Members, name: str) -> bytes:
    if name not in members.names():
        there = ", ".join(members.names()[:4])
        raise FormatError(f"{members.label}: there is no {name}, only {there}")
    return members.read(name)


def _video(members: Members, about: dict[str, Any]) -> Video:
    if _VIDEO in members.names():
        return Video(_EncodedVideo(members, about["fps"]))
    pictures = sorted(name for name in members.names() if _PICTURE.fullmatch(name))
    if not pictures:
        raise FormatError(f"{members.label}: there is neither {_VIDEO} nor a picture")
    return Video(_Pictures(members, pictures, about["size"], about["fps"]))


class _EncodedVideo(ContainerSource):
    """A video file within a shard."""

    def __init__(self, members: Members, fps: Fraction):
        self._members = members  # keeps a temporary file, where there is one
        super().__init__(members.address(_VIDEO), fps, f"{members.label}: {_VIDEO}")


class _Pictures:
    """Frames kept as one picture each, read and decoded when they are asked for."""

    def __init__(self, members: Members, pictures: list[str], size: Size, fps: Fraction):
        self.name, self.size, self.fps = members.label, size, fps
        self.times = even_times(len(pictures), fps)
        self._members, self._pictures = members, pictures

    def frame(self, index: int) -> NDArray[np.uint8]:
        name = self._pictures[index]
        data = np.frombuffer(self._members.read(name), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
        if picture is None:
            raise VideoError(f"{self.name}: {name} is not a picture that can be decoded")
        found = (picture.shape[1], picture.shape[0])
        if found != self.size:
            raise VideoError(
                f"{self.name}: {name} is {found[0]}x{found[1]}, "
                f"expected {self.size[0]}x{self.size[1]}"
            )
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)

    def frames(self, wanted: range) -> Iterator[NDArray[np.uint8]]:
        return map(self.frame, wanted)

    def close(self) -> None:
        """Nothing to release."""
