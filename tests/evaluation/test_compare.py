from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from miniature_sets import Recorder, moved, save, still
from rich.console import Console

from pointtrack.errors import PointtrackError
from pointtrack.evaluation import Comparison, Contender, Evaluation, compare, evaluate
from pointtrack.evaluation.compare import comparison_table, comparison_to_dict
from pointtrack.evaluation.compare import save as save_comparison
from pointtrack.evaluation.report import dump, remarks, to_dict, video_table, write_csv
from pointtrack.queries import QueryLike
from pointtrack.tracks import Tracks
from pointtrack.video import VideoLike

STARTS = [[40.0, 60.0], [100.0, 200.0]]


class Drifting(Recorder):
    """Ten pixels off from the frame after the query on."""

    def track(self, video: VideoLike, queries: QueryLike, **how: object) -> Tracks:
        made = super().track(video, queries, **how)  # type: ignore[arg-type]
        xy = made.xy.copy()
        xy[:, 1:, 0] += 10
        return Tracks(xy, made.visible, size=made.size)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return save({name: still(STARTS) for name in ("a", "b", "c")}, tmp_path / "mini.pkl")


def both(data: Path, **drifting: int) -> Comparison:
    pair = [Contender(Drifting(**drifting), "drifting"), Contender(Recorder(), "still")]
    return compare(pair, data)


def text_of(table: object) -> str:
    console = Console(width=160)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_the_better_model_is_best_and_the_gap_is_known(data: Path) -> None:
    found = both(data)
    drifting, still_one = found.shared
    assert found.best() is still_one
    # 10 px: only the threshold 16 holds.
    gap = found.difference(drifting, still_one)
    assert (gap.mean, gap.low, gap.high) == pytest.approx((-0.8, -0.8, -0.8))


def test_only_videos_that_all_models_have_are_compared(data: Path) -> None:
    found = both(data, fail_at=1)
    assert [len(e.videos) for e in found.evaluations] == [2, 3]
    assert [[v.name for v in e.videos] for e in found.shared] == [["a", "c"]] * 2
    lines = [line for e in found.evaluations for line in remarks(e)]
    assert lines == ["drifting: b failed: RuntimeError: out of memory"]


def test_a_model_that_fails_everywhere_leaves_the_others(tmp_path: Path) -> None:
    path = save({"a": still(STARTS)}, tmp_path / "one.pkl")
    found = both(path, fail_at=0)
    assert [e.label for e in found.shared] == ["still"]
    assert comparison_to_dict(found)["models"][0]["mean"] == {}


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    path = save({"a": still(STARTS)}, tmp_path / "one.pkl")
    with pytest.raises(PointtrackError, match="could be evaluated with weak"):
        compare([Contender(Recorder(fail_at=0), "weak")], path)


def test_no_shared_video_is_an_error(tmp_path: Path) -> None:
    path = save({"a": still(STARTS), "b": still(STARTS)}, tmp_path / "two.pkl")
    pair = [Contender(Recorder(fail_at=0), "one"), Contender(Recorder(fail_at=1), "two")]
    with pytest.raises(PointtrackError, match="with all of one, two"):
        compare(pair, path)


def test_table_files_and_plots(data: Path, tmp_path: Path) -> None:
    found = both(data)
    text = text_of(comparison_table(found))
    assert "mini, 3 videos" in text
    assert "-80.0 (-80.0 to -80.0)" in text
    written = save_comparison(found, tmp_path / "new" / "folder")
    assert [p.name for p in written] == [
        "results.json",
        "results.csv",
        "accuracy_over_threshold.png",
        "accuracy_over_time.png",
        "accuracy_over_occlusion.png",
        "reliability.png",
        "speed_accuracy.png",
    ]
    assert all(p.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for p in written[2:])
    content = json.loads(written[0].read_text())
    assert content["best"] == "still"
    assert content["shared_mean"]["drifting"]["average_jaccard"] == pytest.approx(0.2)
    with written[1].open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["label"], row["video"]) for row in rows[:4]] == [
        ("drifting", "a"),
        ("drifting", "b"),
        ("drifting", "c"),
        ("still", "a"),
    ]
    assert float(rows[3]["average_jaccard"]) == 1


# -- one model's report --------------------------------------------------------------------


def uneven(tmp_path: Path) -> Evaluation:
    """Two videos; in the second no frame after the query is visible."""
    late = still(STARTS)
    late["occluded"][:, 1:] = True
    shifted = moved(still(STARTS), (3, 0))
    return evaluate("static", save({"x [red]": shifted, "y": late}, tmp_path / "mini.pkl"))


def test_what_cannot_be_counted_is_left_out_and_said(tmp_path: Path) -> None:
    found = uneven(tmp_path)
    assert found.mean["average_pts_within_thresh"] == pytest.approx(0.6)
    assert found.mean["average_jaccard"] == pytest.approx(0.3)  # shown though hidden: 0, not NaN
    assert any("δ avg leaves out 1 of 2 videos" in line for line in remarks(found))


def test_json_has_no_nan_and_keeps_the_protocol(tmp_path: Path) -> None:
    content = json.loads(dump(to_dict(uneven(tmp_path))))
    assert content["videos"][1]["metrics"]["pts_within_1"] is None
    assert content["videos_without"]["pts_within_1"] == 1
    assert "raster (256)" in content["protocol"]["description"]
    assert content["breakdown"]["frames_since_query"]["upper"][-1] is None
    assert content["counts"]["queries"] == 4


def test_csv_leaves_a_field_empty_where_nothing_can_be_counted(tmp_path: Path) -> None:
    write_csv([uneven(tmp_path)], tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open() as file:
        first, second = csv.DictReader(file)
    assert first["video"] == "x [red]"
    assert float(first["pts_within_4"]) == 1
    assert second["pts_within_4"] == ""


def test_table_shows_percent_with_the_interval_of_the_mean(tmp_path: Path) -> None:
    text = text_of(video_table(uneven(tmp_path)))
    assert "x [red]" in text
    assert "60.0" in text
    assert "0.0–60.0" in text
    assert "queries first" in text


def test_breakdown_over_time_and_occlusion(tmp_path: Path) -> None:
    one = still(STARTS, frames=9)
    one["points"][:, 5:] += np.array([3, 0]) / 256  # 3 px off from frame 5 on
    one["occluded"][:, 3:5] = True  # a gap of two frames
    parts = evaluate("static", save({"a": one}, tmp_path / "mini.pkl")).breakdown
    assert parts.time["frames"].tolist()[:4] == [2, 2, 6, 2]  # 1; 2, (3); (4), 5-7; 8
    assert parts.time["average_pts_within_thresh"][:4] == pytest.approx([1, 1, 0.6, 0.6])
    assert parts.occlusion["frames"].tolist()[:3] == [4, 0, 8]
    assert parts.occlusion["average_pts_within_thresh"][[0, 2]] == pytest.approx([1, 0.6])
    assert parts.threshold[-1] == 1
    assert parts.threshold[0] == pytest.approx(4 / 12)
