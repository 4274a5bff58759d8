"""Ctrl-C ends a command at once with one line, and what was there before stays.

A video whose third picture is a named pipe holds the command up in the middle of its work:
opening the pipe for writing waits until the command reads it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import EARLIER, Outcome, begin, contents, pictures

import pointtrack as pt

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")

_SOON = 10.0  # seconds; far less than any time-out, far more than ending takes


@pytest.fixture
def shot(place: Path) -> Path:
    """Four pictures, the third in a pipe, and earlier results beside them."""
    folder = pictures(place / "shot")
    for name in ("old.csv", "old.mp4"):
        (place / name).write_bytes(EARLIER)
    pt.track(str(folder), pt.grid(3), "static").save("t.csv")
    (folder / "2.png").rename(place / "third.png")
    os.mkfifo(folder / "2.png")
    return folder


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    commands: list[subprocess.Popen[str]] = []
    yield commands
    for command in commands:
        command.kill()
        command.communicate()


def hand_over(pipe: Path, content: bytes | None) -> None:
    """Wait until the pipe is read, then give a picture; with None, leave the reader waiting."""
    deadline = time.monotonic() + 60
    while True:
        try:
            end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError:  # nobody reads yet
            assert time.monotonic() < deadline, "the command never came to the third picture"
            time.sleep(0.002)
    os.set_blocking(end, True)
    if content is not None:
        os.write(end, content)
        os.close(end)
    else:
        # A signal between the opening and the read would be seen only when the read ends.
        time.sleep(0.2)


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.002)


def stop(command: subprocess.Popen[str], number: int = signal.SIGINT) -> Outcome:
    command.send_signal(number)
    out, err = command.communicate(timeout=_SOON)
    return Outcome(command.returncode, out, err)


def test_while_tracking(place: Path, shot: Path, started: list[subprocess.Popen[str]]) -> None:
    before = contents(place)
    words = ["track", "shot/*.png", "--model", "klt", "--out", "old.csv"]
    started.append(begin(*words, cwd=place))
    hand_over(shot / "2.png", None)
    outcome = stop(started[0])
    assert outcome == Outcome(130, "", "Interrupted.\n")
    assert contents(place) == before


def test_while_drawing(place: Path, shot: Path, started: list[subprocess.Popen[str]]) -> None:
    before = contents(place)
    started.append(begin("view", "shot/*.png", "t.csv", "--out", "old.mp4", cwd=place))
    hand_over(shot / "2.png", None)
    assert [p for p in place.iterdir() if ".part" in p.name]  # the overlay is half written
    outcome = stop(started[0])
    assert outcome == Outcome(130, "", "Interrupted.\n")
    assert contents(place) == before


def test_tracks_are_kept_while_their_overlay_is_drawn(
    place: Path, shot: Path, started: list[subprocess.Popen[str]]
) -> None:
    words = ["--out", "new.csv", "--overlay", "old.mp4", "--grid", "3", "--model", "static"]
    before = contents(place)
    started.append(begin("track", "shot/*.png", *words, "--json", cwd=place))
    hand_over(shot / "2.png", (place / "third.png").read_bytes())
    wait_for(place / "new.csv")
    hand_over(shot / "2.png", None)
    outcome = stop(started[0])
    assert outcome == Outcome(130, "", "Interrupted; the tracks are in new.csv.\n")
    after = contents(place)
    assert len(pt.Tracks.load(place / "new.csv")) == 9
    assert after.pop("new.csv")
    assert after == before


def test_being_told_to_end_leaves_nothing_half_written(
    place: Path, shot: Path, started: list[subprocess.Popen[str]]
) -> None:
    before = contents(place)
    started.append(begin("view", "shot/*.png", "t.csv", "--out", "old.mp4", cwd=place))
    hand_over(shot / "2.png", None)
    outcome = stop(started[0], signal.SIGTERM)
    assert outcome == Outcome(143, "", "")
    assert contents(place) == before
