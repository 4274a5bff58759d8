"""Addresses and cameras; every server is on this machine and made by the test."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import pytest
from made_videos import clip, numbers, picture

from pointtrack.errors import VideoError
from pointtrack.video import LiveVideo, open_video


class _Ranges(http.server.SimpleHTTPRequestHandler):
    """The standard server, with the Range header that seeking needs."""

    seekable = True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def send_head(self) -> BinaryIO | None:  # type: ignore[override]
        wanted = self.headers.get("Range")
        path = Path(self.translate_path(self.path))
        if not (self.seekable and wanted and path.is_file()):
            return super().send_head()  # type: ignore[return-value]
        size = path.stat().st_size
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or size - 1), size - 1)
        if start >= size:
            self.send_error(416)
            return None
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self.send_header("Content-Length", str(end - start + 1))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        file = path.open("rb")
        file.seek(start)
        return file


class _NoRanges(_Ranges):
    seekable = False


@pytest.fixture(params=[_Ranges, _NoRanges])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    handler = partial(request.param, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_http_file_is_a_video_with_random_access(address: str, tmp_path: Path, suffix: str) -> None:
    path = clip(tmp_path / f"a.{suffix}", 40, container={})
    video = open_video(f"{address}/a.{suffix}")
    assert video.name == f"{address}/a.{suffix}"
    assert numbers(video) == list(range(40))
    local = open_video(path)
    for index in (30, 3, 39, 0, 17):
        assert np.array_equal(video[index], local[index])
    assert numbers(video[::-9]) == [39, 30, 21, 12, 3]


def test_http_errors_name_the_address(address: str) -> None:
    with pytest.raises(
        VideoError, match=rf"{address}/gone\.mp4 cannot be opened as a video: .*404"
    ):
        open_video(f"{address}/gone.mp4")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_server_that_is_not_there() -> None:
    with pytest.raises(VideoError, match="cannot be opened as a video: connection refused"):
        open_video(f"http://127.0.0.1:{_free_port()}/a.mp4")
    with pytest.raises(VideoError, match="cannot be opened as a video: connection refused"):
        open_video(f"tcp://127.0.0.1:{_free_port()}")


def _serve_once(data: bytes) -> int:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    port: int = server.getsockname()[1]
    return port


def test_live_stream_gives_each_frame_once(tmp_path: Path) -> None:
    port = _serve_once(clip(tmp_path / "a.ts", 30).read_bytes())
    with open_video(f"tcp://127.0.0.1:{port}") as live:
        assert isinstance(live, LiveVideo)
        assert (live.size, live.fps) == ((64, 48), 25)
        first = next(iter(live))
        assert [*numbers([first]), *numbers(live)] == list(range(30))
        assert list(live) == []
    assert list(live) == []


def test_live_stream_without_a_picture() -> None:
    port = _serve_once(b"this is no video " * 100)
    with pytest.raises(VideoError, match="cannot be opened as a video"):
        open_video(f"tcp://127.0.0.1:{port}")


def test_camera_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(VideoError, match="there is no camera 97"):
        open_video(97)
    assert capfd.readouterr() == ("", "")


class _Camera:
    """Three frames, BGR as OpenCV gives them."""

    def __init__(self, number: int):
        self.left, self.released = 3, False

    def isOpened(self) -> bool:
        return True

    def get(self, what: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: 64, cv2.CAP_PROP_FRAME_HEIGHT: 48}.get(what, 15.0)

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, picture(2 - self.left)[..., ::-1]) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_camera_frames_are_rgb_and_it_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[_Camera] = []

    def make(number: int) -> _Camera:
        made.append(_Camera(number))
        return made[-1]

    monkeypatch.setattr(cv2, "VideoCapture", make)
    with open_video(0) as camera:
        assert (camera.name, camera.size, camera.fps) == ("camera 0", (64, 48), 15)
        frames = list(camera)
    assert np.array_equal(frames, [picture(i) for i in range(3)])
    assert made[0].released
    with open_video(0, fps=30) as unread:
        assert unread.fps == 30
    assert made[1].released
