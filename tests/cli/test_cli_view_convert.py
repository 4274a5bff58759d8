"""What `view`, `convert` and `models` do when all is well."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from cli_runs import Run, contents

import pointtrack as pt
from pointtrack import formats


@pytest.fixture
def tracks(place: Path) -> pt.Tracks:
    """Tracks of clip.mp4, saved as clip.tracks.csv."""
    found = pt.track("clip.mp4", pt.grid(3), "klt")
    found.save("clip.tracks.csv")
    return found


@pytest.mark.usefixtures("tracks")
def test_view_writes_the_overlay_beside_the_tracks(run: Run, place: Path) -> None:
    (place / "results").mkdir()
    (place / "clip.tracks.csv").rename(place / "results" / "clip.tracks.csv")
    outcome = run("view", "clip.mp4", "results/clip.tracks.csv")
    assert outcome.status == 0
    assert outcome.out == "results/clip.overlay.mp4\n"
    drawn = pt.open_video(place / "results" / "clip.overlay.mp4")
    plain = pt.open_video(place / "clip.mp4")
    assert (len(drawn), drawn.size, drawn.fps) == (8, (64, 48), plain.fps)
    assert np.abs(drawn[4].astype(int) - plain[4]).max() > 60


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shot.01.csv", "shot.01.overlay.mp4"),
        ("shot.02.tracks.json", "shot.02.overlay.mp4"),
        ("a.napari.csv", "a.overlay.mp4"),
        ("B.CSV", "B.overlay.mp4"),
    ],
)
def test_overlays_of_different_tracks_have_different_names(
    run: Run, tracks: pt.Tracks, name: str, expected: str
) -> None:
    formats.write(tracks, name)
    assert run("view", "clip.mp4", name).out == f"{expected}\n"


@pytest.mark.usefixtures("tracks")
def test_view_makes_only_what_is_asked_for(run: Run, place: Path) -> None:
    pytest.importorskip("matplotlib")
    words = ["--sheet", "s.png", "--plot", "p.png"]
    outcome = run("view", "clip.mp4", "clip.tracks.csv", *words)
    assert outcome.out.split() == ["s.png", "p.png"]
    assert sorted(contents(place)) == ["clip.mp4", "clip.tracks.csv", "p.png", "s.png"]
    assert cv2.imread("p.png") is not None
    outcome = run("view", "clip.mp4", "clip.tracks.csv", *words, "--out", "o.mov", "--scale", "0.5")
    assert outcome.out.split() == ["o.mov", "s.png", "p.png"]
    assert pt.open_video(place / "o.mov").size == (32, 24)


def test_view_takes_the_size_of_the_video_for_files_without_one(
    run: Run, tracks: pt.Tracks
) -> None:
    formats.write(tracks, "t.napari.csv")
    assert min(formats.read("t.napari.csv").size) < 1
    assert run("view", "clip.mp4", "t.napari.csv", "--out", "o.mp4").status == 0


def test_convert_keeps_the_tracks(run: Run, tracks: pt.Tracks) -> None:
    assert run("convert", "clip.tracks.csv", "a.json").status == 0
    assert run("convert", "a.json", "b.dat", "--to", "npz").status == 0
    outcome = run("convert", "b.dat", "c.nk", "--from", "npz")
    assert (outcome.status, outcome.err) == (0, "")
    for found in (formats.read("b.dat", "npz"), formats.read("c.nk")):
        assert np.allclose(found.xy, tracks.xy, atol=0.01)
        assert found.size == tracks.size


def test_convert_can_change_the_size(run: Run, tracks: pt.Tracks) -> None:
    assert run("convert", "clip.tracks.csv", "half.npz", "--resize", "32x24").status == 0
    half = formats.read("half.npz")
    assert half.size == (32, 24)
    assert np.allclose(half.xy, (tracks.xy + 0.5) / 2 - 0.5, atol=0.01)


def test_convert_is_told_what_a_file_does_not_know(run: Run, tracks: pt.Tracks) -> None:
    formats.write(tracks, "t.napari.csv")
    words = ["--size", "64x48", "--fps", "12.5"]
    assert run("convert", "t.napari.csv", "t.npz", *words).status == 0
    found = formats.read("t.npz")
    assert (found.size, found.fps) == ((64, 48), 12.5)


def test_convert_lists_the_formats(run: Run) -> None:
    outcome = run("convert", "--formats")
    assert outcome.status == 0
    rows = outcome.out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == [f.name for f in formats.available()]


def test_models_lists_every_model_on_one_line_each(run: Run) -> None:
    outcome = run("models")
    assert outcome.status == 0
    rows = outcome.out.splitlines()[1:]
    assert [row.split()[0] for row in rows] == [card.name for card in pt.models()]
    assert f"{pt.DEFAULT_MODEL} (default)" in outcome.out


def test_models_as_json(run: Run) -> None:
    cards = json.loads(run("models", "--json").out)
    assert [card["name"] for card in cards] == [card.name for card in pt.models()]
    assert {"paper", "task", "parameters", "code_licence", "commercial", "scores"} <= set(cards[0])
    assert json.loads(run("models", "klt", "--json").out) == [
        c for c in cards if c["name"] == "klt"
    ]


def test_models_shows_one_card(run: Run) -> None:
    shown = run("models", "klt").out
    assert "Lucas" in shown
    assert "commercial" in shown


def test_models_for_work(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    free, bound = replace(pt.models()[0], name="a"), replace(pt.models()[0], name="b")
    bound = replace(bound, commercial=False, summary="odd [/] words", weights_licence="CC-BY-NC")
    monkeypatch.setattr("pointtrack.cli.models.cards", lambda: [free, bound])
    monkeypatch.setattr("pointtrack.cli.models.options", lambda name: {})
    assert "no: CC-BY-NC" in run("models").out
    assert "odd [/] words" in run("models", "b").out
    assert [c["name"] for c in json.loads(run("models", "--commercial", "--json").out)] == ["a"]
    assert "b may not be used at work" in run("models", "b", "--commercial").sentence
