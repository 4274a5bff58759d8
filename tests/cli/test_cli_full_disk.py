"""A full disk is one sentence, and leaves what was there before."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import COMMAND, EARLIER, Outcome, Run, contents, process

import pointtrack as pt

_DISK = 65_536  # bytes


@pytest.fixture
def tiny_disk(place: Path) -> Iterator[Path]:
    """A disk of 64 kB with an earlier result of each kind on it."""
    disk = place / "disk"
    disk.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", str(disk)],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        for name in ("old.csv", "old.mp4", "old.png"):
            (disk / name).write_bytes(EARLIER)
        yield disk
    finally:
        # Lazily: a writer that failed lets go of its file only with the next collection.
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, leave: int) -> None:
    """Leave so many bytes free; 4096 are a block."""
    (disk / "filler").unlink(missing_ok=True)
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
    (disk / "filler").write_bytes(b"\0" * (free - leave))


def refusal(outcome: Outcome, name: str, why: str = "no space left on device") -> str:
    assert outcome.status == 2
    assert outcome.out == ""
    assert outcome.sentence.startswith(f"Error: cannot write {name}: {why}")
    return outcome.sentence


def test_tracks_on_a_full_disk(run: Run, place: Path, tiny_disk: Path) -> None:
    fill(tiny_disk, 4096)
    before = contents(tiny_disk)
    for name in ("old.csv", "new.npz"):
        words = ["--grid", "60", "--out", f"disk/{name}", "--model", "static"]
        refusal(run("track", "clip.mp4", *words), f"disk/{name}")
        assert contents(tiny_disk) == before


def test_an_overlay_on_a_full_disk(run: Run, place: Path, tiny_disk: Path) -> None:
    pt.track("clip.mp4", pt.grid(20), "static").save("t.csv")
    for name in ("old.mp4", "new.mkv"):
        words = ["view", "clip.mp4", "t.csv", "--scale", "4", "--out"]
        assert run(*words, f"whole{Path(name).suffix}").status == 0
        size = (place / f"whole{Path(name).suffix}").stat().st_size
        # No room for the beginning; none for the end, which is written when the file is closed.
        for leave in (0, (size - 1) // 4096 * 4096):
            fill(tiny_disk, leave)
            before = contents(tiny_disk)
            refusal(run(*words, f"disk/{name}"), f"disk/{name}")
            assert contents(tiny_disk) == before


def test_tracks_stay_when_their_overlay_finds_a_full_disk(
    run: Run, place: Path, tiny_disk: Path
) -> None:
    fill(tiny_disk, 4096)
    before = contents(tiny_disk)
    words = ["--out", "t.csv", "--overlay", "disk/old.mp4", "--scale", "4", "--model", "static"]
    sentence = refusal(run("track", "clip.mp4", *words), "disk/old.mp4")
    assert sentence.endswith("; the tracks are in t.csv")
    assert contents(tiny_disk) == before
    assert len(pt.Tracks.load(place / "t.csv")) == 400


def test_a_sheet_on_a_full_disk(run: Run, place: Path, tiny_disk: Path) -> None:
    pt.track("clip.mp4", pt.grid(3), "static").save("t.csv")
    before = contents(tiny_disk)
    refusal(run("view", "clip.mp4", "t.csv", "--sheet", "disk/old.png"), "disk/old.png")
    assert contents(tiny_disk) == before


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("track clip.mp4 --model static --out old.csv", "old.csv"),
        ("view clip.mp4 t.csv --out old.mp4 --scale 4", "old.mp4"),
    ],
)
def test_the_system_stops_a_file_from_growing(place: Path, words: str, name: str) -> None:
    """Works for any user and disk: a write beyond a limit fails as it does on a full disk."""
    pt.track("clip.mp4", pt.grid(30), "static").save("t.csv")
    (place / name).write_bytes(EARLIER)
    before = contents(place)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    outcome = process(*words.split(), cwd=place, preexec_fn=limit)
    refusal(outcome, name, "file too large")
    assert contents(place) == before


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("track clip.mp4 --model static --out old.csv", "old.csv"),
        ("convert t.csv old.npz", "old.npz"),
        ("view clip.mp4 t.csv --out old.mp4", "old.mp4"),
        ("view clip.mp4 t.csv --plot old.svg", "old.svg"),
    ],
)
def test_a_disk_that_is_full_at_the_last_moment(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, words: str, name: str
) -> None:
    if "--plot" in words:
        pytest.importorskip("matplotlib")
    pt.track("clip.mp4", pt.grid(3), "static").save("t.csv")
    (place / name).write_bytes(EARLIER)
    before = contents(place)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    refusal(run(*words.split()), name)
    assert contents(place) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", [["models"], ["track", "clip.mp4", "--model", "static"]])
def test_standard_output_on_a_full_disk(place: Path, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=place,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert "no space left on device" in Outcome(2, "", done.stderr).sentence


def test_a_reader_that_has_seen_enough_is_not_worth_a_word(place: Path) -> None:
    command = subprocess.Popen(
        [*COMMAND, "models", "--json"], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.close()
    assert command.stderr.read() == b""
    assert command.wait(60) == 1
    command.stderr.close()
