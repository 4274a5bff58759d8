"""A file is there whole or as it was before, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pointtrack.errors import FormatError, PointtrackError, VideoError, require
from pointtrack.files import atomic_path, reason


def _write(target: Path, text: str = "new", fail: Callable[[], object] | None = None) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text(text)
        if fail:
            fail()


def _raise(problem: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise problem

    return fail


def test_new_file_and_replaced_file(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    _write(target, "one")
    assert target.read_text() == "one"
    _write(target, "two")
    assert target.read_text() == "two"
    assert list(tmp_path.iterdir()) == [target]


def test_target_stays_while_the_new_file_is_written(tmp_path: Path) -> None:
    target = tmp_path / "a.tar.gz"
    target.write_text("old")
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".gz"
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("problem", [RuntimeError("half-way"), KeyboardInterrupt(), SystemExit(1)])
def test_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, problem: BaseException
) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")
    with pytest.raises(type(problem)):
        _write(target, fail=_raise(problem))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the writes themselves fail."""
    resource = pytest.importorskip("resource")
    target = tmp_path / "a.csv"
    target.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(FormatError, match=r"cannot write .*a\.csv: file too large"):
            _write(target, "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_disk_that_turns_out_full_at_the_end(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    target = tmp_path / "a.csv"
    target.write_text("old")
    monkeypatch.setattr(os, call, lambda *_: _raise(full)())
    with pytest.raises(FormatError, match=r"cannot write .*a\.csv: no space left on device"):
        _write(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_disk_without_room_for_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(Path, "touch", lambda *_, **__: _raise(full)())
    with pytest.raises(VideoError, match="no space left"), atomic_path(tmp_path / "a", VideoError):
        raise AssertionError("must not be reached")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone/a.csv", r"the folder .*gone does not exist"),
        ("file/a.csv", r"the folder .*file does not exist"),
        ("folder", r"folder: it is a folder"),
    ],
)
def test_place_that_cannot_be_written(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FormatError, match=words):
        _write(tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"  # stands for /dev/null, which must survive a root's mistake
    os.mkfifo(pipe)
    with pytest.raises(FormatError, match="it is not a regular file"):
        _write(pipe)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_bad_input_inside_passes_through(tmp_path: Path) -> None:
    with pytest.raises(PointtrackError, match=r"^no such point$"):
        _write(tmp_path / "a.csv", fail=_raise(PointtrackError("no such point")))


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        _write(tmp_path / "a.csv")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o640


def test_long_names_and_relative_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("n" * 250 + ".csv", "ü" * 120 + ".csv", "plain", ".hidden"):
        with atomic_path(name) as temporary:
            temporary.write_text("new")
        assert Path(name).read_text() == "new"


def test_two_writers_do_not_meet(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    with atomic_path(target) as one, atomic_path(target) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert target.read_text() == "one"  # the outer block ends last


def test_reason_is_short() -> None:
    assert reason(OSError(errno.ENOENT, "No such file or directory", "/x")) == (
        "no such file or directory"
    )
    assert reason(OSError("odd")) == "odd"


def test_missing_extra_names_its_install_command() -> None:
    assert require("json", "table").dumps([1]) == "[1]"
    with pytest.raises(PointtrackError, match=r"no_such_thing.*pip install 'pointtrack\[table\]'"):
        require("no_such_thing.part", "table")
