from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointtrack.datasets import Clip, Dataset, Entry
from pointtrack.errors import PointtrackError
from pointtrack.synthesis import generate, preset
from pointtrack.synthesis.storage import write_clip
from pointtrack.training.clips import (
    ClipConfig,
    DatasetSource,
    GeneratedClips,
    ProceduralSource,
    choose_frames,
    take_frames,
)
from pointtrack.training.sample import Rejected
from pointtrack.video import Video
from pointtrack.video.pictures import ArraySource

SMALL = preset("easy", frames=4, size=(32, 24), points=16)


class CountedFrames(ArraySource):
    """Frames that say which of them were asked for; frame t has colour t."""

    def __init__(self, count: int):
        colours = np.arange(count, dtype=np.uint8)[:, None, None, None]
        super().__init__(np.broadcast_to(colours, (count, 24, 32, 3)).copy(), None)
        self.asked: list[int] = []

    def frame(self, index: int) -> np.ndarray:
        self.asked.append(index)
        return super().frame(index)


def numbered_clip(count: int, points: int = 3) -> tuple[Clip, CountedFrames]:
    """Point n of frame t is at (t / 10, n)."""
    source = CountedFrames(count)
    xy = np.zeros((points, count, 2))
    xy[..., 0] = np.arange(count) / 10
    xy[..., 1] = np.arange(points)[:, None]
    return Clip("numbered", Video(source), xy, np.ones((points, count), bool)), source


@dataclass
class Numbered(Dataset):
    lengths: list[int]
    name: str = "numbered"
    made: list[CountedFrames] = field(default_factory=list)

    def count(self) -> int:
        return len(self.lengths)

    def entries(self) -> Iterator[Entry]:
        return (Entry(f"clip {n}", lambda n=n: self._load(n)) for n in self.lengths)

    def _load(self, length: int) -> Clip:
        clip, source = numbered_clip(length)
        self.made.append(source)
        return clip


@given(
    total=st.integers(1, 60),
    frames=st.integers(1, 20),
    low=st.integers(1, 4),
    more=st.integers(0, 3),
    reverse=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 99),
)
@settings(max_examples=300, deadline=None)
def test_frames_are_in_the_clip_and_evenly_spaced(
    total: int, frames: int, low: int, more: int, reverse: float, seed: int
) -> None:
    config = ClipConfig(frames, (low, low + more), reverse, shortest=3)
    chosen = choose_frames(total, config, np.random.default_rng(seed))
    if chosen is None:
        assert total < min(3, frames)
        return
    assert len(chosen) == frames
    assert chosen.min() >= 0
    assert chosen.max() < total
    steps = np.abs(np.diff(chosen))
    if (frames - 1) * low < total:
        assert len(set(steps)) <= 1
        assert all(low <= step <= low + more for step in steps)
        signs = np.sign(np.diff(chosen))
        assert (signs == (-1 if reverse == 1 else 1)).all() or reverse == 0.5
    else:
        assert (steps <= low + more).all()


def test_too_short_a_clip_goes_back_and_forth() -> None:
    chosen = choose_frames(4, ClipConfig(13, shortest=4), np.random.default_rng(0))
    assert chosen is not None
    assert (np.abs(np.diff(chosen)) == 1).all()
    assert set(chosen) == {0, 1, 2, 3}
    assert (
        choose_frames(4, ClipConfig(13, loop=False, shortest=4), np.random.default_rng(0)) is None
    )
    assert choose_frames(4, ClipConfig(13, shortest=5), np.random.default_rng(0)) is None


def test_every_start_and_step_is_drawn() -> None:
    config = ClipConfig(4, (1, 3))
    drawn = [choose_frames(10, config, np.random.default_rng(seed)) for seed in range(300)]
    pairs = {(int(frames[0]), int(frames[1] - frames[0])) for frames in drawn if frames is not None}
    assert pairs == {(s, k) for k in (1, 2, 3) for s in range(10 - 3 * k)}


@pytest.mark.parametrize("frames", [[2, 4, 6], [9, 8, 7], [0, 1, 2, 1, 0], [5], [3, 3, 3]])
def test_pixels_and_tracks_are_of_the_same_frames(frames: list[int]) -> None:
    clip, source = numbered_clip(12)
    take = take_frames(clip, np.array(frames))
    assert take.video[:, 0, 0, 0].tolist() == frames
    assert np.allclose(take.xy[..., 0] * 10, frames)
    assert take.video.flags.c_contiguous
    assert sorted(source.asked) == sorted(set(frames))  # and no other frame was decoded


def test_tracks_never_seen_are_left_out_and_outside_is_not_visible() -> None:
    clip, _ = numbered_clip(6, points=4)
    xy, visible = clip.xy.copy(), clip.visible.copy()
    visible[1, :3] = False
    xy[2, 1] = (-2, 0)  # outside, though the annotation calls it visible
    xy[3, 1] = np.nan
    visible[3, 1] = False
    take = take_frames(Clip("x", clip.video, xy, visible), np.array([0, 1, 2]))
    assert take.xy[:, 0, 1].tolist() == [0, 2, 3]
    assert take.visible.tolist() == [[True] * 3, [True, False, True], [True, False, True]]
    assert take.valid.tolist() == [[True] * 3, [True] * 3, [True, False, True]]


def test_a_data_set_gives_stretches_of_its_clips() -> None:
    dataset = Numbered([30, 12])
    source = DatasetSource(dataset, ClipConfig(5, (1, 2)))
    assert source.count() == 2
    assert source.name == "numbered"
    take = source.draw(0, np.random.default_rng(0))
    assert take.video.shape == (5, 24, 32, 3)
    assert len(dataset.made[0].asked) == 5
    with pytest.raises(Rejected, match="too short"):
        DatasetSource(Numbered([6]), ClipConfig(9)).draw(0, np.random.default_rng(0))
    with pytest.raises(PointtrackError, match="without a clip"):
        DatasetSource([])


def test_an_order_has_every_clip_once() -> None:
    source = DatasetSource(Numbered([9] * 20))
    orders = [source.order(np.random.default_rng(seed)).tolist() for seed in (0, 1)]
    assert sorted(orders[0]) == list(range(20))
    assert orders[0] != orders[1]
    with pytest.raises(PointtrackError, match="no end"):
        ProceduralSource(SMALL).order(np.random.default_rng(0))


def test_a_folder_of_generated_clips_goes_to_other_processes(tmp_path: Path) -> None:
    made = generate(5, SMALL)
    write_clip(tmp_path / "clip_000000", made)
    (tmp_path / ".clip_000001.part").mkdir()  # left by a run that was killed
    source = DatasetSource(GeneratedClips(tmp_path), ClipConfig(3, shortest=3))
    assert source.count() == 1
    there = pickle.loads(pickle.dumps(source))
    takes = [s.draw(0, np.random.default_rng(1)) for s in (source, there)]
    assert np.array_equal(takes[0].video, takes[1].video)
    assert any(np.array_equal(takes[0].video, made.video[i : i + 3]) for i in (0, 1))
    with pytest.raises(PointtrackError, match="holds no generated clip"):
        GeneratedClips(tmp_path / "clip_000000")


def test_the_generator_gives_a_clip_for_every_number() -> None:
    source = pickle.loads(pickle.dumps(ProceduralSource(SMALL)))
    assert source.count() is None
    take, made = source.draw(7, np.random.default_rng(0)), generate(7, SMALL)
    assert np.array_equal(take.video, made.video)
    assert np.array_equal(take.xy, made.xy, equal_nan=True)
    assert not np.array_equal(source.draw(8, np.random.default_rng(0)).video, made.video)


def test_time_turns_for_pixels_and_tracks_alike() -> None:
    take = ProceduralSource(SMALL, reverse=1).draw(7, np.random.default_rng(0))
    made = generate(7, SMALL)
    assert np.array_equal(take.video, made.video[::-1])
    assert np.array_equal(take.visible, made.visible[:, ::-1])
    assert np.array_equal(take.valid, made.valid[:, ::-1])
    assert np.array_equal(take.xy, made.xy[:, ::-1], equal_nan=True)


def test_a_video_is_closed_after_a_stretch_of_it() -> None:
    closed = []
    clip, source = numbered_clip(12)
    source.close = lambda: closed.append(True)  # type: ignore[method-assign]
    DatasetSource([Entry("one", lambda: clip)], ClipConfig(4)).draw(0, np.random.default_rng(0))
    assert closed


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"stride": (0, 1)}, {"stride": (3, 2)}, {"reverse": 1.1}]
)
def test_settings_out_of_range_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(PointtrackError, match=next(iter(wrong))):
        ClipConfig(**wrong)  # type: ignore[arg-type]
