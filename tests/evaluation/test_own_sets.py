from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointtrack.errors import FormatError
from pointtrack.evaluation import own_sets
from pointtrack.evaluation.own_sets import ProceduralVal
from pointtrack.files import cache_folder


def test_procedural_val_is_made_once_and_then_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POINTTRACK_CACHE", str(tmp_path))
    data = ProceduralVal()
    entries = list(data.entries())
    assert data.count() == len(entries) == 64
    assert len({entry.name for entry in entries}) == 64
    first = entries[3].load()
    assert first.name == "thin-03"
    assert (len(first), len(first.video), first.video.size) == (256, 48, (256, 256))
    frames = sorted(tmp_path.rglob("*.png"))
    assert len(frames) == 48
    before = [path.stat().st_mtime_ns for path in frames]
    again = next(e for e in ProceduralVal().entries() if e.name == "thin-03").load()
    assert [path.stat().st_mtime_ns for path in frames] == before
    assert np.array_equal(again.xy, first.xy, equal_nan=True)
    assert np.array_equal(again.visible, first.visible)


def test_every_clip_of_procedural_val_has_a_seed_of_its_own() -> None:
    from pointtrack.synthesis.production import clip_seed

    seeds = {clip_seed(own_sets.PROCEDURAL_SEED, index) for index in range(64)}
    assert len(seeds) == 64


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    entry = next(iter(ProceduralVal(tmp_path / "file" / "set").entries()))
    with pytest.raises(FormatError, match=r"cannot keep procedural-val in .*POINTTRACK_CACHE"):
        entry.load()


def test_cache_folder_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POINTTRACK_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/pointtrack")
    monkeypatch.setenv("POINTTRACK_CACHE", "~/kept")
    assert cache_folder() == Path.home() / "kept"
