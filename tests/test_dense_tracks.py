"""`DenseTracks` and the folder they are kept in."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from pointtrack.dense import DenseTracks
from pointtrack.dense_files import DenseWriter, is_dense
from pointtrack.errors import FormatError, PointtrackError, QueryError

HEIGHT, WIDTH = 6, 9


def drifting(frames: int = 5, frame: int = 1, velocity: tuple[float, float] = (2.0, -1.0)):
    """Every pixel moves alike; those of the left column are hidden after `frame`."""
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    here = np.stack([x, y], axis=-1).astype(np.float32)
    time = (np.arange(frames) - frame)[:, None, None, None]
    xy = (here + time * np.array(velocity, np.float32)).astype(np.float32)
    visible = np.ones(xy.shape[:3], bool)
    visible[frame + 1 :, :, 0] = False
    confidence = np.where(visible, 0.75, 0.25).astype(np.float16)
    return DenseTracks(xy, visible, confidence, frame, Fraction(20))


def test_flow_is_motion_since_the_frame_that_is_followed() -> None:
    dense = drifting()
    assert (dense.size, dense.num_frames, dense.frames) == ((WIDTH, HEIGHT), 5, range(5))
    np.testing.assert_allclose(dense.flow(4), np.broadcast_to([6, -3], (HEIGHT, WIDTH, 2)))
    np.testing.assert_allclose(dense.flow(1), 0)
    with pytest.raises(PointtrackError, match="frame 5 is not within 0 to 4"):
        dense.flow(5)


def test_points_are_read_between_pixels_and_stay_queries() -> None:
    dense = drifting()
    at = np.array([[2.5, 3.25], [0.2, 1], [-0.4, 5.3], [8.5, 0]], np.float32)
    tracks = dense.points(at)
    wanted = at[:, None] + (np.arange(5) - 1)[:, None] * np.array([2, -1], np.float32)
    np.testing.assert_allclose(tracks.xy, wanted, atol=1e-5)
    assert tracks.visible[0].all()
    assert tracks.visible[1].tolist() == [True, True, False, False, False]
    np.testing.assert_allclose(tracks.confidence[1, 2], 0.25 * 0.8 + 0.75 * 0.2, atol=1e-3)
    assert tracks.queries is not None
    np.testing.assert_allclose(tracks.queries.txy[:, 0], 1)
    np.testing.assert_allclose(tracks.queries.xy, at)
    assert (tracks.size, tracks.fps) == ((WIDTH, HEIGHT), 20)


@pytest.mark.parametrize("xy", [(9, 0), (0, -0.6), (np.nan, 1)])
def test_points_outside_the_picture_are_refused(xy: tuple[float, float]) -> None:
    with pytest.raises(QueryError, match="outside the 9x6 picture"):
        drifting().points([xy])


def test_a_window_keeps_frame_numbers_and_times() -> None:
    part = drifting().window(2, 3)
    assert (part.frames, part.frame) == (range(2, 4), 1)
    np.testing.assert_allclose(part.times, [0.1, 0.15])
    np.testing.assert_allclose(part.flow(3)[0, 0], [4, -2])
    assert part.points([(4, 4)]).frames == range(2, 4)
    with pytest.raises(PointtrackError, match="window"):
        drifting().window(3, 2)


def test_shapes_that_do_not_fit_are_refused() -> None:
    dense = drifting()
    with pytest.raises(PointtrackError, match="visible must have shape"):
        DenseTracks(dense.xy, dense.visible[1:], dense.confidence)
    with pytest.raises(PointtrackError, match=r"\(T, H, W, 2\)"):
        DenseTracks(dense.xy[0], dense.visible, dense.confidence)


# --- the folder ----------------------------------------------------------------------------------


def test_what_is_saved_is_loaded_without_reading_it(tmp_path: Path) -> None:
    dense = drifting().window(1, 4)
    dense.save(tmp_path / "clip.dense")
    again = DenseTracks.load(tmp_path / "clip.dense")
    for name in ("xy", "visible", "confidence"):
        assert isinstance(getattr(again, name), np.memmap)
        np.testing.assert_array_equal(getattr(again, name), getattr(dense, name))
    assert (again.frame, again.fps, again.frames) == (1, 20, range(1, 5))
    np.testing.assert_array_equal(again.times, dense.times)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.dense"]


def test_saving_again_replaces_the_folder(tmp_path: Path) -> None:
    target = tmp_path / "clip.dense"
    drifting(3).save(target)
    drifting(7).save(target)
    assert DenseTracks.load(target).num_frames == 7
    assert len(list(tmp_path.iterdir())) == 1


def fill(writer: DenseWriter, t: int) -> None:
    flat = np.full((HEIGHT, WIDTH), t % 2 == 0)
    writer.write(t, np.full((HEIGHT, WIDTH, 2), t, np.float32), flat, flat)


def writer_to(path: Path, frames: int = 3) -> DenseWriter:
    return DenseWriter(path, (WIDTH, HEIGHT), 0, Fraction(25), np.arange(frames) / 25)


def write_some(path: Path, frames: list[int], interrupted: bool = False) -> None:
    with writer_to(path) as writer:
        for t in frames:
            fill(writer, t)
        if interrupted:
            raise KeyboardInterrupt


def test_frames_are_written_in_any_order_and_again(tmp_path: Path) -> None:
    with writer_to(tmp_path / "a.dense") as writer:
        for t in (2, 0, 1, 0):
            fill(writer, t)
    np.testing.assert_array_equal(DenseTracks.load(tmp_path / "a.dense").xy[:, 0, 0, 0], [0, 1, 2])


def test_nothing_half_written_is_left_or_taken_for_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.dense"
    drifting().save(target)
    with pytest.raises(KeyboardInterrupt):
        write_some(target, [0], interrupted=True)
    with pytest.raises(FormatError, match=r"frame 1 of .*a\.dense was never written"):
        write_some(target, [0, 2])
    assert DenseTracks.load(target).num_frames == 5
    assert [path.name for path in tmp_path.iterdir()] == ["a.dense"]


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FormatError, match=r"cannot write .*a\.dense: no space left on device"):
        drifting().save(tmp_path / "a.dense")
    assert not list(tmp_path.iterdir())


def test_a_frame_of_another_shape_or_number_is_refused(tmp_path: Path) -> None:
    flat = np.ones((HEIGHT, WIDTH), bool)
    with pytest.raises(FormatError, match="xy of a frame"), writer_to(tmp_path / "a") as writer:
        writer.write(0, np.zeros((WIDTH, HEIGHT, 2)), flat, flat)
    with pytest.raises(FormatError, match="frame 3 is not"), writer_to(tmp_path / "a") as writer:
        fill(writer, 3)


def test_other_things_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "photo.png").write_text("mine")
    for name in ("file", "folder"):
        with pytest.raises(FormatError, match="something else than dense tracks"):
            drifting().save(tmp_path / name)
    with pytest.raises(FormatError, match="does not exist"):
        drifting().save(tmp_path / "nowhere" / "a.dense")
    assert (tmp_path / "folder" / "photo.png").read_text() == "mine"


def test_damage_is_named(tmp_path: Path) -> None:
    target = tmp_path / "a.dense"
    with pytest.raises(FormatError, match="holds no dense tracks"):
        DenseTracks.load(target)
    drifting().save(target)
    assert is_dense(target)
    whole = (target / "xy.npy").read_bytes()
    (target / "xy.npy").write_bytes(whole[:-100])
    with pytest.raises(FormatError, match=r"xy\.npy is damaged"):
        DenseTracks.load(target)
    (target / "xy.npy").write_bytes(whole)
    (target / "visible.npy").unlink()
    with pytest.raises(FormatError, match=r"cannot read .*visible\.npy"):
        DenseTracks.load(target)
    header = json.loads((target / "dense.json").read_text())
    (target / "dense.json").write_text(json.dumps({**header, "version": 99}))
    with pytest.raises(FormatError, match="later version"):
        DenseTracks.load(target)
    (target / "dense.json").write_text("{")
    with pytest.raises(FormatError, match=r"dense\.json is damaged"):
        DenseTracks.load(target)
