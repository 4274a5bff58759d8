from __future__ import annotations

from pathlib import Path

import benchmark_copies as copies
import pytest

from pointtrack.errors import FormatError, PointtrackError
from pointtrack.evaluation.own_sets import ProceduralVal
from pointtrack.evaluation.sets import open_set, protocol_for, rules_for


def test_a_name_and_a_path(tmp_path: Path) -> None:
    data = open_set(["badja", str(copies.badja(tmp_path))])
    assert data.name == "badja"
    assert rules_for(data) == ("given", "practical")


def test_a_path_alone_is_as_before(tmp_path: Path) -> None:
    path = copies.tapvid_davis(tmp_path / "mine.pkl")
    data = open_set([str(path)])
    assert data.name == "mine"
    assert rules_for(data) == ("first", "tapvid")


def test_a_folder_called_like_its_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copies.egopoints(tmp_path / "egopoints")
    monkeypatch.chdir(tmp_path)
    assert open_set(["egopoints"]).name == "egopoints"


def test_our_own_sets_need_no_path() -> None:
    assert isinstance(open_set(["procedural-val"]), ProceduralVal)
    with pytest.raises(PointtrackError, match="takes no path"):
        open_set(["procedural-val", "here"])


def test_the_split_that_results_are_reported_on(tmp_path: Path) -> None:
    for split, name in (("train", "a"), ("test", "b")):
        copies.pictures(tmp_path / split / name / "rgbs", ["rgb_00000.jpg"])
    data = open_set(["pointodyssey", str(tmp_path)])
    assert [entry.name for entry in data.entries()] == ["b"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tapvid-davis"], "tapvid-davis needs the path of your copy: tapvid-davis PATH"),
        (["bajda", "here"], "there is no data set 'bajda'; there are: tapvid-davis"),
        (["badja", "nowhere"], "there is no data set nowhere"),
        (["nowhere"], "there is no data set nowhere"),
        (["badja", "here", "there"], "found 3 words"),
        ([], "found 0 words"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], expected: str) -> None:
    with pytest.raises((PointtrackError, FormatError), match=expected):
        open_set(words)


def test_a_format_that_contradicts_the_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PointtrackError, match="badja is not of the format folder"):
        open_set(["badja", str(copies.badja(tmp_path))], "folder")


def test_what_the_user_says_comes_first(tmp_path: Path) -> None:
    data = open_set(["badja", str(copies.badja(tmp_path))])
    assert protocol_for(data, None, None).query_mode == "given"
    chosen = protocol_for(data, "tapvid", "first", single=True)
    assert (chosen.name, chosen.query_mode, chosen.single) == ("tapvid", "first", True)
