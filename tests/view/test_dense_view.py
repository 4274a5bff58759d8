"""Dense tracks drawn: a grid that bends, the flow's colours, paint that sticks."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import pointtrack as pt
from pointtrack.dense import DenseTracks
from pointtrack.errors import PointtrackError
from pointtrack.view import dense_frames, dense_sheet, draw_dense
from pointtrack.view.dense import read_paint
from pointtrack.view.dense_painters import FlowPainter, GridPainter, PatchPainter

WIDTH, HEIGHT, FRAMES = 60, 40, 4
GREY = np.full((FRAMES, HEIGHT, WIDTH, 3), 100, np.uint8)
RED = np.full((1, 1, 3), [255, 0, 0], np.uint8)


def moved(velocity: tuple[float, float] = (4, 2), frame: int = 0) -> DenseTracks:
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    here = np.stack([x, y], axis=-1)
    time = (np.arange(FRAMES) - frame)[:, None, None, None]
    xy = (here + time * np.array(velocity)).astype(np.float32)
    visible = np.ones(xy.shape[:3], bool)
    return DenseTracks(xy, visible, visible.astype(np.float16), frame, Fraction(25))


def changed(picture: NDArray[np.uint8], background: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.abs(picture.astype(int) - background.astype(int)).max(axis=-1) > 40


# --- paint ---------------------------------------------------------------------------------------


def test_paint_sticks_to_its_pixels() -> None:
    painter = PatchPainter(moved(), (10, 8, 20, 16), RED)
    for t in (0, 2):
        red = changed(painter.paint(GREY[t], t), GREY[t])
        rows, columns = np.nonzero(red)
        x, y = 10 + 4 * t, 8 + 2 * t
        assert (columns.min(), columns.max()) == (x, x + 9)
        assert (rows.min(), rows.max()) == (y, y + 7)
        assert red.sum() == 80


def test_paint_leaves_out_what_is_hidden_unknown_or_outside() -> None:
    dense = moved((30, 0))
    dense.visible[1, :, :15] = False
    dense.xy[1, :, 19] = np.nan
    painter = PatchPainter(dense, (10, 8, 20, 16), RED)
    columns = np.nonzero(changed(painter.paint(GREY[1], 1), GREY[1]))[1]
    assert (columns.min(), columns.max()) == (45, 48)
    assert not changed(painter.paint(GREY[2], 2), GREY[2]).any()


def test_paint_may_be_transparent() -> None:
    paint = np.zeros((1, 2, 4), np.uint8)
    paint[0, 1] = 0, 255, 0, 255  # only the right half is opaque
    picture = PatchPainter(moved(), (10, 8, 20, 16), paint).paint(GREY[0], 0)
    assert not changed(picture, GREY[0])[:, :15].any()
    assert changed(picture, GREY[0])[8:16, 15:20].all()


def test_paint_is_dense_where_pixels_are_pulled_apart() -> None:
    dense = moved((0, 0))
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    dense.xy[1] = np.stack([1.8 * x, 1.8 * y], axis=-1)
    painted = changed(PatchPainter(dense, (5, 5, 15, 15), RED).paint(GREY[1], 1), GREY[1])
    assert painted[10:25, 10:25].all()


# --- grid ----------------------------------------------------------------------------------------


def test_the_grid_moves_with_its_pixels_and_breaks_where_they_are_hidden() -> None:
    dense = moved((4, 0))
    dense.visible[:, 20:, :] = False
    painter = GridPainter(dense, cells=6)
    blank = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    first, later = (changed(painter.paint(blank, t), blank) for t in (0, 1))
    assert first[:20].any()
    assert not first[22:].any()
    upright = first[1:6].all(axis=0)  # the columns of the upright lines
    np.testing.assert_array_equal(later[1:6].all(axis=0)[4:], upright[:-4])


def test_the_grid_is_torn_where_neighbours_part() -> None:
    dense = moved((0, 0))
    dense.xy[1, :, 30:, 0] += 25
    blank = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    drawn = changed(GridPainter(dense, cells=6).paint(blank, 1), blank)
    assert not drawn[:, 32:54].any()


# --- flow ----------------------------------------------------------------------------------------


def test_flow_is_beside_the_frame_in_colours_of_its_direction() -> None:
    right = FlowPainter(moved((4, 0)), GREY[0]).paint(GREY[2], 2)
    left = FlowPainter(moved((-4, 0)), GREY[0]).paint(GREY[2], 2)
    assert right.shape == (HEIGHT, 2 * WIDTH, 3)
    np.testing.assert_array_equal(right[:, :WIDTH], GREY[2])
    assert changed(right, left)[HEIGHT // 2, WIDTH + 5]


def test_hidden_pixels_are_dark_in_the_flow() -> None:
    dense = moved()
    dense.visible[2, :, :20] = False
    picture = FlowPainter(dense, GREY[0]).paint(GREY[2], 2)[HEIGHT // 2, WIDTH:].sum(axis=-1)
    assert picture[5] < 0.5 * picture[30]


# --- videos, sheets and errors -------------------------------------------------------------------


@pytest.mark.parametrize("show", ["grid", "flow", "patch"])
def test_videos_and_sheets_are_written(show, tmp_path: Path) -> None:
    dense = moved(frame=1).window(1, 3)
    draw_dense(GREY, dense, tmp_path / "a.mp4", show=show)
    written = pt.open_video(tmp_path / "a.mp4")
    assert len(written) == 3
    assert written.size == (WIDTH * (2 if show == "flow" else 1), HEIGHT)
    dense_sheet(GREY, dense, tmp_path / "a.png", show=show, columns=2, width=200)
    sheet = cv2.imread(str(tmp_path / "a.png"))
    assert sheet is not None
    assert 190 <= sheet.shape[1] <= 200


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    dense = moved()
    with pytest.raises(PointtrackError, match="60x40, but array is 30x40"):
        dense_frames(GREY[:, :, :30], dense)
    with pytest.raises(PointtrackError, match="go on to frame 3"):
        dense_frames(GREY[:2], dense)
    with pytest.raises(PointtrackError, match="show must be one of grid, flow, patch"):
        dense_frames(GREY, dense, show="rainbow")  # type: ignore[arg-type]
    with pytest.raises(PointtrackError, match="go with show='patch'"):
        dense_frames(GREY, dense, box=(0, 0, 5, 5))
    with pytest.raises(PointtrackError, match="in the 60x40 picture"):
        dense_frames(GREY, dense, show="patch", box=(0, 0, 61, 5))
    with pytest.raises(PointtrackError, match="paint must be"):
        dense_frames(GREY, dense, show="patch", paint=np.zeros((4, 4), np.uint8))
    with pytest.raises(PointtrackError, match=r"ends in \.png or \.jpg"):
        dense_sheet(GREY, dense, tmp_path / "a.gif")
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(PointtrackError, match="not a picture"):
        read_paint(tmp_path / "no.png")


def test_paint_is_read_with_its_opacity(tmp_path: Path) -> None:
    picture = np.zeros((2, 3, 4), np.uint8)
    picture[..., 0], picture[..., 3] = 200, 50  # blue in OpenCV's order
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    np.testing.assert_array_equal(read_paint(tmp_path / "p.png")[0, 0], [0, 0, 200, 50])
    cv2.imwrite(str(tmp_path / "g.png"), picture[..., 0])
    assert read_paint(tmp_path / "g.png").shape == (2, 3, 3)
