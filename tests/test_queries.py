"""Queries: what they accept, what they refuse and how, and the recipes that make them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pointtrack import queries as q
from pointtrack.errors import QueryError
from pointtrack.queries import Queries
from pointtrack.video import Video, open_video


@pytest.fixture(scope="module")
def video() -> Video:
    """Five frames of 64 x 48: white squares on grey; the last frame is blank."""
    frames = np.full((5, 48, 64, 3), 90, np.uint8)
    frames[:4, 10:20, 12:30] = 255
    frames[:4, 30:40, 40:52] = 0
    return open_video(frames)


# -- the type ------------------------------------------------------------------------------


def test_one_row_a_point_by_default() -> None:
    queries = Queries([[0, 1.5, 2], [3, 4, 5]])  # type: ignore[arg-type]
    assert queries.txy.dtype == np.float32
    assert queries.point.tolist() == [0, 1]
    assert queries.names == ("0", "1")
    assert len(queries) == 2
    assert queries.t.tolist() == [0, 3]
    assert queries.t.dtype == np.int64
    assert queries.xy.tolist() == [[1.5, 2], [4, 5]]


def test_a_single_row() -> None:
    assert len(Queries((0, 310.5, 122))) == 1  # type: ignore[arg-type]


def test_several_observations_of_a_point() -> None:
    rows = [[5, 1, 1], [0, 2, 2], [2, 3, 3], [0, 4, 4]]
    queries = Queries(rows, [1, 0, 1, 0], ("nose", "tail"))  # type: ignore[arg-type]
    assert len(queries) == 2
    assert queries.first().tolist() == [1, 2]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=20))
def test_first_is_the_earliest_row_of_each_point(rows: list[tuple[int, int]]) -> None:
    numbers = {point: i for i, point in enumerate(dict.fromkeys(p for p, _ in rows))}
    point = np.array([numbers[p] for p, _ in rows])
    txy = np.array([(t, 0, 0) for _, t in rows], np.float32)
    queries = Queries(txy, point)
    for number, row in enumerate(queries.first()):
        assert point[row] == number
        assert txy[row, 0] == txy[point == number, 0].min()


def test_correction_is_one_more_observation() -> None:
    queries = q.points([(1, 2), (3, 4)], names=["a", "b"])
    corrected = queries.corrected(1, 7, (5.5, 6))
    assert len(queries.txy) == 2, "the original is left alone"
    assert (len(corrected), corrected.names) == (2, ("a", "b"))
    assert corrected.txy[-1].tolist() == [7, 5.5, 6]
    assert corrected.point.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("index", "t", "xy", "words"),
    [
        (2, 0, (1, 1), "there is no point 2; there are 2"),
        (-1, 0, (1, 1), "there is no point -1"),
        (0, -1, (1, 1), "is at frame -1"),
        (0, 0.5, (1, 1), r"is at frame 0\.5"),
        (0, 0, (1, np.nan), "must be finite"),
        (0, 0, (1, 2, 3), "a position must be two numbers x, y"),
        (0, 0, "ab", "a position must be two numbers x, y"),
    ],
)
def test_bad_correction(index: int, t: int, xy: object, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        q.points([(1, 2), (3, 4)]).corrected(index, t, xy)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "there are no queries"),
        (np.zeros((0, 3)), "there are no queries"),
        ([[0, 1]], r"shape \(N, 3\).*found \(1, 2\)"),
        ([[[0, 1, 2]]], r"found \(1, 1, 3\)"),
        (None, r"shape \(N, 3\)"),
        (
            [[0, 1, 2], [0, np.nan, 2]],
            r"query 1 is \[0\.0, nan, 2\.0\]; every number must be finite",
        ),
        ([[0, 1, np.inf]], "query 0 .* must be finite"),
        ([[0, 1e39, 0]], "query 0 .* must be finite"),
        ([[-1, 1, 2]], "query 0 is at frame -1; a frame is 0, 1, 2"),
        ([[0, 0, 0], [1.5, 1, 2]], r"query 1 is at frame 1\.5"),
        ([["a", 1, 2]], "rows of three numbers t, x, y, found"),
        ([[0, 1, 2], [3]], "rows of three numbers"),
        ({"t": 0}, "rows of three numbers"),
        ([[0, 10**400, 2]], "rows of three numbers"),
    ],
)
def test_bad_rows(rows: object, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        Queries(rows)  # type: ignore[arg-type]


def test_bad_points_and_names() -> None:
    rows = np.zeros((2, 3), np.float32)
    with pytest.raises(QueryError, match=r"point must have shape \(2,\), found \(3,\)"):
        Queries(rows, np.array([0, 1, 2]))
    with pytest.raises(QueryError, match="numbered 0 to 2 without a gap"):
        Queries(rows, np.array([0, 2]))
    with pytest.raises(QueryError, match="without a gap"):
        Queries(rows, np.array([-1, 0]))
    with pytest.raises(QueryError, match="there are 2 points but 1 names"):
        Queries(rows, names=("a",))


def test_check_against_a_video() -> None:
    inside = q.points([(-0.5, -0.5), (63.5, 47.5)], frame=4)
    inside.check((64, 48), 5)
    with pytest.raises(QueryError, match="query 0 is at frame 4, but the video has frames 0 to 3"):
        inside.check((64, 48), 4)
    with pytest.raises(QueryError, match=r"query 1 at \(63\.5, 47\.5\) lies outside the picture"):
        inside.check((64, 47), 5)


# -- what `resolve` takes ------------------------------------------------------------------


def test_resolve_takes_every_form(video: Video, tmp_path: Path) -> None:
    made = q.points([(3, 4)], frame=2)
    file = tmp_path / "q.csv"
    file.write_text("t,x,y\n2,3,4\n")
    for given_ in (made, [(2, 3, 4)], np.array([[2, 3, 4]]), file, str(file), lambda _: made):
        found = q.resolve(given_, video)
        assert found.txy.tolist() == [[2, 3, 4]]
    with pytest.raises(QueryError, match="outside the picture"):
        q.resolve([(0, 64, 1)], video)
    with pytest.raises(QueryError, match="frames 0 to 4"):
        q.resolve(q.grid(2, frame=5), video)


def test_points() -> None:
    made = q.points([(1, 2), (3, 4)], 6, ["l", "r"])
    assert made.txy.tolist() == [[6, 1, 2], [6, 3, 4]]
    assert made.names == ("l", "r")
    assert q.points((1, 2)).txy.tolist() == [[0, 1, 2]]
    for wrong in ([(1, 2, 3)], [[[1, 2]]], "xy", []):
        with pytest.raises(QueryError, match="positions must"):
            q.points(wrong)


# -- grid ----------------------------------------------------------------------------------


def test_grid_tiles_the_picture_evenly(video: Video) -> None:
    made = q.grid((4, 2), frame=1)(video)
    # 64 pixels in 4 parts of 16, whose middles lie at 8 - 0.5 and so on.
    assert sorted(set(made.xy[:, 0].tolist())) == [7.5, 23.5, 39.5, 55.5]
    assert sorted(set(made.xy[:, 1].tolist())) == [11.5, 35.5]
    assert made.xy[:2].tolist() == [[7.5, 11.5], [23.5, 11.5]], "row by row"
    assert made.t.tolist() == [1] * 8


def test_grid_with_margin_and_box(video: Video) -> None:
    made = q.grid(3, margin=0.5)(video)
    assert sorted(set(made.xy[:, 0].tolist())) == [0, 31.5, 63]
    boxed = q.grid((2, 1), box=(10, 20, 30, 40))(video)
    assert boxed.xy.tolist() == [[15, 30], [25, 30]]
    clipped = q.grid((1, 1), box=(50, -20, 900, 20), margin=0)(video)
    assert clipped.xy.tolist() == [[56.75, 9.75]]


@given(
    n=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    edge=st.booleans(),
)
def test_grid_lies_in_the_picture(n: tuple[int, int], size: tuple[int, int], edge: bool) -> None:
    video = open_video(np.zeros((1, size[1], size[0]), np.uint8))
    made = q.resolve(q.grid(n, margin=0 if edge else None), video)
    assert len(made) == n[0] * n[1]
    np.testing.assert_allclose(made.xy.mean(axis=0), (np.array(size) - 1) / 2, rtol=1e-5, atol=1e-4)


def test_grid_on_a_mask(video: Video, tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[10:20, 30:50] = 7
    made = q.grid((10, 5), mask=mask)(video)
    assert len(made) == 50
    assert made.xy.min(axis=0).tolist() == [30.5, 10.5]
    assert made.xy.max(axis=0).tolist() == [48.5, 18.5]
    mask[10:20, 40:] = 0
    mask[40, 60] = 1
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), np.dstack([mask] * 3))
    kept = q.grid(40, mask=path)(video)
    rows, columns = np.round(kept.xy[:, 1]).astype(int), np.round(kept.xy[:, 0]).astype(int)
    assert mask[rows, columns].all()
    assert kept.names == tuple(map(str, range(len(kept))))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: q.grid(0), "1 or more, found 0"),
        (lambda: q.grid((3, -1)), "1 or more"),
        (lambda: q.grid((3,)), "1 or more"),  # type: ignore[arg-type]
        (lambda: q.grid((2.5, 1)), "1 or more"),  # type: ignore[arg-type]
        (lambda: q.grid(3, box=(0, 0, 5, 5), mask=np.ones((48, 64))), "a box or a mask, not both"),
        (lambda: q.grid(3, box=(5, 0, 5, 5)), "x0 < x1"),
        (lambda: q.grid(3, box=(70, 0, 90, 5)), "lies outside the 64x48 picture"),
        (lambda: q.grid(3, margin=40), "a margin of 40 does not fit"),
        (lambda: q.grid(3, margin=-1), "a margin of -1 does not fit"),
        (lambda: q.grid(3, frame=-1), "is at frame -1"),
        (lambda: q.grid(3, mask=np.ones((64, 48))), "the mask is 48x64, but the video is 64x48"),
        (lambda: q.grid(3, mask=np.zeros((48, 64))), "the mask is empty"),
        (lambda: q.grid(3, mask="gone.png"), r"the mask gone\.png cannot be read"),
    ],
)
def test_bad_grid(video: Video, make: object, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        q.resolve(make(), video)  # type: ignore[operator]


def test_grid_that_misses_the_mask(video: Video) -> None:
    mask = np.zeros((48, 64), bool)
    mask[0, 0] = mask[-1, -1] = True
    with pytest.raises(QueryError, match="no point of a 3 by 3 grid falls on the mask"):
        q.grid(3, mask=mask)(video)


# -- corners, SIFT, random -----------------------------------------------------------------


def test_corners_are_those_of_the_squares(video: Video) -> None:
    made = q.resolve(q.corners(8, frame=1), video)
    expected = [(x, y) for x in (12, 29) for y in (10, 19)]
    expected += [(x, y) for x in (40, 51) for y in (30, 39)]
    distance = np.linalg.norm(made.xy[:, None] - np.array(expected, float), axis=-1)
    assert len(made) == 8
    assert (distance.min(axis=0) < 1.5).all()
    assert made.t.tolist() == [1] * 8


def test_corners_on_a_mask(video: Video) -> None:
    mask = np.zeros((48, 64), bool)
    mask[:, 35:] = True
    assert q.corners(50, mask=mask)(video).xy[:, 0].min() >= 35


def _blob(x: float, y: float) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:96, :128]
    hill = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 32)
    return (20 + 200 * hill).astype(np.uint8)[None]


@pytest.mark.parametrize("centre", [(40.0, 50.0), (64.5, 48.5), (40.3, 30.6)])
def test_sift_has_no_bias(centre: tuple[float, float]) -> None:
    """OpenCV's is a quarter of a pixel off unless it is told to double pictures precisely."""
    made = q.resolve(q.sift(1), open_video(_blob(*centre)))
    np.testing.assert_allclose(made.xy, [centre], atol=0.05)


def test_sift_takes_each_place_once(video: Video) -> None:
    made = q.resolve(q.sift(30), video)
    assert len(np.unique(made.xy, axis=0)) == len(made)
    assert len(q.sift(1)(video)) == 1


def test_frames_without_texture_are_an_error(video: Video) -> None:
    with pytest.raises(QueryError, match="frame 4 of array has no corner"):
        q.corners(5, frame=4)(video)
    with pytest.raises(QueryError, match="frame 4 of array has no SIFT key point"):
        q.sift(5, frame=4)(video)


@pytest.mark.parametrize("recipe", [q.corners, q.sift])
def test_frame_out_of_range(video: Video, recipe: object) -> None:
    for frame in (5, -1):
        with pytest.raises(QueryError, match=f"frame {frame} is not in array, which has 5 frames"):
            recipe(5, frame=frame)(video)  # type: ignore[operator]


def test_bad_numbers() -> None:
    for recipe in (q.corners, q.sift, q.random):
        with pytest.raises(QueryError, match="n must be at least 1, found 0"):
            recipe(0)  # type: ignore[operator]
    for wrong in ({"quality": 0}, {"quality": 1.5}, {"distance": -1}):
        with pytest.raises(QueryError, match="quality must be in"):
            q.corners(5, **wrong)  # type: ignore[arg-type]


def test_random_is_seeded_and_inside(video: Video) -> None:
    made = q.resolve(q.random(200, frame=None, seed=3), video)
    assert np.array_equal(made.txy, q.random(200, frame=None, seed=3)(video).txy)
    assert not np.array_equal(made.txy, q.random(200, frame=None, seed=4)(video).txy)
    assert set(made.t.tolist()) == {0, 1, 2, 3, 4}
    assert set(q.random(5, frame=2)(video).t.tolist()) == {2}
    mask = np.zeros((48, 64), bool)
    mask[0, 63] = mask[47, 0] = True
    cornered = q.resolve(q.random(100, mask=mask), video)
    assert mask[
        np.rint(cornered.xy[:, 1]).clip(0, 47).astype(int),
        np.rint(cornered.xy[:, 0]).clip(0, 63).astype(int),
    ].all()


# -- files ---------------------------------------------------------------------------------


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_csv(tmp_path: Path) -> None:
    text = "\ufefft, x, y, name\r\n0, 1.5, 2, nose\r\n4, 3, 4, nose\r\n\r\n1, 5, 6,\r\n"
    made = q.read_queries(_file(tmp_path, "q.csv", text))
    assert made.txy.tolist() == [[0, 1.5, 2], [4, 3, 4], [1, 5, 6]]
    assert made.point.tolist() == [0, 0, 1]
    assert made.names == ("nose", "1")
    quoted = _file(tmp_path, "p.csv", 'name,y,x,t\n"a, ""b""\nc",1,2,3\n')
    assert q.read_queries(quoted).names == ('a, "b"\nc',)
    assert q.read_queries(quoted).txy.tolist() == [[3, 2, 1]]


def test_json(tmp_path: Path) -> None:
    tip = '{"t": %d, "x": %s, "y": 5, "name": "tip"}'
    text = f"[[0, 1, 2], {tip % (3, '4.5')}, {tip % (9, '1')}]"
    made = q.read_queries(_file(tmp_path, "q.json", text))
    assert made.txy.tolist() == [[0, 1, 2], [3, 4.5, 5], [9, 1, 5]]
    assert made.names == ("0", "tip")
    assert made.point.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("q.txt", "", r"queries are read from \.csv or \.json"),
        ("q.csv", "", "must begin with a line t,x,y"),
        ("q.csv", "0,1,2\n", "must begin with a line t,x,y"),
        ("q.csv", "t,x,y\n", "holds no queries"),
        ("q.csv", "t,x,y\n0,1,2\n0,1\n", "query 1 must have numbers t, x, y"),
        ("q.csv", "t,x,y\n0,one,2\n", "query 0 must have numbers t, x, y"),
        ("q.csv", "t,x,y\n0,nan,2\n", r"q\.csv: query 0 .* must be finite"),
        ("q.csv", "t,x,y\n0.5,1,2\n", r"q\.csv: query 0 is at frame 0\.5"),
        ("q.csv", "t,x,y\n0,1e300,2\n", "must be finite"),
        ("q.csv", 't,x,y\n0,1,"2' + "2" * 200_000, r"q\.csv is not CSV"),
        ("q.json", "{", "is not JSON: .* in line 1"),
        ("q.json", "{}", "must hold a list of queries, found dict"),
        ("q.json", "[]", "holds no queries"),
        ("q.json", "[[0, 1]]", r"query 0 must be \[t, x, y\] or an object"),
        ("q.json", "[3]", "query 0 must be"),
        ("q.json", '[{"t": 0, "x": 1}]', "query 0 must have numbers"),
        ("q.json", "[[0, null, 1]]", "query 0 must have numbers"),
        ("q.json", f"[[0, 1{'0' * 400}, 1]]", "query 0 must have numbers"),
    ],
)
def test_bad_file(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(QueryError, match=words) as caught:
        q.read_queries(_file(tmp_path, name, text))
    assert str(tmp_path / name) in str(caught.value)
    assert len(str(caught.value)) < 400


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=r"cannot read .*gone\.csv: no such file"):
        q.read_queries(tmp_path / "gone.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(QueryError, match=r"cannot read .*folder\.csv: is a directory"):
        q.read_queries(tmp_path / "folder.csv")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(QueryError, match=r"picture\.csv is not a text file"):
        q.read_queries(tmp_path / "picture.csv")
