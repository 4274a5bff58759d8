"""``pointtrack dense``, and ``pointtrack view`` on what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from cli_runs import Run

import pointtrack as pt


def test_a_folder_and_pictures_are_written_and_drawn_again(run: Run, place: Path) -> None:
    done = run("dense", "clip.mp4", "--frame", 2, "--detail", 32, "--overlay", "grid.mp4")
    assert done.status == 0, done.err
    assert done.out.splitlines()[1:] == ["clip.dense", "grid.mp4"]
    assert "64x48 pixels of frame 2 in 8 frames with flow_chain" in done.out
    dense = pt.DenseTracks.load("clip.dense")
    assert (dense.frame, dense.xy.shape) == (2, (8, 48, 64, 2))
    moved = np.median(dense.flow(4)[dense.visible[4]], axis=0)
    np.testing.assert_allclose(moved, [-4, -2], atol=0.3)
    assert len(pt.open_video("grid.mp4")) == 8

    assert run("view", "clip.mp4", "clip.dense", "--show", "flow").out.strip() == "clip.flow.mp4"
    painted = run(
        "view", "clip.mp4", "clip.dense", "--show", "patch", "--box", "5,5,20,20", "-o", "p.mp4"
    )
    assert painted.status == 0, painted.err
    assert run("view", "clip.mp4", "clip.dense", "--sheet", "s.png").out.strip() == "s.png"


def test_json_tells_what_was_done(run: Run, place: Path) -> None:
    done = run("dense", "clip.mp4", "--detail", 16, "--forward", "--out", "a.dense", "--json")
    answer = json.loads(done.out)
    assert list(answer) == [
        "video",
        "model",
        "frame",
        "frames",
        "size",
        "seconds",
        "visible",
        "files",
    ]
    assert (answer["size"], answer["files"]) == ([64, 48], ["a.dense"])
    assert 0 < answer["visible"] <= 1


def test_bad_input_is_one_sentence(run: Run, place: Path) -> None:
    def sentence(*words: object) -> str:
        done = run(*words)
        assert done.status == 2
        return done.sentence

    assert "frame 8 is not in" in sentence("dense", "clip.mp4", "--frame", 8)
    assert "klt follows single points" in sentence("dense", "clip.mp4", "-m", "klt")
    assert "--show is grid, flow or patch" in sentence("dense", "clip.mp4", "--show", "x")
    assert "go with --show patch" in sentence("dense", "clip.mp4", "--box", "1,2,3,4")
    assert "something else" in sentence("dense", "clip.mp4", "--out", "clip.mp4")
    assert not Path("clip.dense").exists()
    run("track", "clip.mp4", "--grid", 2, "--out", "t.csv")
    assert "for dense tracks" in sentence("view", "clip.mp4", "t.csv", "--show", "flow")
    run("dense", "clip.mp4", "--detail", 16)
    assert "--plot is for tracks of points" in sentence(
        "view", "clip.mp4", "clip.dense", "--plot", "p.png"
    )
    assert "box" in sentence(
        "view", "clip.mp4", "clip.dense", "--show", "patch", "--box", "1,2,3,400"
    )
