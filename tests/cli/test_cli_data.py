from __future__ import annotations

import json
from pathlib import Path

import benchmark_copies as copies
from cli_runs import Run

from pointtrack.datasets import CARDS


def test_data_lists_every_set(run: Run) -> None:
    outcome = run("data")
    assert outcome.status == 0
    assert all(name in outcome.out for name in CARDS)
    assert "CC-BY-NC-SA-4.0" in outcome.out
    assert "procedural-val" in outcome.err


def test_data_as_json(run: Run) -> None:
    cards = json.loads(run("data", "--json").out)
    assert [card["name"] for card in cards] == list(CARDS)
    one = json.loads(run("data", "badja", "--json").out)
    assert one["query_mode"] == "given"


def test_one_card_tells_where_to_get_it_and_how_it_must_lie(run: Run) -> None:
    outcome = run("data", "tapvid-davis")
    assert outcome.status == 0
    assert "https://storage.googleapis.com/dm-tapnet/tapvid_davis.zip" in outcome.out
    assert "tapvid_davis.pkl" in outcome.out
    assert "pointtrack evaluate tapvid-davis PATH" in outcome.out


def test_unknown_names_are_refused(refused: Run) -> None:
    assert "there is no data set 'bajda'; there are: tapvid-davis" in refused("data", "bajda").err
    assert "there is no data set 'bajda'" in refused("data", "check", "bajda", ".").err
    assert "there is no data set nowhere" in refused("data", "check", "badja", "nowhere").err
    words = ("data", "build", "badja", "a.csv", ".", "--out", "out")
    assert "only tapvid-kinetics is built, found 'badja'" in refused(*words).err
    words = ("data", "build", "tapvid-kinetics", "a.csv", ".", "--out", "out")
    assert "cannot read a.csv" in refused(*words).err


def test_a_whole_copy_has_nothing_wrong(run: Run, tmp_path: Path) -> None:
    root = copies.egopoints(tmp_path / "ego")
    outcome = run("data", "check", "egopoints", root, "--deep")
    assert outcome.status == 0
    assert outcome.out == f"{root}: 2 clips, nothing is wrong\n"


def test_every_problem_is_named_file_by_file(run: Run, tmp_path: Path) -> None:
    root = copies.davis(tmp_path / "DAVIS", names=("bear",))
    mask = root / "Annotations/480p/bear/00001.png"
    mask.unlink()
    outcome = run("data", "check", "davis", root)
    assert outcome.status == 1
    assert outcome.out.splitlines() == [
        f"bear: there is no file {mask}",
        "davis: it has 1 clips, expected 30",
        f"{root}: 1 clip, 2 problems",
    ]
    found = json.loads(run("data", "check", "davis", root, "--json").out)
    assert found["clips"] == 1
    assert found["expected_clips"] == 30
    assert found["problems"][0] == {"name": "bear", "message": f"there is no file {mask}"}


def test_a_truncated_pickle_is_named(run: Run, tmp_path: Path) -> None:
    path = copies.tapvid_davis(tmp_path / "tapvid_davis.pkl")
    path.write_bytes(path.read_bytes()[:-100])
    outcome = run("data", "check", "tapvid-davis", path)
    assert outcome.status == 1
    assert f"{path} is not a pickle of plain data" in outcome.out
    assert "it has 0 clips, expected 30" in outcome.out


def test_building_names_what_is_missing_and_goes_on(run: Run, tmp_path: Path) -> None:
    csv, clips = copies.kinetics(tmp_path, clips=2)
    out = tmp_path / "built"
    first = run("data", "build", "tapvid-kinetics", csv, clips, "--out", out)
    assert first.status == 1
    assert f"video000002_000002_000012.mp4: not below {clips}" in first.out
    assert "10 files written, 0 were there, 1 clips left out" in first.out
    again = json.loads(
        run("data", "build", "tapvid-kinetics", csv, clips, "--out", out, "--json").out
    )
    assert again["written"] == []
    assert len(again["kept"]) == 10
    evaluated = run("evaluate", "tapvid-kinetics", out, "--model", "static", "--json")
    assert json.loads(evaluated.out)["counts"]["videos"] == 2


def test_evaluate_by_name_uses_the_benchmarks_rules_and_numbers(run: Run, tmp_path: Path) -> None:
    root = copies.badja(tmp_path / "BADJA")
    outcome = run("evaluate", "badja", root, "--model", "static")
    assert outcome.status == 0, outcome.err
    assert "static on badja" in outcome.out
    assert "PCK@0.2" in outcome.out
    assert "queries given" in outcome.out
    content = json.loads(run("compare", "badja", root, "-m", "static", "-m", "klt", "--json").out)
    assert content["shared_mean"]["static"]["PCK@0.2"] == 1


def test_a_name_without_a_path_says_what_is_needed(refused: Run) -> None:
    outcome = refused("evaluate", "tapvid-davis", "--model", "static")
    assert "tapvid-davis needs the path of your copy" in outcome.sentence
    assert "pointtrack data tapvid-davis" in outcome.sentence
