"""CSV, Parquet, MOT, napari: exact texts, other programs' tables, wrong tables."""

import numpy as np
import pandas as pd
import pytest
from format_examples import example

from pointtrack import formats
from pointtrack.errors import FormatError
from pointtrack.tracks import Tracks


def read(tmp_path, text, name, **options):
    (tmp_path / "a").write_text(text)
    return formats.read(tmp_path / "a", name, **options)


def one(x, y, visible=True, **options):
    return Tracks(np.array([[[x, y]]]), np.array([[visible]]), **options)


def test_csv_text(tmp_path):
    formats.write(example(start=1), tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "frame,time,point,name,x,y,visible,confidence,width,height"
    assert lines[3] == "3,0.10010000000000001,0,corner,2.5,4.25,True,0.75,100,50"
    assert lines[9] == '5,0.16683333333333333,1,"far, corner",95.0,45.0,False,0.125,100,50'
    assert len(lines) == 1 + 14


def test_csv_in_pandas_is_the_table_of_to_pandas(tmp_path):
    formats.write(example(), tmp_path / "a.csv")
    table = pd.read_csv(tmp_path / "a.csv")
    wanted = example().to_pandas()
    pd.testing.assert_frame_equal(table[list(wanted.columns)], wanted, check_dtype=False)


def test_csv_of_unknown_size_has_no_size(tmp_path):
    formats.write(one(1, 2), tmp_path / "a.csv")
    assert "width" not in (tmp_path / "a.csv").read_text()


def test_csv_keeps_points_and_frames_without_positions(tmp_path):
    xy = np.full((2, 4, 2), np.nan)
    xy[0, 1] = 5, 6
    formats.write(Tracks(xy, np.ones((2, 4)), names=("a", "b"), start=7), tmp_path / "a.csv")
    found = formats.read(tmp_path / "a.csv")
    assert (found.names, found.frames) == (("a", "b"), range(7, 11))
    assert found.known.tolist() == [[False, True, False, False], [False] * 4]


def test_csv_by_another_program(tmp_path):
    text = "Y, X ,frame,name,colour\r\n2,1,4,left,red\r\n4,3,6,left,red\r\n9,8,5,right,blue\r\n"
    found = read(tmp_path, text, "csv", fps=50)
    assert found.names == ("left", "right")
    assert (found.frames, found.fps, found.size) == (range(4, 7), 50, (0, 0))
    np.testing.assert_array_equal(found.xy[0, ::2], [[1, 2], [3, 4]])
    assert found.visible.tolist() == [[True, False, True], [False, True, False]]
    assert found.confidence.tolist() == [[1, 0, 1], [0, 1, 0]]


def test_csv_orders_numbered_points_by_number(tmp_path):
    found = read(tmp_path, "frame,point,x,y\n0,10,1,1\n0,9,2,2\n", "csv")
    assert found.names == ("9", "10")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line lacks frame, x, y"),
        ("frame,x,y\n0,1,2\n", "first line lacks point"),
        ("frame,point,x,y\n", "no rows"),
        ("frame,point,x,y\n0,0,1\n", "line 2 has 3 fields, expected 4"),
        ("frame,point,x,y\n0.5,0,1,2\n", "frame is 0.5, expected a whole number"),
        ("frame,point,x,y\n-1,0,1,2\n", "frames count from 0"),
        ("frame,point,x,y\n0,0,left,2\n", "x is 'left', expected a number"),
        ("frame,point,x,y\n0,0,1,2\n0,0,1,2\n", "two rows for one point and frame"),
        ("frame,point,x,y,visible\n0,0,1,2,maybe\n", "visible is 'maybe'"),
        ("frame,point,x,y\n0,0,1,2\n99999999999,0,1,2\n", "span"),
        ("frame,point,x,y\n" + "9" * 400 + ",0,1,2\n", "frame"),
        ("frame,point,x,y,width,height\n0,0,1,2,-5,5\n", "width and height are -5 and 5"),
    ],
)
def test_wrong_csv(tmp_path, text, words):
    with pytest.raises(FormatError, match=words) as caught:
        read(tmp_path, text, "csv")
    assert str(tmp_path / "a") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parquet_in_pandas_is_the_table_of_to_pandas(tmp_path):
    formats.write(example(), tmp_path / "a.parquet")
    table = pd.read_parquet(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(table, example().to_pandas(), check_dtype=False)


def test_parquet_by_another_program(tmp_path):
    table = pd.DataFrame(
        {"frame": [3, 4, 3], "name": ["l", "l", "r"], "x": [1, 2, 3], "y": [4, 5, 6]}
    )
    table.to_parquet(tmp_path / "a.parquet")
    found = formats.read(tmp_path / "a.parquet", size=(10, 20))
    assert (found.names, found.frames, found.size) == (("l", "r"), range(3, 5), (10, 20))
    np.testing.assert_array_equal(found.xy[0], [[1, 4], [2, 5]])


def test_parquet_of_something_else(tmp_path):
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(FormatError, match="lacks the columns frame, x, y"):
        formats.read(tmp_path / "a.parquet")
    table = pd.DataFrame({"frame": ["a"], "x": [1], "y": [1], "point": [0]})
    table.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(FormatError, match="column frame has type"):
        formats.read(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("x", "y", "box"),
    [(0, 0, "1,1,1,1"), (99, 49, "100,50,1,1"), (2.25, -0.5, "3.25,0.5,1,1")],
)
def test_mot_boxes_are_one_pixel_around_the_point_counted_from_1(tmp_path, x, y, box):
    formats.write(one(x, y, start=4), tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == f"5,1,{box},1,-1,-1,-1\n"


def test_mot_reads_the_centre_of_any_box(tmp_path):
    # A box of 3 x 5 pixels that covers columns 0..2 and rows 10..14: its centre is (1, 12).
    found = read(tmp_path, "2,9,1,11,3,5,0.5,-1,-1,-1\n1,4,1,1,2,2,-1,-1,-1,-1\n", "mot")
    assert found.names == ("4", "9")
    np.testing.assert_array_equal(found.xy[1, 1], [1, 12])
    np.testing.assert_array_equal(found.xy[0, 0], [0.5, 0.5])
    assert found.confidence.tolist() == [[1, 0], [0, 0.5]]


def test_mot_ground_truth_tells_visibility(tmp_path):
    text = "1,1,1,1,1,1,1,1,0.86\n2,1,1,1,1,1,1,1,0\n3,1,1,1,1,1,0,1,1\n"
    assert read(tmp_path, text, "mot").visible.tolist() == [[True, False, False]]


def test_mot_hidden_points_have_confidence_0(tmp_path):
    formats.write(one(0, 0, visible=False), tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "1,1,1,1,1,1,0,-1,-1,-1\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("1,1,1\n", "line 1 has 3 columns"),
        ("0,1,1,1,1,1\n", "line 1 has frame 0; frames count from 1"),
        ("1,a,1,1,1,1\n", "id in line 1 is 'a'"),
        ("1,1,1,1,1,1\n1,1,1,1,1,wide\n", "box in line 2 is 'wide'"),
    ],
)
def test_wrong_mot(tmp_path, text, words):
    with pytest.raises(FormatError, match=words):
        read(tmp_path, text, "mot")


def test_napari_text(tmp_path):
    formats.write(example(start=2), tmp_path / "a.napari.csv")
    lines = (tmp_path / "a.napari.csv").read_text().splitlines()
    assert lines[:4] == ["track_id,t,y,x", "0,2,0.0,0.0", "0,3,2.0,1.0", "0,4,4.25,2.5"]
    assert lines[6:] == [
        "1,2,49.0,99.0", "1,3,48.0,98.0", "1,5,46.0,96.0",
        "2,2,20.0,10.0", "2,5,20.6,10.3", "2,6,20.8,10.4",
    ]  # fmt: skip
    array = np.loadtxt(tmp_path / "a.napari.csv", delimiter=",", skiprows=1)
    assert array.shape == (11, 4)


def test_napari_without_header_or_in_another_order(tmp_path):
    plain = read(tmp_path, "5,0,2,1\n5,1,4,3\n", "napari")
    named = read(tmp_path, "x,y,t,track_id,area\n1,2,0,5,9\n3,4,1,5,9\n", "napari")
    assert plain.allclose(named)
    np.testing.assert_array_equal(plain.xy[0], [[1, 2], [3, 4]])
    assert plain.names == ("5",)


@pytest.mark.parametrize("text", ["", "track_id,t,y,x\n", "a,b,c,d\n", "1,2,3\n", "1,0.5,2,3\n"])
def test_wrong_napari(tmp_path, text):
    with pytest.raises(FormatError, match="napari"):
        read(tmp_path, text, "napari")
