"""Damaged files: what decodes is given, one warning says what is lost, nothing raises."""

from __future__ import annotations

import warnings
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import OPEN, clip, numbers

from pointtrack.errors import VideoError, VideoWarning
from pointtrack.video import Video, open_video, write_video

VP9 = {"g": "12", "deadline": "realtime", "cpu-used": "8"}
KINDS = {
    "mp4": {"container": {"movflags": "faststart"}},
    "hevc.mp4": {
        "codec": "libx265",
        "options": {"x265-params": f"{OPEN}:log-level=none"},
        "container": {"movflags": "faststart"},
    },
    "mkv": {},
    "webm": {"codec": "libvpx-vp9", "options": VP9},
    "avi": {"codec": "mpeg4", "options": {"g": "12"}},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "flv": {},
    "ts": {},
    "h264": {},
    "gif": {"codec": "gif", "pixels": "rgb8"},
}
# Their header says how long the whole is; of the others a cut is a shorter, but whole file.
PROMISING = ("mp4", "hevc.mp4", "mkv", "webm", "avi", "mjpeg.avi", "flv")


def _read(path: Path) -> tuple[Video, list[int], list[str]]:
    """Open and read in every way; the numbers of the frames, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        video = open_video(path)
        frames = list(video)
        assert len(frames) == len(video) == len(video.times) == len(video.to_numpy())
        assert sum(1 for _ in video[::-1]) == len(frames)
        for index in (len(frames) - 1, 0, len(frames) // 2):
            assert video[index].shape == (48, 64, 3)
    assert all(w.category is VideoWarning for w in caught)
    assert all(w.filename == __file__ for w in caught), "points at the caller"
    return video, numbers(frames), [str(w.message) for w in caught]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("kept", [0.6, 0.75, 0.9])
def test_file_that_is_cut_off(tmp_path: Path, kind: str, kept: float) -> None:
    path = clip(tmp_path / f"a.{kind}", 60, **KINDS[kind])
    data = path.read_bytes()
    places = _packet_places(path)
    first, end = places[0][0], sum(places[-1])
    path.write_bytes(data[: first + int((end - first) * kept)])
    video, found, messages = _read(path)
    assert 10 < len(found) < 60
    assert len(messages) == 1 if kind in PROMISING else len(messages) <= 1
    # The last pictures may lack what they were predicted from.
    whole = [i for i in found[:-3] if i <= len(found)]
    assert whole == list(range(len(whole)))
    assert video.name == str(path)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_whole_file_gives_no_warning(tmp_path: Path, kind: str) -> None:
    _, found, _ = _read(clip(tmp_path / f"a.{kind}", 25, **KINDS[kind]))
    assert found == list(range(25))


def _packet_places(path: Path) -> list[tuple[int, int]]:
    """Where each packet of a file lies and how long it is."""
    with av.open(str(path)) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size and p.pos is not None]


@pytest.mark.parametrize("lost", [13, 24, 30, 59])
def test_packet_that_is_garbage(tmp_path: Path, lost: int) -> None:
    path = clip(tmp_path / "a.mp4", 60)
    data = bytearray(path.read_bytes())
    start, size = _packet_places(path)[lost]
    data[start : start + size] = bytes(255 - i % 7 for i in range(size))
    path.write_bytes(data)
    _, found, messages = _read(path)
    assert len(messages) == 1
    assert len(found) in (59, 60)
    assert found[:12] == list(range(12))
    if lost < 45:  # the next group of pictures is whole again, and in its place
        assert found[-12:] == list(range(48, 60))


@pytest.mark.parametrize("lost", [7, 20, 39])
def test_picture_that_is_garbage_among_independent_ones(tmp_path: Path, lost: int) -> None:
    path = clip(tmp_path / "a.avi", 40, codec="mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    start, size = _packet_places(path)[lost]
    header = data.index(b"\xff\xd8", start)
    data[header : header + size] = bytes(size)
    path.write_bytes(data)
    _, found, messages = _read(path)
    assert len(messages) == 1
    expected = list(range(40))
    if lost == 39:
        expected.pop()
    else:
        expected[lost] = lost - 1  # its neighbour stands in, so that time stays right
    assert found == expected


def test_neighbour_stands_in_whatever_the_order(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.avi", 30, codec="mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    for lost in (10, 11, 20):
        start, size = _packet_places(path)[lost]
        header = data.index(b"\xff\xd8", start)
        data[header : header + size] = bytes(size)
    path.write_bytes(data)
    with pytest.warns(VideoWarning, match="promises 30 frames, of which 27 can"):
        video = open_video(path)
    forwards = list(video)
    assert numbers(forwards)[8:14] == [8, 9, 9, 9, 12, 13]
    for index in (11, 29, 20, 10, 12, 0, 21):
        assert np.array_equal(video[index], forwards[index]), index


def test_header_that_promises_too_much(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", 20)
    data = bytearray(path.read_bytes())
    start, size = _packet_places(path)[-1]
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    with pytest.warns(VideoWarning, match="promises 20 frames, of which 19 can be decoded"):
        video = open_video(path)
    assert len(video) == len(list(video)) == 19


def test_stream_that_begins_within_a_group_of_pictures(tmp_path: Path) -> None:
    data = clip(tmp_path / "a.ts", 40, options={"x264-params": OPEN}).read_bytes()
    path = tmp_path / "cut.ts"
    path.write_bytes(data[188 * (len(data) // 188 // 3) :])
    video, found, _ = _read(path)
    assert found == list(range(found[0], 40))
    assert np.array_equal(video[len(video) - 2], list(video)[-2])


def test_nothing_decodes(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", 5)
    data = bytearray(path.read_bytes())
    for start, size in _packet_places(path):
        data[start : start + size] = bytes(size)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"a\.mp4 holds no frame that can be decoded"):
        open_video(path)


def test_a_codec_that_nobody_knows_is_named(tmp_path: Path) -> None:
    path = tmp_path / "strange.mp4"
    write_video(path, np.full((4, 32, 32, 3), 100, np.uint8))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(VideoError, match=r"strange\.mp4 holds a kind of video"):
        open_video(path)


def test_metadata_that_is_not_text_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    write_video(path, np.full((4, 32, 32, 3), 100, np.uint8))
    content = path.read_bytes()
    assert b"VideoHandler" in content
    path.write_bytes(content.replace(b"VideoHandler", b"Video\xff\xfe\xc3\x28dler"[:12]))
    assert len(open_video(path)) == 4
