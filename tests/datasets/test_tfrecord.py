from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import numpy as np
import pytest
import tfrecords
from hypothesis import given
from hypothesis import strategies as st

from pointtrack.datasets import tfrecord
from pointtrack.datasets.tfrecord import Example, crc32c, find_records, masked_crc, read_record
from pointtrack.errors import FormatError

LISTS = st.one_of(
    st.lists(st.binary(max_size=40), max_size=5),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=40),
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20),
)


def test_the_checksum_of_the_standard() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0
    assert crc32c(bytes(32)) == 0x8A9136AA  # of RFC 3720
    assert masked_crc(b"\x00" * 8) == int.from_bytes(tfrecords.masked(b"\x00" * 8), "little")


@given(st.binary(max_size=700))
def test_lanes_give_the_same_checksum(data: bytes) -> None:
    lanes = tfrecord._LANES
    expected = tfrecords.crc32c(data)
    try:
        for count in (1, 2, 16, lanes):
            tfrecord._LANES = count
            assert crc32c(data) == expected
    finally:
        tfrecord._LANES = lanes


def test_a_long_payload() -> None:
    data = np.random.default_rng(0).bytes(70_001)
    assert crc32c(data) == tfrecords.crc32c(data)


@given(st.dictionaries(st.text(min_size=1, max_size=12), LISTS, max_size=5), st.booleans())
def test_examples_come_back(features: dict, packed: bool) -> None:
    found = Example(tfrecords.example(features, packed), "there")
    assert found.names == sorted(features)
    for name, values in features.items():
        if not values or isinstance(values[0], bytes):
            assert found.bytes(name) == values
        elif isinstance(values[0], float):
            assert found.floats(name).tolist() == values
        else:
            assert found.integers(name).tolist() == values


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_records_come_back(tmp_path_factory: pytest.TempPathFactory, payloads: list) -> None:
    path = tfrecords.write(tmp_path_factory.mktemp("records") / "a.tfrecord", payloads)
    assert [read_record(path, record) for record in find_records(path)] == payloads


@given(st.data())
def test_a_changed_byte_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tfrecords.write(tmp_path_factory.mktemp("records") / "a.tfrecord", [b"one", b"two two"])
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.tfrecord is not a TFRecord file"):
        [read_record(path, record) for record in find_records(path)]


@given(st.data())
def test_a_cut_file_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tfrecords.write(tmp_path_factory.mktemp("records") / "a.tfrecord", [b"one", b"two two"])
    content = path.read_bytes()
    first = 16 + len(b"one")
    kept = data.draw(st.integers(1, len(content) - 1).filter(lambda n: n != first))
    path.write_bytes(content[:kept])
    with pytest.raises(FormatError, match=r"cut off|ends within record"):
        list(find_records(path))


@given(st.binary(max_size=80))
def test_anything_else_raises_nothing_but_format_errors(data: bytes) -> None:
    with contextlib.suppress(FormatError):
        found = Example(data, "there")
        for name in found.names:
            found.bytes(name)


def test_what_is_asked_for_must_be_there() -> None:
    found = Example(tfrecords.example({"video": [b"a"], "size": [3]}), "set.tfrecord, record 4")
    with pytest.raises(FormatError, match="record 4 lacks depth; found size, video"):
        found.bytes("depth")
    with pytest.raises(FormatError, match="size holds integers, expected floats"):
        found.floats("size")
    assert found.text("nothing") == ""


def test_a_number_that_never_ends() -> None:
    broken = tfrecords.field(3, tfrecords.field(1, b"\xff" * 11 + b"\x01"))
    entry = tfrecords.field(1, b"n") + tfrecords.field(2, broken)
    found = Example(tfrecords.field(1, tfrecords.field(1, entry)), "there")
    with pytest.raises(FormatError, match="there: n has a number of more than ten bytes"):
        found.integers("n")


def test_unused_lists_are_not_decoded() -> None:
    entry = tfrecords.field(1, b"broken") + tfrecords.field(2, b"\xff")
    good = tfrecords.field(1, b"good") + tfrecords.field(2, tfrecords.feature([7]))
    data = tfrecords.field(1, tfrecords.field(1, entry) + tfrecords.field(1, good))
    found = Example(data, "there")
    assert found.integers("good").tolist() == [7]
    with pytest.raises(FormatError, match="there"):
        found.bytes("broken")


def test_a_huge_length_allocates_nothing(tmp_path: Path) -> None:
    length = struct.pack("<Q", 2**62)
    (tmp_path / "a.tfrecord").write_bytes(length + tfrecords.masked(length) + b"x")
    with pytest.raises(FormatError, match="it ends within record 0"):
        list(find_records(tmp_path / "a.tfrecord"))


def test_a_file_compressed_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.tfrecord").write_bytes(b"\x1f\x8b" + bytes(30))
    with pytest.raises(FormatError, match="unpack it with gzip"):
        list(find_records(tmp_path / "a.tfrecord"))
