"""Videos at an http address; every server is on this machine and made by the test."""

from __future__ import annotations

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from cli_runs import Run, contents

import pointtrack as pt


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing on standard error, which is the command's."""


@pytest.fixture
def address(textured: Path) -> Iterator[str]:
    """Where the folder of clip.mp4 is served."""
    handler = partial(_Quiet, directory=str(textured.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_video_at_an_address(run: Run, place: Path, address: str) -> None:
    (place / "clip.mp4").unlink()
    outcome = run(
        "track", f"{address}/clip.mp4?token=1/2", "--grid", "3", "--model", "klt", "--json"
    )
    assert outcome.status == 0
    assert outcome.err == ""
    assert json.loads(outcome.out)["files"] == ["clip.tracks.csv", "clip.overlay.mp4"]
    assert sorted(contents(place)) == ["clip.overlay.mp4", "clip.tracks.csv"]
    assert pt.Tracks.load("clip.tracks.csv").xy.shape == (9, 8, 2)
    assert len(pt.open_video("clip.overlay.mp4")) == 8


def test_view_of_an_address(run: Run, address: str) -> None:
    pt.track("clip.mp4", pt.grid(3), "static").save("t.csv")
    assert run("view", f"{address}/clip.mp4", "t.csv", "--out", "o.mp4").status == 0


@pytest.mark.parametrize("verb", ["track", "view"])
def test_nothing_at_that_address(refused: Run, address: str, verb: str) -> None:
    words = ["old.csv", "--out", "old.mp4"] if verb == "view" else []
    sentence = refused(verb, f"{address}/missing.mp4", *words).sentence
    assert f"{address}/missing.mp4 cannot be opened as a video" in sentence
    assert "404" in sentence or "not found" in sentence.lower()


def test_nobody_at_that_address(refused: Run) -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/clip.mp4"
        assert f"{address} cannot be opened" in refused("track", address).sentence


def test_a_page_is_no_video(refused: Run, address: str) -> None:
    assert f"{address}/ cannot be opened as a video" in refused("track", f"{address}/").sentence
