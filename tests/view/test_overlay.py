from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from pointtrack.errors import PointtrackError, VideoError
from pointtrack.queries import Queries
from pointtrack.tracks import Tracks
from pointtrack.video import Video, open_video, video_writer
from pointtrack.view import Style, draw, draw_frame, overlay_frames, point_colours

SIZE = (320, 240)
PLAIN = Style(desaturate=0, darken=0, trail=0)
GREY = 128


def grey_frame(size=SIZE):
    return np.full((size[1], size[0], 3), GREY, np.uint8)


def make(xy, visible=True, confidence=None, size=SIZE, **fields) -> Tracks:
    xy = np.asarray(xy, np.float32)
    shown = np.broadcast_to(visible, xy.shape[:2]).copy()
    if confidence is not None:
        confidence = np.broadcast_to(confidence, xy.shape[:2])
    return Tracks(xy, shown, confidence, size=size, **fields)


def still(x, y, **fields) -> Tracks:
    return make([[[x, y]]], **fields)


def away(picture, background=GREY):
    """How far each pixel is from the grey background, (H, W)."""
    return np.abs(picture.astype(int) - background).max(axis=2)


# -- markers -------------------------------------------------------------------------------


def test_a_visible_point_paints_its_colour_at_its_pixel_and_a_dark_rim_around():
    tracks = still(100, 60)
    picture = draw_frame(grey_frame(), tracks, 0, replace(PLAIN, size=3))
    colour = point_colours(tracks, "position")[0, 0]
    np.testing.assert_allclose(picture[60, 100], colour, atol=2)
    along = picture[60, 100:130].max(axis=1)
    rim = along.argmin()
    assert along[rim] < 70
    assert along[0] > 200
    assert 2 <= rim <= 8


def test_an_occluded_point_is_a_hollow_ring():
    tracks = still(100, 60, visible=False)
    picture = draw_frame(grey_frame(), tracks, 0, replace(PLAIN, size=4))
    colour = point_colours(tracks, "position")[0, 0].astype(int)
    assert away(picture)[60, 100] < 25  # only a little shadow
    assert np.abs(picture[60, 100:120] - colour).max(axis=1).min() < 25


def test_a_ring_hides_the_trail_below_it():
    xy = np.stack([np.linspace(40, 100, 7), np.full(7, 60)], axis=1)[None]
    tracks = make(xy, visible=np.array([True] * 6 + [False]))
    picture = draw_frame(grey_frame(), tracks, 6, replace(PLAIN, size=4, trail=20))
    assert away(picture)[60, 100] < 30
    assert away(picture)[60, 70] > 60


def test_occluded_points_can_be_left_out():
    tracks = still(100, 60, visible=False)
    picture = draw_frame(grey_frame(), tracks, 0, replace(PLAIN, occluded=False))
    assert (picture == GREY).all()


def test_nan_draws_nothing():
    picture = draw_frame(grey_frame(), still(np.nan, np.nan), 0, PLAIN)
    assert (picture == GREY).all()


def test_positions_far_outside_draw_nothing_and_do_no_harm():
    xy = [[[-50, -50]], [[1e9, -1e9]], [[5000, 20]]]
    picture = draw_frame(grey_frame(), make(xy), 0, PLAIN)
    assert (picture == GREY).all()


@pytest.mark.parametrize("size", [(128, 96), SIZE, (1280, 720)])
@pytest.mark.parametrize("visible", [True, False])
def test_a_marker_on_a_pixel_centre_is_symmetric(size, visible):
    x, y = size[0] // 2, size[1] // 2
    tracks = still(x, y, visible=visible, size=size)
    ink = away(draw_frame(grey_frame(size), tracks, 0, PLAIN))
    reach = 20
    part = ink[y - reach : y + reach + 1, x - reach : x + reach + 1]
    assert part.max() > 60
    assert np.abs(part - part[::-1]).mean() < 1
    assert np.abs(part - part[:, ::-1]).mean() < 1
    assert np.abs(part - part.T).mean() < 1


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.5, 0.8])
def test_a_marker_is_drawn_at_its_sub_pixel_position(shift):
    picture = draw_frame(grey_frame(), still(100 + shift, 60 - shift), 0, PLAIN)
    ink = away(picture).astype(float)
    y, x = np.indices(ink.shape)
    assert (ink * x).sum() / ink.sum() == pytest.approx(100 + shift, abs=0.06)
    assert (ink * y).sum() / ink.sum() == pytest.approx(60 - shift, abs=0.06)


def test_scaling_keeps_the_point_on_its_pixel():
    frame = grey_frame((64, 48))
    picture = draw_frame(frame, still(10, 20, size=(64, 48)), 0, replace(PLAIN, scale=4))
    assert picture.shape == (192, 256, 3)
    ink = away(picture).astype(float)
    y, x = np.indices(ink.shape)
    # The centre of pixel 10 is 10.5 pixels from the left edge, at every size.
    assert (ink * x).sum() / ink.sum() == pytest.approx(10.5 * 4 - 0.5, abs=0.06)
    assert (ink * y).sum() / ink.sum() == pytest.approx(20.5 * 4 - 0.5, abs=0.06)


def test_markers_grow_with_the_picture():
    def share(size):
        tracks = still(size[0] // 2, size[1] // 2, size=size)
        return (away(draw_frame(grey_frame(size), tracks, 0, PLAIN)) > 40).sum() / np.prod(size)

    assert share((3200, 2400)) == pytest.approx(share((800, 600)), rel=0.2)


def test_crowded_points_are_smaller():
    xy = np.stack(np.meshgrid(np.arange(5, 320, 10), np.arange(5, 240, 10)), -1).reshape(-1, 1, 2)
    crowd = away(draw_frame(grey_frame(), make(xy), 0, PLAIN)) > 40
    alone = away(draw_frame(grey_frame(), still(160, 120), 0, replace(PLAIN))) > 40
    assert crowd.sum() / len(xy) <= alone.sum()
    assert crowd.mean() < 0.6


def test_an_unsure_point_is_smaller_unless_switched_off():
    def painted(confidence, style=PLAIN):
        tracks, style = still(100, 60, confidence=confidence), replace(style, size=3)
        return (away(draw_frame(grey_frame(), tracks, 0, style)) > 40).sum()

    assert painted(0.1) < painted(0.6) < painted(1.0)
    plain = replace(PLAIN, confidence=False)
    assert painted(0.1, plain) == painted(1.0, plain)


# -- trails --------------------------------------------------------------------------------


def walk(frames=40, **fields) -> Tracks:
    xy = np.stack([20 + 6.0 * np.arange(frames), np.full(frames, 120.0)], axis=1)[None]
    return make(xy, **fields)


def test_a_trail_fades_with_age_and_ends():
    picture = draw_frame(grey_frame(), walk(), 39, replace(PLAIN, trail=20))
    ink = away(picture)
    near, middle, far = (ink[115:126, 20 + 6 * t].max() for t in (36, 29, 22))
    assert near > middle > far > 4
    assert ink[115:126, : 20 + 6 * 18].max() == 0


def test_a_trail_without_end_reaches_the_first_frame():
    picture = draw_frame(grey_frame(), walk(), 39, replace(PLAIN, trail=None))
    ink = away(picture)[115:126]
    assert ink[:, 22].max() > 15
    assert ink[:, 20 + 6 * 36].max() > ink[:, 22].max()


def test_a_trail_shows_the_past_only():
    picture = draw_frame(grey_frame(), walk(), 10, replace(PLAIN, trail=20))
    assert away(picture)[:, 100:].max() == 0


def test_a_trail_breaks_at_a_gap():
    xy = walk().xy.copy()
    xy[:, 30:33] = np.nan
    picture = draw_frame(grey_frame(), make(xy), 39, replace(PLAIN, trail=20))
    ink = away(picture)[115:126]
    assert ink[:, 20 + 6 * 30 : 20 + 6 * 32].max() == 0
    assert ink[:, 20 + 6 * 27].max() > 5
    assert ink[:, 20 + 6 * 35].max() > 15


def test_the_hidden_part_of_a_trail_is_fainter():
    visible = np.ones((1, 40), bool)
    visible[0, 30:36] = False
    shown = away(draw_frame(grey_frame(), walk(), 39, replace(PLAIN, trail=20)))
    faint = away(draw_frame(grey_frame(), walk(visible=visible), 39, replace(PLAIN, trail=20)))
    place = (slice(115, 126), 20 + 6 * 33)
    assert 0 < faint[place].max() < 0.6 * shown[place].max()


def test_a_trail_outlives_a_point_that_was_lost():
    xy = walk().xy.copy()
    xy[:, 35:] = np.nan
    picture = draw_frame(grey_frame(), make(xy), 39, replace(PLAIN, trail=20))
    assert away(picture)[115:126, 20 + 6 * 33].max() > 10


# -- colours and background ----------------------------------------------------------------


def test_colours_by_position_come_from_the_queries():
    xy = np.tile(np.array([[[10, 10]], [[300, 200]]], np.float32), (1, 3, 1))
    asked = Queries([[1, 300, 200], [0, 10, 10]])
    swapped = point_colours(make(xy, queries=asked), "position")
    plain = point_colours(make(xy), "position")
    assert swapped.shape == (2, 3, 3)
    assert (swapped[::-1] == plain).all()


def test_colours_by_confidence_change_along_the_track():
    colours = point_colours(walk(confidence=np.linspace(0, 1, 40)), "confidence")
    assert (colours[0, 0] != colours[0, -1]).any()
    assert (
        point_colours(walk(), "identity")[0, 0] == point_colours(walk(), "identity")[0, -1]
    ).all()


@pytest.mark.parametrize("colour", ["position", "identity", "confidence"])
def test_each_colouring_is_what_is_painted(colour):
    tracks = walk(confidence=0.7)
    style = replace(PLAIN, size=3, colour=colour, trail=10)
    picture = draw_frame(grey_frame(), tracks, 20, style)
    np.testing.assert_allclose(picture[120, 140], point_colours(tracks, colour)[0, 20], atol=2)


def test_the_background_loses_colour_and_light():
    frame = np.zeros((240, 320, 3), np.uint8)
    frame[...] = (200, 100, 40)
    tracks = still(np.nan, np.nan)
    same = draw_frame(frame, tracks, 0, PLAIN)
    assert (same == frame).all()
    assert same is not frame
    grey = draw_frame(frame, tracks, 0, replace(PLAIN, desaturate=1))
    assert np.ptp(grey[0, 0]) == 0
    dark = draw_frame(frame, tracks, 0, replace(PLAIN, darken=0.5))
    np.testing.assert_allclose(dark[0, 0], frame[0, 0] / 2, atol=1)


def test_the_frame_given_is_not_changed():
    frame = grey_frame()
    draw_frame(frame, still(100, 60), 0, Style(caption=True))
    assert (frame == GREY).all()


def test_the_caption_is_in_the_lower_left_corner():
    ink = away(draw_frame(grey_frame(), still(np.nan, np.nan), 0, replace(PLAIN, caption=True)))
    assert ink[-15:, :15].max() > 60
    assert ink[: SIZE[1] // 2].max() == 0
    assert ink[:, SIZE[0] // 2 :].max() == 0


# -- time and size -------------------------------------------------------------------------


def test_tracks_that_start_late_are_drawn_at_their_own_frames():
    tracks = make([[[50, 50], [100, 60]]], start=7)
    assert away(draw_frame(grey_frame(), tracks, 8, PLAIN))[60, 100] > 60
    for outside in (6, 9):
        assert (draw_frame(grey_frame(), tracks, outside, PLAIN) == GREY).all()


def test_no_tracks_at_all():
    tracks = make(np.zeros((0, 3, 2)))
    assert (draw_frame(grey_frame(), tracks, 1, PLAIN) == GREY).all()


def test_a_frame_of_another_size_is_an_error():
    with pytest.raises(PointtrackError, match=r"320x240.*100x80"):
        draw_frame(grey_frame((100, 80)), still(10, 10), 0)
    draw_frame(grey_frame((100, 80)), still(10, 10, size=(0, 0)), 0)  # size not known


def test_a_frame_must_be_rgb_bytes():
    with pytest.raises(PointtrackError, match="float"):
        draw_frame(grey_frame() / 2.0, still(10, 10), 0)


# -- videos --------------------------------------------------------------------------------


def moving_video(frames=6, size=(64, 48)):
    noise = np.random.default_rng(0).integers(60, 200, (frames, *size[::-1], 3))
    return noise.astype(np.uint8)


def test_the_video_written_has_the_frames_rate_and_size_of_the_original(tmp_path):
    video = open_video(moving_video(), fps=Fraction(30000, 1001))
    tracks = make(np.full((3, 6, 2), 20), size=(64, 48))
    seen = []
    draw(video, tracks, tmp_path / "o.mp4", progress=lambda done, total: seen.append((done, total)))
    written = open_video(tmp_path / "o.mp4")
    assert (len(written), written.size) == (6, (64, 48))
    assert float(written.fps) == pytest.approx(30000 / 1001, rel=1e-3)
    assert seen == [(i, 6) for i in range(1, 7)]


def test_the_video_written_shows_the_tracks(tmp_path):
    frames = np.full((4, 120, 160, 3), GREY, np.uint8)
    xy = np.array([[[30, 60], [60, 60], [90, 60], [120, 60]]])
    draw(frames, make(xy, size=(160, 120)), tmp_path / "o.mp4", style=replace(PLAIN, size=3), crf=5)
    for t, picture in enumerate(open_video(tmp_path / "o.mp4")):
        assert away(picture)[60, 30 + 30 * t] > 60
        assert away(picture)[60, 30 + 30 * ((t + 2) % 4)] < 15


def test_a_scaled_video(tmp_path):
    tracks = make(np.full((1, 6, 2), 20), size=(64, 48))
    draw(moving_video(), tracks, tmp_path / "o.mp4", style=Style(scale=2))
    assert open_video(tmp_path / "o.mp4").size == (128, 96)


def test_uneven_frame_times_are_kept(tmp_path):
    times = [0.0, 0.04, 0.2, 0.24, 0.5, 0.7]
    with video_writer(tmp_path / "vfr.mp4", 25) as writer:
        for frame, time in zip(moving_video(), times, strict=True):
            writer.write(frame, time)
    video = open_video(tmp_path / "vfr.mp4")
    draw(video, make(np.full((1, 6, 2), 20), size=(64, 48)), tmp_path / "o.mp4")
    np.testing.assert_allclose(open_video(tmp_path / "o.mp4").times, times, atol=2e-3)


def test_overlay_frames_come_one_by_one():
    tracks = make(np.full((1, 6, 2), 20), size=(64, 48))
    frames = overlay_frames(moving_video(), tracks)
    assert next(frames).shape == (48, 64, 3)
    assert len(list(frames)) == 5


def test_tracks_of_another_video_are_an_error_and_leave_no_file(tmp_path):
    tracks = make(np.full((1, 6, 2), 20), size=(63, 48))
    with pytest.raises(PointtrackError, match=r"63x48.*64x48"):
        draw(moving_video(), tracks, tmp_path / "o.mp4")
    late = make(np.full((1, 6, 2), 20), size=(64, 48), start=3)
    with pytest.raises(PointtrackError, match=r"frame 8.*0 to 5"):
        draw(moving_video(), late, tmp_path / "o.mp4")
    assert list(tmp_path.iterdir()) == []


class Breaking:
    """A source whose third frame cannot be read."""

    name, size, fps = "breaking", (64, 48), Fraction(25)
    times = np.arange(6) / 25

    def frames(self, wanted: range) -> Iterator[np.ndarray]:
        for t in wanted:
            yield self.frame(t)

    def frame(self, index: int) -> np.ndarray:
        if index == 2:
            raise VideoError("breaking: frame 2 cannot be decoded")
        return np.zeros((48, 64, 3), np.uint8)

    def close(self) -> None:
        pass


def test_a_failure_midway_leaves_the_earlier_file(tmp_path):
    target = tmp_path / "o.mp4"
    target.write_bytes(b"earlier")
    tracks = make(np.full((1, 6, 2), 20), size=(64, 48))
    with pytest.raises(VideoError, match="frame 2"):
        draw(Video(Breaking()), tracks, target)
    assert target.read_bytes() == b"earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["o.mp4"]


# -- style ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("colour", "rainbow"),
        ("trail", -1),
        ("trail", 2.5),
        ("trail", True),
        ("size", 0),
        ("size", float("nan")),
        ("size", "big"),
        ("desaturate", 1.5),
        ("darken", -0.1),
        ("scale", 0),
        ("caption", "yes"),
        ("occluded", 1),
    ],
)
def test_a_wrong_option_is_named(option, value):
    with pytest.raises(PointtrackError, match=option):
        Style(**{option: value})
