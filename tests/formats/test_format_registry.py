import errno
import os
from pathlib import Path

import numpy as np
import pytest
from format_examples import assert_same, example

from pointtrack import formats
from pointtrack.errors import FormatError, PointtrackError
from pointtrack.tracks import Tracks

WRITABLE = [f.name for f in formats.available() if f.can_write]
READABLE = [f.name for f in formats.available() if f.can_read]


def test_the_formats_of_the_design_are_there():
    names = {f.name for f in formats.available()}
    assert names >= {"npz", "csv", "parquet", "json", "tapvid", "mot", "napari", "nuke"}
    assert names >= {"aftereffects", "blender"}
    assert all(
        f.summary and f.suffixes and (f.can_read or f.can_write) for f in formats.available()
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.npz", "npz"),
        ("a.csv", "csv"),
        ("a.napari.csv", "napari"),
        ("A.NAPARI.CSV", "napari"),
        ("a.txt", "mot"),
        ("a.mot.txt", "mot"),
        ("a.ae.txt", "aftereffects"),
        ("a.py", "blender"),
        ("a.nk", "nuke"),
        ("a.pkl", "tapvid"),
        ("folder.npz/a.json", "json"),
    ],
)
def test_the_longest_suffix_picks_the_format(path, name):
    assert formats.find(path).name == name


def test_a_name_wins_over_the_suffix(tmp_path):
    formats.write(example(), tmp_path / "a.data", "json")
    assert_same(formats.read(tmp_path / "a.data", "JSON"), example())


@pytest.mark.parametrize(("path", "format"), [("a.xyz", None), ("a", None), ("a.csv", "excel")])
def test_an_unknown_format_lists_what_there_is(path, format):
    with pytest.raises(FormatError, match=r"csv.*nuke") as caught:
        formats.find(path, format)
    assert (format or path) in str(caught.value)


def test_a_format_cannot_be_registered_twice():
    with pytest.raises(FormatError, match="already"):
        formats.register(formats.find("a.csv"))


def test_tracks_save_and_load_find_the_format(tmp_path):
    example().save(tmp_path / "a.npz")
    assert_same(Tracks.load(tmp_path / "a.npz"), example())


def test_a_format_that_is_only_written_says_so(tmp_path):
    formats.write(example(), tmp_path / "a.py")
    with pytest.raises(FormatError, match=r"a\.py.*only be written"):
        formats.read(tmp_path / "a.py")


@pytest.mark.parametrize("name", READABLE)
def test_a_missing_file_is_named(name, tmp_path):
    with pytest.raises(FormatError, match=r"gone\.x: no such file"):
        formats.read(tmp_path / "gone.x", name)


@pytest.mark.parametrize("name", READABLE)
def test_a_folder_is_not_a_file(name, tmp_path):
    with pytest.raises(FormatError, match=str(tmp_path)):
        formats.read(tmp_path, name)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_missing_folder_is_named(name, tmp_path):
    with pytest.raises(FormatError, match=r"folder .*nowhere does not exist"):
        formats.write(example(), tmp_path / "nowhere" / "a", name)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_full_disk_leaves_the_earlier_file(name, tmp_path, monkeypatch):
    target = tmp_path / "a"
    target.write_text("earlier")
    real_open = Path.open

    def full(self, mode="r", *args, **options):
        file = real_open(self, mode, *args, **options)
        if "w" in mode:
            monkeypatch.setattr(type(self), "open", real_open)

            class Full:
                """Takes a few characters and then has no room."""

                def write(self, data):
                    file.write(data[:3])
                    file.flush()
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

                def __enter__(self):
                    return self

                def __exit__(self, *problem):
                    file.close()

                def __getattr__(self, name):
                    return getattr(file, name)

            return Full()
        return file

    def full_bytes(self, data):
        with self.open("wb") as file:
            return file.write(data)

    monkeypatch.setattr(Path, "open", full)
    monkeypatch.setattr(Path, "write_bytes", full_bytes)
    with pytest.raises(FormatError, match="no space left"):
        formats.write(example(), target, name)
    monkeypatch.undo()
    assert target.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("name", WRITABLE)
def test_a_refused_rename_leaves_the_earlier_file(name, tmp_path, monkeypatch):
    target = tmp_path / "a"
    target.write_text("earlier")

    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(FormatError, match="permission denied"):
        formats.write(example(), target, name)
    assert target.read_text() == "earlier"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("name", ["nuke", "aftereffects", "blender", "tapvid"])
def test_formats_in_other_units_need_the_size(name, tmp_path):
    unsized = Tracks(example().xy, example().visible)
    with pytest.raises(FormatError, match="needs the size of the video"):
        formats.write(unsized, tmp_path / "a", name)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", WRITABLE)
def test_no_points_are_kept_or_refused(name, tmp_path):
    empty = Tracks(np.empty((0, 4, 2)), np.empty((0, 4)), size=(100, 50), start=2)
    if name in ("npz", "json", "parquet"):
        formats.write(empty, tmp_path / "a", name)
        assert_same(formats.read(tmp_path / "a", name), empty)
    else:
        with pytest.raises(FormatError, match="without points"):
            formats.write(empty, tmp_path / "a", name)


@pytest.mark.parametrize("name", ["mot", "napari", "aftereffects", "blender"])
def test_tracks_that_say_nothing_are_refused(name, tmp_path):
    unknown = Tracks(np.full((2, 3, 2), np.nan), np.zeros((2, 3)), size=(100, 50))
    with pytest.raises(FormatError, match="in any frame"):
        formats.write(unknown, tmp_path / "a", name)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_name_that_utf8_does_not_know_is_refused_or_kept(name, tmp_path):
    odd = Tracks(example().xy, example().visible, size=(100, 50), names=("\ud800", "b", "c"))
    if name in (
        "npz",
        "tapvid",
        "mot",
        "napari",
        "aftereffects",
        "blender",
    ):  # kept, or not written
        formats.write(odd, tmp_path / "a", name)
        assert name not in READABLE or len(formats.read(tmp_path / "a", name)) == 3
    else:
        with pytest.raises(FormatError, match="character that UTF-8 does not know"):
            formats.write(odd, tmp_path / "a", name)
        assert not os.listdir(tmp_path)


@pytest.mark.parametrize("name", ["csv", "mot", "napari"])
def test_what_the_file_does_not_tell_comes_from_the_caller(name, tmp_path):
    formats.write(Tracks(example().xy[:, :1], example().visible[:, :1]), tmp_path / "a", name)
    found = formats.read(tmp_path / "a", name, size=(640, 480), fps=50)
    assert (found.size, found.fps) == ((640, 480), 50)


def test_a_missing_extra_is_named_with_its_command(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(PointtrackError, match=r"pip install 'pointtrack\[table\]'"):
        formats.read(tmp_path / "a.parquet")
