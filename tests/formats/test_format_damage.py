"""Damaged files: either valid tracks or one sentence, never another exception."""

import gc

import numpy as np
import pytest
from format_examples import example, tracks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointtrack import formats
from pointtrack.errors import FormatError
from pointtrack.tracks import Tracks

READABLE = [f.name for f in formats.available() if f.can_read]
TEXT = ["csv", "json", "mot", "napari", "nuke", "aftereffects"]
quick = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    result = {}
    for name in READABLE:
        formats.write(example(start=1), folder / name, name)
        result[name] = (folder / name).read_bytes()
    return result


def valid_or_one_sentence(data, name, path):
    path.write_bytes(data)
    try:
        found = formats.read(path, name)
    except FormatError as problem:
        found, words = None, str(problem)
    if found is None:
        assert words.count(str(path)) == 1
        assert "\n" not in words
        assert len(words) < 500
        return None
    assert isinstance(found, Tracks)
    assert found.visible.shape == found.xy.shape[:2]
    return found


@pytest.mark.parametrize("name", READABLE)
def test_a_file_cut_off_anywhere(name, written, tmp_path):
    whole = written[name]
    for length in np.unique(np.linspace(0, len(whole) - 1, 150).astype(int)):
        valid_or_one_sentence(whole[:length], name, tmp_path / "a")


@pytest.mark.parametrize("name", ["npz", "parquet", "json", "tapvid", "nuke", "aftereffects"])
def test_a_cut_off_file_is_noticed_where_the_format_has_an_end(name, written, tmp_path):
    whole = written[name].rstrip()
    for length in np.unique(np.linspace(0, len(whole) - 1, 40).astype(int)):
        assert valid_or_one_sentence(whole[:length], name, tmp_path / "a") is None


@pytest.mark.parametrize("name", READABLE)
@given(data=st.data())
@quick
def test_a_file_with_wrong_bytes(name, data, written, tmp_path):
    whole = bytearray(written[name])
    places = data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=4))
    for place in places:
        whole[place] = data.draw(st.integers(0, 255))
    valid_or_one_sentence(bytes(whole), name, tmp_path / "a")


@pytest.mark.parametrize("name", TEXT)
@given(data=st.data())
@quick
def test_a_text_with_other_words(name, data, written, tmp_path):
    words = ["nan", "inf", "-1", "1e999", "9" * 30, "", "x", "{", "}", '"', ",", "\n", "null", "[]"]
    text = written[name].decode()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        stop = start + data.draw(st.integers(0, 6))
        text = text[:start] + data.draw(st.sampled_from(words)) + text[stop:]
    valid_or_one_sentence(text.encode(), name, tmp_path / "a")


@pytest.mark.parametrize("name", READABLE)
@given(garbage=st.binary(max_size=200))
@quick
def test_garbage(name, garbage, tmp_path):
    valid_or_one_sentence(garbage, name, tmp_path / "a")


@pytest.mark.parametrize("wrong", READABLE)
def test_a_file_of_another_format(wrong, written, tmp_path):
    for name in READABLE:
        if name != wrong:
            valid_or_one_sentence(written[name], wrong, tmp_path / "a")


def test_a_message_stays_one_line_whatever_the_file_says(tmp_path):
    code = b"\x80\x04\x8c\x05nu\nmp\x8c\x05l\r\noa\x93."
    (tmp_path / "a").write_bytes(code)
    with pytest.raises(FormatError, match=r"it asks for nu mp\.l oa, which could run code"):
        formats.read(tmp_path / "a", "tapvid")


def test_a_damaged_archive_is_closed(written, tmp_path, recwarn):
    for length in (30, 400, len(written["npz"]) - 5):
        assert valid_or_one_sentence(written["npz"][:length], "npz", tmp_path / "a") is None
    gc.collect()
    assert not [w for w in recwarn if issubclass(w.category, ResourceWarning)]


@pytest.mark.parametrize("name", ["json", "nuke"])
@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_nesting(name, depth, tmp_path):
    head = {"json": "", "nuke": "Tracker4 {\n tracks "}[name]
    bracket = {"json": "[", "nuke": "{"}[name]
    assert valid_or_one_sentence((head + bracket * depth).encode(), name, tmp_path / "a") is None


@pytest.mark.parametrize("changes", [
    {"xy": np.zeros((3, 5))}, {"xy": np.zeros((3, 4, 2))}, {"xy": np.array("x")},
    {"visible": np.zeros((3, 5))}, {"confidence": np.zeros((3, 5), complex)},
    {"size": np.array([100])}, {"fps": np.array([25, 0])}, {"fps": np.array([25.0, 1.0])},
    {"start": np.array(-1)}, {"names": np.array(["a"])}, {"times": np.zeros(9)},
    {"names": np.array([1, 2, 3])}, {"queries_point": np.array([0, 5, 1, 2])},
    {"xy": np.array([object()])}, {"xy": None}, {"queries_names": None},
])  # fmt: skip
def test_npz_with_a_wrong_array(changes, tmp_path):
    formats.write(example(), tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name, value in changes.items():
        arrays.pop(name)
        if value is not None:
            arrays[name] = value
    np.savez(tmp_path / "b.npz", **arrays)
    with pytest.raises(FormatError, match=r"b\.npz"):
        formats.read(tmp_path / "b.npz")


@pytest.mark.parametrize("change", [
    ('"pointtrack": 1', '"pointtrack": 2'), ('"size": [100, 50]', '"size": [100]'),
    ('"start": 1', '"start": -1'), ('"start": 1', '"start": true'), ('"fps": ', '"rate": '),
    ('"visible":[1,', '"visible":[2,'), ("[0.0,0.0]", '["a",0]'), ("[0.0,0.0]", "[0]"),
    ('"confidence":[0.75', '"confidence":[null'), ('"names": ["corner"', '"names": [3'),
    ('"point": [0', '"point": [0.5'), ('"times": [', '"times": ["x", '), ("null", "0"),
])  # fmt: skip
def test_json_with_a_wrong_value(change, tmp_path):
    formats.write(example(start=1), tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text()
    assert change[0] in text
    if change[0] == '"confidence":[0.75':  # null is no number, but NaN, which means not sure
        change = (change[0], '"confidence":["sure"')
    (tmp_path / "a.json").write_text(text.replace(*change))
    with pytest.raises(FormatError, match=r"a\.json"):
        formats.read(tmp_path / "a.json")


@given(wanted=tracks(sized=True))
@settings(max_examples=15, deadline=None)
def test_reading_changes_nothing_in_memory(tmp_path_factory, wanted):
    before = wanted.xy.copy(), wanted.visible.copy()
    for known in formats.available():
        path = tmp_path_factory.mktemp("memory") / "a"
        try:
            formats.write(wanted, path, known.name)
        except FormatError:
            continue
    np.testing.assert_array_equal(wanted.xy, before[0])
    np.testing.assert_array_equal(wanted.visible, before[1])
