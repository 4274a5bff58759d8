from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import pointtrack as pt
from pointtrack.cli.synth import app
from pointtrack.errors import PointtrackError
from pointtrack.synthesis import ProceduralConfig, generate, production
from pointtrack.synthesis.storage import read_clip

SMALL = ("--frames", "2", "--size", "32x24", "--points", "8")


def synth(*words: object) -> Any:
    return CliRunner().invoke(app, ["procedural", *SMALL, *map(str, words)])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_each_clip_is_a_folder_that_reads_back_exactly(tmp_path: Path) -> None:
    outcome = synth("--out", tmp_path / "set", "--clips", 2, "--seed", 3, "--preset", "thin")
    assert outcome.exit_code == 0, outcome
    assert "2 clips made" in outcome.output
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == ["clip_000000", "clip_000001"]
    folder = tmp_path / "set" / "clip_000001"
    meta = json.loads((folder / "meta.json").read_text())
    made = generate(meta["seed"], ProceduralConfig(**meta["config"]))
    clip = read_clip(folder)
    assert np.array_equal([clip.video[t] for t in range(2)], made.video)
    assert np.array_equal(clip.xy, made.xy, equal_nan=True)
    assert np.array_equal(clip.visible, made.visible)
    assert clip.queries is not None
    assert np.array_equal(clip.queries.txy, made.queries)


def test_clips_as_video_files(tmp_path: Path) -> None:
    assert synth("--out", tmp_path, "--clips", 1, "--store", "mp4").exit_code == 0
    folder = tmp_path / "clip_000000"
    assert sorted(p.name for p in folder.iterdir()) == ["meta.json", "tracks.npz", "video.mp4"]
    assert len(pt.open_video(folder / "video.mp4")) == 2
    assert len(read_clip(folder)) == 8


def test_a_stopped_production_goes_on_and_ends_with_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert synth("--out", tmp_path / "whole", "--clips", 4).exit_code == 0
    write = production.write_clip
    written = []

    def stop_at_the_third(folder: Path, *rest: Any) -> None:
        if len(written) == 2:
            half = folder.with_name(f".{folder.name}.part")  # as a killed process leaves it
            half.mkdir()
            (half / "tracks.npz").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(folder)
        write(folder, *rest)

    monkeypatch.setattr(production, "write_clip", stop_at_the_third)
    stopped = synth("--out", tmp_path / "parts", "--clips", 4)
    assert stopped.exit_code != 0
    assert "Interrupted after 2 of 4 clips" in str(stopped.exception)
    monkeypatch.undo()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "parts").glob("clip_*/meta.json")}
    assert len(kept) == 2
    outcome = synth("--out", tmp_path / "parts", "--clips", 4)
    assert "2 clips made, 2 were there" in outcome.output
    assert all(p.stat().st_mtime_ns == when for p, when in kept.items())
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    production.produce(tmp_path / "one", 3, 0, ProceduralConfig(2, (32, 24), 8))
    production.produce(tmp_path / "two", 3, 0, ProceduralConfig(2, (32, 24), 8), workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_productions_of_neighbouring_seeds_share_no_clip() -> None:
    seeds = {production.clip_seed(seed, index) for seed in range(20) for index in range(50)}
    assert len(seeds) == 1000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--preset", "nice"), "there is no preset 'nice'"),
        (("--clips", "0"), "clips must be at least 1, found 0"),
        (("--workers", "0"), "workers must be at least 1, found 0"),
        (("--seed", "-1"), "seed must be at least 0, found -1"),
        (("--frames", "0"), "frames must be a whole number, at least 1, found 0"),
        (("--size", "32"), "a size is WIDTHxHEIGHT"),
        (("--size", "5000x32"), "width must be a whole number, 16 to 4096, found 5000"),
        (("--store", "gif"), "--store is png or mp4, found 'gif'"),
        (("--device", "nonsense"), "there is no device 'nonsense' here"),
        (("--textures", "nowhere"), "nowhere"),
    ],
)
def test_a_bad_argument_is_one_sentence_and_writes_nothing(
    tmp_path: Path, words: tuple[str, str], said: str
) -> None:
    outcome = synth("--out", tmp_path / "set", *words)
    assert isinstance(outcome.exception, PointtrackError), outcome
    assert said in str(outcome.exception)
    assert "\n" not in str(outcome.exception)
    assert not (tmp_path / "set").exists()


def test_another_production_in_the_folder_is_not_mixed_in(tmp_path: Path) -> None:
    assert synth("--out", tmp_path, "--clips", 1).exit_code == 0
    before = contents(tmp_path)
    for words, said in (
        (("--points", "9"), "with points 8, not 9"),
        (("--seed", "1"), "with another seed"),
        (("--store", "mp4"), "with store 'png', not 'mp4'"),
    ):
        outcome = synth("--out", tmp_path, "--clips", 1, *words)
        assert said in str(outcome.exception)
    (tmp_path / "clip_000000" / "meta.json").write_text("{")
    assert "is not the description" in str(synth("--out", tmp_path, "--clips", 1).exception)
    assert contents(tmp_path).keys() == before.keys()


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("mine")
    outcome = synth("--out", tmp_path / "set", "--clips", 1)
    assert "cannot make the folder" in str(outcome.exception)
    assert (tmp_path / "set").read_text() == "mine"


def test_the_command_names_every_preset_and_store() -> None:
    from pointtrack.cli import synth
    from pointtrack.synthesis import PRESETS
    from pointtrack.synthesis.storage import STORES

    assert sorted(synth.PRESETS) == sorted(PRESETS)
    assert sorted(synth.STORES) == sorted(STORES)
