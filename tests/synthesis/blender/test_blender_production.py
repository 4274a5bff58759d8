from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from blender_clips import CONFIG

from pointtrack.errors import FormatError, PointtrackError
from pointtrack.synthesis.blender.processes import find_worker
from pointtrack.synthesis.blender.production import Job, plan, produce, read_manifest
from pointtrack.synthesis.folders import clip_seed

HERE = Path(__file__).parent
COMMAND = [sys.executable, str(HERE / "fake_worker.py")]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def mishaps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **events: list[str]) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(events))
    monkeypatch.setenv("FAKE_WORKER_PLAN", str(tmp_path / "plan.json"))


def manifest(folder: Path) -> list[dict[str, object]]:
    return list(json.loads((folder / "manifest.json").read_text())["clips"])


def test_clips_take_turns_with_presets_and_are_listed(tmp_path: Path) -> None:
    outdoor = replace(CONFIG, preset="outdoor", views=2)
    told: list[tuple[int, int]] = []
    made = produce(
        tmp_path / "set", plan(3, 7, [CONFIG, outdoor]), COMMAND,
        progress=lambda *numbers: told.append(numbers),
    )  # fmt: skip
    assert made == 3
    names = ["clip_000000", "clip_000001_view0", "clip_000001_view1", "clip_000002"]
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == [*names, "manifest.json"]
    assert [clip["seed"] for clip in manifest(tmp_path / "set")] == [
        clip_seed(7, index) for index in range(3)
    ]
    assert told[0] == (0, 16)
    assert told[-1] == (16, 16)
    assert told == sorted(told)


def test_the_number_of_workers_changes_nothing_and_clips_are_kept(tmp_path: Path) -> None:
    jobs = plan(3, 7, [CONFIG])
    assert produce(tmp_path / "one", jobs, COMMAND) == 3
    assert produce(tmp_path / "two", plan(3, 7, [CONFIG]), COMMAND, workers=3) == 3
    before = contents(tmp_path / "one")
    assert contents(tmp_path / "two") == before
    assert produce(tmp_path / "one", plan(2, 7, [CONFIG]), COMMAND) == 0
    assert contents(tmp_path / "one") == before  # the third is still listed


def test_a_manifest_makes_the_same_clips_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mishaps(monkeypatch, tmp_path, clip_000001=["reject"])
    produce(tmp_path / "set", plan(2, 7, [CONFIG]), COMMAND)
    again = read_manifest(tmp_path / "set" / "manifest.json")
    produce(tmp_path / "again", again, COMMAND)
    first, second = contents(tmp_path / "set"), contents(tmp_path / "again")
    assert first.pop("manifest.json") != second.pop("manifest.json")  # no rejected seeds
    assert first == second


def test_a_rejected_seed_is_listed_and_the_next_one_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mishaps(monkeypatch, tmp_path, clip_000000=["reject", "reject"])
    produce(tmp_path / "set", plan(1, 7, [CONFIG]), COMMAND)
    (clip,) = manifest(tmp_path / "set")
    assert clip["seed"] == clip_seed(7, 0, 2)
    assert clip["rejected"] == [
        {"seed": clip_seed(7, 0, attempt), "reasons": ["its tracks are off"]} for attempt in (0, 1)
    ]
    before = contents(tmp_path / "set")
    assert produce(tmp_path / "set", plan(1, 7, [CONFIG]), COMMAND) == 0
    assert contents(tmp_path / "set") == before


def test_a_clip_that_no_seed_makes_is_an_error_after_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mishaps(monkeypatch, tmp_path, clip_000000=["reject"] * 9)
    with pytest.raises(PointtrackError, match="clip_000000 cannot be made: its tracks are off"):
        produce(tmp_path / "set", plan(2, 7, [CONFIG]), COMMAND)
    assert [clip["name"] for clip in manifest(tmp_path / "set")] == ["clip_000001"]
    assert (tmp_path / "set" / "clip_000001").is_dir()


def test_a_crash_is_tried_again_and_two_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mishaps(monkeypatch, tmp_path, clip_000000=["crash"])
    assert produce(tmp_path / "set", plan(1, 7, [CONFIG]), COMMAND) == 1
    assert sorted(p.name for p in (tmp_path / "set").iterdir()) == ["clip_000000", "manifest.json"]
    mishaps(monkeypatch, tmp_path, clip_000000=["crash", "crash"])
    with pytest.raises(PointtrackError, match="ended with status -6 and these words: ") as told:
        produce(tmp_path / "bad", plan(1, 7, [CONFIG]), COMMAND)
    log = Path(str(told.value).rpartition(" ")[2])
    assert log.read_text().count("Blender talks") == 2


def test_what_a_user_can_put_right_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mishaps(monkeypatch, tmp_path, clip_000001=["error"])
    with pytest.raises(PointtrackError, match="clip_000001: there is no panorama in nowhere"):
        produce(tmp_path / "set", plan(2, 7, [CONFIG]), COMMAND)
    assert (tmp_path / "set" / "clip_000000").is_dir()


def test_a_killed_production_ends_its_workers_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps({"clip_000001": ["hang"]}))
    code = (
        "import sys; from test_blender_production import *; "
        "produce(sys.argv[1], plan(3, 7, [CONFIG]), COMMAND)"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "set")],
        cwd=HERE,
        env={**os.environ, "FAKE_WORKER_PLAN": str(tmp_path / "plan.json")},
    )
    while not (tmp_path / "set" / ".clip_000001.work").is_dir():
        assert running.poll() is None
        time.sleep(0.05)
    running.kill()
    running.wait()
    assert produce(tmp_path / "set", plan(3, 7, [CONFIG]), COMMAND) == 2
    produce(tmp_path / "whole", plan(3, 7, [CONFIG]), COMMAND)
    assert contents(tmp_path / "set") == contents(tmp_path / "whole")


def test_a_clip_of_which_one_view_is_there_is_completed(tmp_path: Path) -> None:
    def jobs() -> list[Job]:
        return plan(1, 7, [replace(CONFIG, views=2)])

    produce(tmp_path, jobs(), COMMAND)
    before = contents(tmp_path)
    shutil.rmtree(tmp_path / "clip_000000_view1")
    assert produce(tmp_path, jobs(), COMMAND) == 1
    assert contents(tmp_path) == before


def test_another_clip_in_a_clips_place_is_not_overwritten(tmp_path: Path) -> None:
    produce(tmp_path, plan(1, 7, [CONFIG]), COMMAND)
    before = contents(tmp_path)
    for jobs, said in (
        (plan(1, 8, [CONFIG]), "with another seed"),
        (plan(1, 7, [replace(CONFIG, samples=3)]), "with samples 16, not 3"),
    ):
        with pytest.raises(FormatError, match=said):
            produce(tmp_path, jobs, COMMAND)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not a JSON file"),
        ("[]", "does not describe generated clips"),
        ('{"clips": []}', "is not a manifest"),
        ('{"clips": [{"name": "a", "seed": 1}]}', "is not a manifest"),
        ('{"clips": [{"name": "a", "seed": 1, "config": {"frames": 0}}]}', "frames must be"),
        ('{"clips": [{"name": "../a", "seed": 1, "config": {}}]}', "no name for a folder"),
    ],
)
def test_a_broken_manifest_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(FormatError, match=r"m\.json") as problem:
        read_manifest(tmp_path / "m.json")
    assert said in str(problem.value)
    with pytest.raises(FormatError, match=r"cannot read .*none\.json"):
        read_manifest(tmp_path / "none.json")


def test_numbers_out_of_range_are_named() -> None:
    for changes, said in (
        ({"clips": 0}, "clips must be at least 1, found 0"),
        ({"seed": -1}, "seed must be at least 0, found -1"),
    ):
        with pytest.raises(PointtrackError, match=said):
            plan(**{"clips": 1, "seed": 0, "configs": [CONFIG], **changes})  # type: ignore[arg-type]
    with pytest.raises(PointtrackError, match="workers must be at least 1, found 0"):
        produce("nowhere", [Job("a", CONFIG, [1])], COMMAND, workers=0)


def test_an_interpreter_without_blender_is_named(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\necho \'["bpy", "OpenEXR"]\'\n')
    bare.chmod(0o755)
    with pytest.raises(PointtrackError) as problem:
        find_worker(str(bare))
    assert "has no bpy, OpenEXR" in str(problem.value)
    assert "Python 3.11" in str(problem.value)
    assert "pip install 'pointtrack[blender]'" in str(problem.value)
    with pytest.raises(PointtrackError, match="cannot run nowhere: no such file"):
        find_worker("nowhere")
    with pytest.raises(PointtrackError, match="is not a Python interpreter"):
        find_worker("/bin/false")


def test_the_interpreter_may_be_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = tmp_path / "python"
    good.write_text("#!/bin/sh\necho '[]'\n")
    good.chmod(0o755)
    monkeypatch.setenv("POINTTRACK_BLENDER_PYTHON", str(good))
    assert find_worker()[0] == str(good)
    with pytest.raises(PointtrackError, match="cannot run nowhere"):
        find_worker("nowhere")
