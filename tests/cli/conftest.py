from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cli_runs import EARLIER, Outcome, Run, contents, video

from pointtrack.cli import run as run_command


@pytest.fixture(scope="session")
def textured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 8 frames, 64x48."""
    return video(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture
def place(textured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with clip.mp4 in it."""
    shutil.copy(textured, tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(place: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process; what libraries in C print counts too."""

    def call(*words: object) -> Outcome:
        capfd.readouterr()
        status = run_command([str(word) for word in words])
        return Outcome(status, *capfd.readouterr())

    return call


@pytest.fixture
def refused(place: Path, run: Run) -> Run:
    """Runs a command that must refuse its input and touch nothing; gives the sentence."""
    for name in ("clip.tracks.csv", "clip.overlay.mp4", "old.csv", "old.mp4", "old.png"):
        (place / name).write_bytes(EARLIER)

    def call(*words: object) -> Outcome:
        before = contents(place)
        outcome = run(*words)
        assert outcome.status == 2, outcome
        assert outcome.out == ""
        assert outcome.sentence.startswith("Error: ")
        assert contents(place) == before
        return outcome

    return call
