"""`pointtrack pseudo-label`: folders of labels, what it says of failures, and wrong input."""

from __future__ import annotations

import json
from pathlib import Path

from cli_runs import Run, video

SMALL = (
    "--points", "16", "--frames", "8", "--step", "1", "--size", "64x48", "--store", "png", "--quiet"
)  # fmt: skip


def test_a_folder_is_labelled_and_a_broken_video_reported(run: Run, tmp_path: Path) -> None:
    stock, out = tmp_path / "stock", tmp_path / "labels"
    stock.mkdir()
    video(stock / "good.mp4")
    (stock / "bad.mp4").write_bytes(b"no video")
    command = ("pseudo-label", stock, "--out", out, "--teacher", "klt,window=15", *SMALL)
    first = run(*command)
    assert first.status == 1
    assert "1 clips labelled" in first.out
    assert "1 failed" in first.out
    assert "bad" in first.err
    assert len(list(out.glob("good-*/tracks.npz"))) == 1
    again = run(*command, "--json")
    assert again.status == 1
    answer = json.loads(again.out)
    assert (answer["clips"], answer["written"], answer["there"]) == (2, 0, 1)
    assert [Path(one["video"]).name for one in answer["failed"]] == ["bad.mp4"]
    assert answer["rejected"] == []


def test_wrong_input_is_one_sentence(run: Run, tmp_path: Path) -> None:
    clip = video(tmp_path / "clip.mp4")
    command = ("pseudo-label", clip, "--out", tmp_path / "labels", *SMALL, "--teacher")
    for wrong, words in (
        (("ktl",), "did you mean klt"),
        (("klt,windw=3",), "windw"),
        (("klt,window=(3",), "like"),
        (("klt", "--frames", "many"), "--frames"),
        (("klt", "--store", "gif"), "mp4, png, none"),
        (("klt", "--cut", "2"), "cut"),
        (("klt", "--workers", "0"), "workers"),
    ):
        done = run(*command, *wrong)
        assert done.status in (1, 2), wrong
        assert words in done.err, (wrong, done.err)
