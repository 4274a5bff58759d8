from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from pointtrack.errors import PointtrackError
from pointtrack.tracks import Tracks
from pointtrack.view import Style, contact_sheet


def numbered(frames=10, size=(80, 60)):
    """Each frame a shade of its own: 20 times its index."""
    shade = (20 * np.arange(frames)).astype(np.uint8)
    return np.broadcast_to(shade[:, None, None, None], (frames, *size[::-1], 3)).copy()


def make(frames=10, start=0, size=(80, 60)) -> Tracks:
    xy = np.full((1, frames, 2), np.nan, np.float32)
    return Tracks(xy, np.zeros((1, frames), bool), size=size, fps=Fraction(25), start=start)


BARE = Style(desaturate=0, darken=0)


def read(path):
    return cv2.imread(str(path))


def test_the_sheet_has_the_width_and_tiles_asked_for(tmp_path):
    contact_sheet(numbered(), make(), tmp_path / "s.png", columns=3, frames=7, width=640)
    picture = read(tmp_path / "s.png")
    assert 637 <= picture.shape[1] <= 640
    tile = (picture.shape[1] - 2 * 2) // 3
    assert picture.shape[0] == pytest.approx(3 * tile * 60 / 80 + 2 * 2, abs=3)
    assert (picture[-1, -1] == 255).all()  # two tiles of the last row stay empty


def test_frames_are_evenly_spaced_and_in_order(tmp_path):
    contact_sheet(
        numbered(), make(), tmp_path / "s.png", columns=4, frames=4, width=400, style=BARE
    )
    picture = read(tmp_path / "s.png")
    shades = [int(picture[10, 50 + 100 * i, 0]) for i in range(4)]
    assert shades == [0, 60, 120, 180]


def test_frames_can_be_chosen(tmp_path):
    contact_sheet(
        numbered(), make(), tmp_path / "s.png", columns=2, frames=[9, 1], width=200, style=BARE
    )
    picture = read(tmp_path / "s.png")
    assert [int(picture[10, x, 0]) for x in (50, 150)] == [180, 20]


def test_only_the_time_of_the_tracks_is_shown(tmp_path):
    contact_sheet(
        numbered(), make(4, start=5), tmp_path / "s.png", columns=9, frames=9, width=400, style=BARE
    )
    picture = read(tmp_path / "s.png")
    assert [int(picture[10, 50 + 100 * i, 0]) for i in range(4)] == [100, 120, 140, 160]


def test_frame_numbers_are_written_by_default(tmp_path):
    contact_sheet(numbered(), make(), tmp_path / "s.png", columns=1, frames=[0], width=200)
    corner = read(tmp_path / "s.png")[-20:, :20]
    assert corner.max() > 150


def test_a_jpeg_sheet(tmp_path):
    contact_sheet(numbered(), make(), tmp_path / "s.jpg", columns=2, frames=2, width=200)
    assert (tmp_path / "s.jpg").read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"columns": 0}, "column"),
        ({"frames": 0}, "frame"),
        ({"frames": []}, "frame"),
        ({"frames": [10]}, "frame 10"),
        ({"width": 20}, "width of 20"),
    ],
)
def test_wrong_numbers_are_named(tmp_path, options, words):
    with pytest.raises(PointtrackError, match=words):
        contact_sheet(numbered(), make(), tmp_path / "s.png", **options)
    assert list(tmp_path.iterdir()) == []


def test_other_suffixes_and_sizes_are_errors(tmp_path):
    with pytest.raises(PointtrackError, match=r"\.png"):
        contact_sheet(numbered(), make(), tmp_path / "s.bmp")
    with pytest.raises(PointtrackError, match="81x60"):
        contact_sheet(numbered(), make(size=(81, 60)), tmp_path / "s.png")
    with pytest.raises(PointtrackError, match="does not exist"):
        contact_sheet(numbered(), make(), tmp_path / "no" / "s.png")
