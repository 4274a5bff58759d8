"""The script is run against a small stand-in for Blender's module bpy."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from format_examples import NASTY_NAMES, example

from pointtrack import formats
from pointtrack.tracks import Tracks


class Markers(dict):
    def insert_frame(self, frame, co=(0.0, 0.0)):
        assert frame >= 1
        assert len(co) == 2
        self[frame] = SimpleNamespace(co=tuple(co), mute=False)
        return self[frame]


class TrackList(list):
    def new(self, name="", frame=1):
        track = SimpleNamespace(name=name, markers=Markers())
        track.markers.insert_frame(frame)  # as Blender does, in the corner
        self.append(track)
        return track


class Clips(list):
    def load(self, path):
        self.append(clip(path))
        return self[-1]


def clip(name):
    return SimpleNamespace(name=name, tracking=SimpleNamespace(tracks=TrackList()))


@pytest.fixture
def bpy(monkeypatch):
    module = ModuleType("bpy")
    module.data = SimpleNamespace(movieclips=Clips([clip("first")]))
    module.context = SimpleNamespace(space_data=None)
    monkeypatch.setitem(sys.modules, "bpy", module)
    monkeypatch.setattr(sys, "argv", ["blender"])
    return module


def run(tracks, tmp_path):
    path = tmp_path / "a.blender.py"
    formats.write(tracks, path)
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), {"__name__": "__main__"})


def markers_of(track):
    return [(f, *np.round(m.co, 6).tolist(), m.mute) for f, m in sorted(track.markers.items())]


def test_markers_count_from_the_bottom_left_corner_and_frame_1(bpy, tmp_path):
    xy = np.array([[[0, 0], [99, 49], [49.5, 24.5]]])
    run(Tracks(xy, np.array([[1, 0, 1]]), size=(100, 50)), tmp_path)
    (track,) = bpy.data.movieclips[0].tracking.tracks
    assert markers_of(track) == [
        (1, 0.005, 0.99, False),
        (2, 0.995, 0.01, True),
        (3, 0.5, 0.5, False),
        (4, 0.5, 0.5, True),
    ]


def test_gaps_are_bounded_by_muted_markers(bpy, tmp_path):
    nan = np.nan
    x = [nan, 0, nan, nan, nan, 4, 5, nan]
    xy = np.array([[[value, 0 * value] for value in x]])
    run(Tracks(xy, np.ones((1, 8)), size=(10, 10), start=2), tmp_path)
    (track,) = bpy.data.movieclips[0].tracking.tracks
    assert markers_of(track) == [
        (3, 0.05, 0.95, True),
        (4, 0.05, 0.95, False),
        (5, 0.05, 0.95, True),
        (7, 0.45, 0.95, True),
        (8, 0.45, 0.95, False),
        (9, 0.55, 0.95, False),
        (10, 0.55, 0.95, True),
    ]


def test_every_name_arrives(bpy, tmp_path):
    n = len(NASTY_NAMES)
    tracks = Tracks(np.zeros((n, 1, 2)), np.ones((n, 1)), size=(10, 10), names=tuple(NASTY_NAMES))
    run(tracks, tmp_path)
    assert [t.name for t in bpy.data.movieclips[0].tracking.tracks] == NASTY_NAMES


def test_points_without_positions_are_left_out(bpy, tmp_path):
    xy = example().xy.copy()
    xy[1] = np.nan
    run(Tracks(xy, example().visible, size=(100, 50), names=("a", "b", "c")), tmp_path)
    assert [t.name for t in bpy.data.movieclips[0].tracking.tracks] == ["a", "c"]


def test_the_video_may_be_named_on_blenders_command_line(bpy, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["blender", "--python", "a.py", "--", "video.mp4"])
    run(example(), tmp_path)
    first, second = bpy.data.movieclips
    assert second.name == "video.mp4"
    assert (len(first.tracking.tracks), len(second.tracking.tracks)) == (0, 3)


def test_the_open_clip_is_preferred(bpy, tmp_path):
    bpy.context.space_data = SimpleNamespace(clip=clip("open"))
    run(example(), tmp_path)
    assert len(bpy.context.space_data.clip.tracking.tracks) == 3


def test_without_a_video_the_script_says_what_to_do(bpy, tmp_path):
    bpy.data.movieclips.clear()
    with pytest.raises(RuntimeError, match="open the video"):
        run(example(), tmp_path)
