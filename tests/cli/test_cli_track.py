"""What `track` writes and prints when all is well."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from cli_runs import Run, contents, pictures, process, video

import pointtrack as pt
from pointtrack import formats


def read(path: Path) -> pt.Tracks:
    return formats.read(path)


def test_default_is_a_grid_with_tracks_and_overlay_beside_the_video(run: Run, place: Path) -> None:
    (place / "shots").mkdir()
    (place / "clip.mp4").rename(place / "shots" / "clip.mp4")
    outcome = run("track", "shots/clip.mp4", "--model", "klt")
    assert outcome.status == 0
    assert outcome.err == ""
    assert "400 points in 8 frames with klt" in outcome.out
    assert outcome.out.splitlines()[1:] == ["shots/clip.tracks.csv", "shots/clip.overlay.mp4"]
    assert sorted(contents(place)) == [
        "shots",
        "shots/clip.mp4",
        "shots/clip.overlay.mp4",
        "shots/clip.tracks.csv",
    ]
    tracks = read(place / "shots" / "clip.tracks.csv")
    assert tracks.xy.shape == (400, 8, 2)
    drawn = pt.open_video(place / "shots" / "clip.overlay.mp4")
    assert (len(drawn), drawn.size) == (8, (64, 48))
    middle = tracks.xy[210] - tracks.xy[210, 0]
    assert middle[-1] == pytest.approx([-14, -7], abs=1)  # the texture moves by (-2, -1) a frame


def test_the_default_model_tracks(run: Run, place: Path) -> None:
    outcome = run("track", "clip.mp4", "--point", "0,40,30", "--out", "one.json")
    assert outcome.status == 0
    assert f"with {pt.DEFAULT_MODEL}" in outcome.out
    assert read(place / "one.json").xy[0, -1] == pytest.approx([26, 23], abs=1)


@pytest.mark.parametrize("suffix", [f.suffixes[0] for f in formats.available() if f.can_write])
def test_out_of_each_format(run: Run, place: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    target = place / f"answer{suffix}"
    words = ["--grid", "3x2", "--out", target, "--model", "static"]
    assert run("track", "clip.mp4", *words).status == 0
    assert sorted(contents(place)) == sorted([target.name, "clip.mp4"])
    if formats.find(target).can_read:
        tracks = formats.read(target, size=(64, 48))
        assert tracks.xy.shape == (6, 8, 2)
        grid = [[10.17, 11.5], [31.5, 11.5], [52.83, 11.5]]
        assert np.allclose(tracks.xy[:3, 0], grid, atol=0.01)


def test_out_can_be_a_folder(run: Run, place: Path) -> None:
    (place / "results").mkdir()
    assert run("track", "clip.mp4", "--model", "static", "--out", "results").status == 0
    assert sorted(p.name for p in (place / "results").iterdir()) == [
        "clip.overlay.mp4",
        "clip.tracks.csv",
    ]


def test_an_earlier_result_is_replaced(run: Run, place: Path) -> None:
    (place / "a.csv").write_text("old")
    assert run("track", "clip.mp4", "--model", "static", "--out", "a.csv").status == 0
    assert len(read(place / "a.csv")) == 400


@pytest.mark.parametrize(
    ("words", "count", "first"),
    [
        (["--grid", "4"], 16, (0, 7.5, 5.5)),
        (["--grid", "4x1"], 4, (0, 7.5, 23.5)),
        (["--grid", "2", "--margin", "5", "--frame", "3"], 4, (3, 4.5, 4.5)),
        (["--grid", "2", "--box", "10,10,20,30"], 4, (0, 12.5, 15)),
        (["--point", "2,30.5,20", "--point", "0,1,2"], 2, (2, 30.5, 20)),
        (["--queries", "q.csv"], 2, (1, 5, 6)),
        (["--queries", "q.json"], 3, (4, 5, 6.5)),
        (["--corners", "5"], 5, None),
        (["--sift", "5"], 5, None),
        (["--random", "7", "--seed", "3"], 7, None),
        (["--mask", "mask.png", "--grid", "3"], 9, (0, 21 + 1 / 6, 15.5)),
        (["--mask", "mask.png", "--random", "9"], 9, None),
        (["--mask", "mask.png", "--corners", "3"], 3, None),
        (["--mask", "mask.png", "--sift", "3"], 3, None),
    ],
)
def test_every_kind_of_query(
    run: Run, place: Path, words: list[str], count: int, first: tuple[float, ...] | None
) -> None:
    (place / "q.csv").write_text("t,x,y,name\n1,5,6,nose\n0,7,8,tail\n5,9,9,tail\n")
    (place / "q.json").write_text('[[4, 5, 6.5], {"t": 0, "x": 1, "y": 2}, [0, 3, 3]]')
    mask = np.zeros((48, 64), np.uint8)
    mask[12:36, 18:40] = 255
    cv2.imwrite("mask.png", mask)
    assert run("track", "clip.mp4", "--model", "static", "--out", "a.npz", *words).status == 0
    queries = read(place / "a.npz").queries
    assert queries is not None
    assert len(queries) == count
    if first is not None:
        assert queries.txy[0] == pytest.approx(first)
    if "--mask" in words:
        x, y = np.round(queries.xy).astype(int).T
        assert mask[y, x].all()


def test_seed_chooses_the_random_points(run: Run, place: Path) -> None:
    asked = []
    for seed in (1, 1, 2):
        words = ["--random", "4", "--seed", seed, "--out", "a.npz", "--model", "static"]
        assert run("track", "clip.mp4", *words).status == 0
        asked.append(read(place / "a.npz").xy[:, 0])
    assert np.array_equal(asked[0], asked[1])
    assert not np.array_equal(asked[0], asked[2])


def test_forward_leaves_out_earlier_frames(run: Run, place: Path) -> None:
    words = ["--point", "3,30,20", "--model", "klt", "--out", "a.csv"]
    assert run("track", "clip.mp4", *words).status == 0
    assert np.isfinite(read(place / "a.csv").xy).all()
    assert run("track", "clip.mp4", *words, "--forward").status == 0
    tracks = read(place / "a.csv")
    assert np.isnan(tracks.xy[0, :3]).all()
    assert np.isfinite(tracks.xy[0, 3:]).all()
    assert not tracks.visible[0, :3].any()


def test_pictures_are_made_where_asked_for(run: Run, place: Path) -> None:
    pytest.importorskip("matplotlib")
    words = ["--overlay", "o.mkv", "--sheet", "s.png", "--plot", "p.svg", "--scale", "2"]
    outcome = run("track", "clip.mp4", "--grid", "3", "--model", "static", *words)
    assert outcome.status == 0
    assert outcome.out.splitlines()[1:] == ["clip.tracks.csv", "o.mkv", "s.png", "p.svg"]
    assert pt.open_video(place / "o.mkv").size == (128, 96)
    sheet = cv2.imread("s.png")
    assert sheet is not None
    assert sheet.shape[1] > 1000
    assert b"<svg" in (place / "p.svg").read_bytes()


def test_a_sheet_alone_needs_no_overlay(run: Run, place: Path) -> None:
    assert run("track", "clip.mp4", "--model", "static", "--sheet", "s.jpg").status == 0
    assert sorted(contents(place)) == ["clip.mp4", "clip.tracks.csv", "s.jpg"]


def test_style_changes_the_overlay(run: Run, place: Path) -> None:
    drawn = []
    for words in ([], ["--colour", "identity"], ["--trail", "0"], ["--trail", "-1"]):
        words = ["--model", "klt", "--grid", "4", "--overlay", "o.mp4", "--out", "a.csv", *words]
        assert run("track", "clip.mp4", *words).status == 0
        drawn.append((place / "o.mp4").read_bytes())
    assert len(set(drawn)) >= 3


def test_a_models_option_reaches_it(run: Run, place: Path) -> None:
    found = []
    for words in ([], ["--option", "window=5", "--option", "anchor=0"]):
        assert run("track", "clip.mp4", "--model", "klt", "--out", "a.npz", *words).status == 0
        found.append(read(place / "a.npz").xy)
    assert not np.array_equal(found[0], found[1])


def test_folders_and_globs_are_named_after_the_folder(run: Run, place: Path) -> None:
    pictures(place / "shot")
    for video_word, folder in (("shot", "."), ("shot/", "."), ("shot/*.png", "shot")):
        outcome = run("track", video_word, "--grid", "2", "--model", "static")
        assert outcome.status == 0, outcome
        assert (place / folder / "shot.tracks.csv").is_file()


def test_json_is_all_there_is_on_stdout(place: Path) -> None:
    words = ["--grid", "3", "--model", "static", "--json", "--sheet", "s.png"]
    outcome = process("track", "clip.mp4", *words, cwd=place)
    assert outcome.status == 0
    assert outcome.err == ""
    answer = json.loads(outcome.out)
    seconds = answer.pop("seconds")
    assert isinstance(seconds, float)
    assert answer == {
        "video": "clip.mp4",
        "model": "static",
        "points": 9,
        "frames": 8,
        "size": [64, 48],
        "fps": 25.0,
        "visible": 1.0,
        "files": ["clip.tracks.csv", "s.png"],
    }


def test_the_keys_of_json_are_in_the_help(run: Run) -> None:
    help_text = " ".join(run("track", "--help").out.split())
    answer = json.loads(run("track", "clip.mp4", "--model", "static", "--json").out)
    stated = help_text.partition("the keys are ")[2].partition("Examples")[0]
    assert all(key in stated for key in answer)


def test_a_cut_off_video_is_a_warning_and_goes_on(run: Run, place: Path) -> None:
    whole = video(place / "long.mkv", 60).read_bytes()
    (place / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    outcome = run("track", "cut.mkv", "--grid", "3", "--model", "static", "--json")
    assert outcome.status == 0
    assert outcome.sentence.startswith("Warning: cut.mkv promises 60 frames, of which ")
    assert 0 < json.loads(outcome.out)["frames"] < 60
    assert (place / "cut.tracks.csv").is_file()


def test_run_leaves_warnings_as_they_were(run: Run) -> None:
    before = warnings.showwarning
    run("models")
    assert warnings.showwarning is before


def test_where_nothing_can_be_written_results_go_to_the_current_folder(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "shots").mkdir()
    (place / "clip.mp4").rename(place / "shots" / "clip.mp4")
    # Root may write anywhere, whatever the folder's mode.
    monkeypatch.setattr("os.access", lambda path, mode: Path(path).name != "shots")
    outcome = run("track", "shots/clip.mp4", "--grid", "3", "--model", "static")
    assert outcome.status == 0
    assert "shots cannot be written to" in outcome.sentence
    assert (place / "clip.tracks.csv").is_file()
