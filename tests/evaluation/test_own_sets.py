from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointtrack.errors import FormatError
from pointtrack.evaluation import own_sets
from pointtrack.evaluation.own_sets import ProceduralVal
from pointtrack.files import cache_folder
from pointtrack.synthesis import ProceduralConfig, SyntheticClip, generate


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


def test_two_evaluations_may_make_the_same_clip_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ProceduralConfig(2, (32, 24), 8)
    monkeypatch.setattr("pointtrack.synthesis.preset", lambda *_, **__: small)
    entry, other = (next(iter(ProceduralVal(tmp_path / "set").entries())) for _ in range(2))

    def slowly(*given: Any) -> SyntheticClip:
        clip = generate(*given)
        monkeypatch.undo()
        monkeypatch.setattr("pointtrack.synthesis.preset", lambda *_, **__: small)
        other.load()  # is done before the first one writes
        return clip

    monkeypatch.setattr("pointtrack.synthesis.generate", slowly)
    assert len(entry.load().video) == 2
    assert [p.name for p in (tmp_path / "set").iterdir()] == ["clip_000000"]


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


def test_blender_val_is_whole_and_fits_into_the_package() -> None:
    data = own_sets.BlenderVal()
    clips = list(data)
    assert data.count() == len(clips) == 18
    assert {clip.name for clip in clips} == {f"clip_{index:06d}" for index in range(18)}
    for clip in clips:
        assert (len(clip.video), clip.video.size) == (32, (256, 256))
        assert len(clip) > 200
        assert clip.queries is not None
        asked = clip.queries.txy[:, 0].astype(int)
        rows = np.arange(len(clip))
        assert clip.visible[rows, asked].all()
        assert np.abs(clip.xy[rows, asked] - clip.queries.txy[:, 1:]).max() < 0.01
    place = Path(own_sets.__file__).with_name("blender_val")
    assert sum(path.stat().st_size for path in place.rglob("*")) < 15e6


def test_blender_val_shows_what_its_tracks_say() -> None:
    """Patches round a point that moves look alike in neighbouring frames, elsewhere less so."""
    clip = next(iter(own_sets.BlenderVal()))
    frames = clip.video.to_numpy().astype(np.float64).mean(axis=3)
    here, there = [], []
    for t in range(0, 30, 5):
        both = clip.visible[:, t] & clip.visible[:, t + 1]
        a, b = (np.round(clip.xy[both, t + k]).astype(int) for k in (0, 1))
        inside = ((np.minimum(a, b) >= 4) & (np.maximum(a, b) < 252)).all(axis=1)
        for p, q in zip(a[inside], b[inside], strict=True):
            first, second = (
                frames[t + k, y - 3 : y + 4, x - 3 : x + 4] for k, (x, y) in enumerate((p, q))
            )
            other = np.roll(frames[t + 1], 9, axis=1)[q[1] - 3 : q[1] + 4, q[0] - 3 : q[0] + 4]
            here.append(np.abs(first - second).mean())
            there.append(np.abs(first - other).mean())
    assert np.median(here) < 0.5 * np.median(there)
