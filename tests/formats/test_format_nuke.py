import numpy as np
import pytest
from format_examples import NASTY_NAMES, example

from pointtrack import formats
from pointtrack.errors import FormatError
from pointtrack.formats.tcl import parse_list, quote
from pointtrack.tracks import Tracks

# A Tracker as compositing programs export it, cut down to the columns that matter here.
FOREIGN = """\
#! /usr/local/Nuke/Nuke -nx
version 13.0 v1
Root {{
 inputs 0
 format "200 100 0 0 200 100 1 small"
}}
Tracker4 {{
 inputs 0
 tracks {{ {{ 1 5 2 }}
{{ {{ 5 1 20 enable e 1 }}
{{ 3 1 75 name name 1 }}
{{ 2 1 58 track_x track_x 1 }}
{{ 2 1 58 track_y track_y 1 }}
{{ 4 1 27 T T 1 }}
}}
{{
 {{ {{curve K x1001 1}} "track 1" {curve} {{curve x1001 99.5 98.5 x1005 90 89}} 1 }}
 {{ 0 plain {{curve L 7 8}} {{curve 1 2 3}} 1 }}
}}
}}

 name Tracker1
}}
"""


def text_of(tracks, tmp_path):
    formats.write(tracks, tmp_path / "a.nk")
    return (tmp_path / "a.nk").read_text()


def read(text, tmp_path, **options):
    (tmp_path / "a.nk").write_text(text)
    return formats.read(tmp_path / "a.nk", **options)


def one(xy, visible, **options):
    return Tracks(np.array([xy], float), np.array([visible]), size=(100, 50), **options)


@pytest.mark.parametrize(
    ("pixel", "nuke"),
    [((0, 0), "0.5 49.5"), ((99, 49), "99.5 0.5"), ((-0.5, -0.5), "0 50"), ((49.5, 24.5), "50 25")],
)
def test_nuke_counts_from_the_bottom_left_corner(pixel, nuke, tmp_path):
    text = text_of(one([pixel], [True]), tmp_path)
    x, y = nuke.split()
    assert f"{{curve x1 {x}}} {{curve x1 {y}}}" in text


def test_frame_0_is_nukes_frame_1_and_every_key_names_its_frame(tmp_path):
    nan = np.nan
    text = text_of(one([[0, 0], [1, 0], [nan, nan], [3, 0]], [1, 0, 1, 1], start=9), tmp_path)
    assert "{curve x10 0.5 x11 1.5 x13 3.5}" in text
    assert "{curve K x10 1 x11 0 x13 1}" in text
    assert "first 10 last 13" in text


def test_the_table_has_nukes_31_columns(tmp_path):
    text = text_of(example(), tmp_path)
    assert "tracks { { 1 31 3 }" in text
    table, end = parse_list(text, text.index("{ { 1 31"))
    counts, columns, rows = table
    assert counts == ["1", "31", "3"]
    assert [column[3] for column in columns[:4]] == ["enable", "name", "track_x", "track_y"]
    assert columns[0] == ["5", "1", "20", "enable", "e", "1"]
    assert columns[-1][3] == "key_centre_offset_y"
    assert len(columns) == 31
    assert all(len(row) == 31 for row in rows)
    assert text.count("{") == text.count("}")
    assert text[end:].splitlines()[1:] == [" reference_frame 1", " name Tracker1",
                                           " selected true", "}"]  # fmt: skip


def test_curves_that_name_no_frame_begin_at_0_as_in_nuke(tmp_path):
    text = FOREIGN.format(curve="{curve x1001 0.5 1.5 x1005 10 11}")
    with pytest.raises(FormatError, match="key at frame 0; frames count from 1"):
        read(text.replace("curve L 7 8", "curve L 7 8 9"), tmp_path)


def test_keys_without_frames_go_on_by_the_last_distance(tmp_path):
    text = FOREIGN.format(curve="{curve x1001 0.5 1.5 x1005 10 11}")
    text = text.replace("{curve L 7 8}", "{curve L x1001 7 8 9}").replace(
        "{curve 1 2 3}", "{curve i x1001 1 s0.5 t2 2 3}"
    )
    found = read(text, tmp_path, fps=24)
    assert found.names == ("track 1", "plain")
    assert (found.size, found.fps) == ((200, 100), 24)
    assert found.frames == range(1000, 1008)
    known = np.flatnonzero(found.known[0]) + 1001
    assert known.tolist() == [1001, 1002, 1005, 1008]
    np.testing.assert_array_equal(found.xy[0, [0, 1]], [[0, 0], [1, 1]])
    np.testing.assert_array_equal(found.xy[1, :3, 0], [6.5, 7.5, 8.5])
    assert found.visible.sum(axis=1).tolist() == [4, 0]


@pytest.mark.parametrize("name", NASTY_NAMES)
def test_any_name_survives_quoting(name):
    text = "{ 1 " + quote(name) + " {} }"
    assert parse_list(text, 0) == (["1", name, []], len(text))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("Tracker4", "Blur"), "no Tracker node"),
        (("1 31 3", "1 31 4"), "announces"),
        (("track_x track_x", "x x"), "lacks track_x"),
        (("x2 1.5 x3 3 ", "x2 1.5.5 x3 3 "), "value '1.5.5'"),
        (("curve x1 0.5", "curve x1.5 0.5"), "frame is 1.5"),
        (("curve x1 0.5", "curve x0 0.5"), "x without y"),
        (("{curve x1 0.5", "{frame*2 x1 0.5"), "not a curve"),
        (("# pointtrack", "# other"), "size of the video"),
        (("\n name Tracker1\n selected true\n}", ""), "inside the Tracker"),
    ],
)
def test_wrong_scripts(change, words, tmp_path):
    text = text_of(example(), tmp_path)
    assert change[0] in text
    with pytest.raises(FormatError, match=words):
        read(text.replace(*change), tmp_path)


def test_the_size_can_be_given(tmp_path):
    text = text_of(example(), tmp_path).replace("# pointtrack", "# other")
    found = read(text, tmp_path, size=(100, 50))
    np.testing.assert_allclose(found.xy, example().xy, atol=1e-5, equal_nan=True)
