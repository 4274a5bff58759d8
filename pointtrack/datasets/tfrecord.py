"""TFRecord files of ``tf.train.Example``, read without TensorFlow.

A file is a row of records: the length as u64, its checksum as u32, the payload, its checksum as
u32, all little-endian. The checksum is CRC-32C (Castagnoli), rotated and offset by a constant.
A payload is a protocol-buffer message: a map from names to lists of bytes, of float32 or of
int64. Nothing but the wanted lists is decoded.

Own code, since the small readers on PyPI neither check the payload nor leave lists undecoded,
and the checksum libraries are one more compiled dependency for forty lines of NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError
from pointtrack.formats.common import reading

_POLYNOMIAL = 0x82F63B78  # Castagnoli, lowest bit first
_ONES = 0xFFFFFFFF
_MASK = 0xA282EAD8
_LANES = 1 << 14  # pieces of a long payload whose checksums are taken side by side
_WHAT = "a TFRecord file"


class Record(NamedTuple):
    """Where a record's payload lies in its file."""

    offset: int
    length: int


def find_records(path: Path) -> Iterator[Record]:
    """The records of a file one after the other; payloads are passed over.

    Raises
    ------
    FormatError
        At the first record that is damaged or cut off; those before it have been given.
    """
    with reading(path, _WHAT), path.open("rb") as file:
        size, at, number = file.seek(0, 2), 0, 0
        while at < size:
            file.seek(at)
            head = file.read(12)
            if head[:2] == b"\x1f\x8b" and at == 0:
                raise FormatError("it is compressed as a whole; unpack it with gzip")
            if len(head) < 12 or masked_crc(head[:8]) != int.from_bytes(head[8:], "little"):
                what = "cut off" if len(head) < 12 else "damaged"
                raise FormatError(f"the head of record {number} is {what}")
            length = int.from_bytes(head[:8], "little")
            if at + 16 + length > size:
                raise FormatError(f"it ends within record {number}")
            yield Record(at + 12, length)
            at, number = at + 16 + length, number + 1


def read_record(path: Path, record: Record, verify: bool = True) -> bytes:
    """The payload of a record, held against its checksum unless that is not wanted."""
    with reading(path, _WHAT), path.open("rb") as file:
        file.seek(record.offset)
        data, tail = file.read(record.length), file.read(4)
        if len(data) < record.length or len(tail) < 4:
            raise FormatError(f"it ends within the record at byte {record.offset}")
        if verify and masked_crc(data) != int.from_bytes(tail, "little"):
            raise FormatError(f"the record at byte {record.offset} does not match its checksum")
        return data


# --- The checksum ----------------------------------------------------------------------------


def masked_crc(data: bytes) -> int:
    """CRC-32C as TFRecord stores it."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK) & _ONES


def crc32c(data: bytes) -> int:
    """CRC-32C of some bytes; long ones are cut into lanes that NumPy steps through together."""
    table = _table()
    if len(data) < 4 * _LANES:
        crc = _ONES
        lookup = table.tolist() if len(data) > 256 else table
        for byte in data:
            crc = int(lookup[(crc ^ byte) & 255]) ^ (crc >> 8)
        return crc ^ _ONES
    # Zeros in front change nothing when one starts from 0, and starting from all ones is the
    # same as inverting the first four bytes.
    length = -(-len(data) // _LANES)
    padded = np.zeros(_LANES * length, np.uint8)
    begin = len(padded) - len(data)
    padded[begin:] = np.frombuffer(data, np.uint8)
    padded[begin : begin + 4] ^= 255
    lanes = np.zeros(_LANES, np.uint32)
    for column in np.ascontiguousarray(padded.reshape(_LANES, length).T):
        lanes = table[(lanes ^ column) & 255] ^ (lanes >> 8)
    # Two neighbours become one: the left one's sum moves on by the length of the right one.
    shift = _shift(length)
    while len(lanes) > 1:
        lanes = _apply(shift, lanes[0::2]) ^ lanes[1::2]
        shift = _apply(shift, shift)
    return int(lanes[0]) ^ _ONES


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint32]:
    values: NDArray[np.uint32] = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        flip = np.where(values & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
        values = np.asarray((values >> 1) ^ flip, np.uint32)
    return values


def _shift(length: int) -> NDArray[np.uint32]:
    """The linear map of a sum over ``length`` zero bytes, as what becomes of each of 32 bits."""
    bits = np.left_shift(np.ones(32, np.uint32), np.arange(32, dtype=np.uint32))
    one = _table()[bits & 255] ^ (bits >> 8)
    total = bits
    while length:
        if length & 1:
            total = _apply(one, total)
        one, length = _apply(one, one), length >> 1
    return total


def _apply(columns: NDArray[np.uint32], values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    bits = (values[:, None] >> np.arange(32, dtype=np.uint32)) & 1  # V 32
    return np.bitwise_xor.reduce(bits * columns, axis=1)


# --- tf.train.Example ------------------------------------------------------------------------

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # protocol buffers' wire types
_KINDS = {1: "bytes", 2: "floats", 3: "integers"}


class Example:
    """The lists of one record, decoded one by one when asked for.

    Parameters
    ----------
    data
        The payload.
    where
        File and record, for messages.

    Raises
    ------
    FormatError
        When the payload is not such a message.
    """

    def __init__(self, data: bytes, where: str):
        self._where = where
        self._features: dict[str, memoryview] = {}
        with reading(where, "a tf.train.Example"):
            for number, features in _fields(memoryview(data)):
                if number != 1:
                    continue
                for one, entry in _fields(features):
                    if one == 1:
                        pair = dict(_fields(entry))
                        name = bytes(pair.get(1, b"")).decode("utf-8")
                        self._features[name] = memoryview(pair.get(2, b""))

    def __contains__(self, name: str) -> bool:
        return name in self._features

    @property
    def names(self) -> list[str]:
        """Of all lists, sorted."""
        return sorted(self._features)

    def bytes(self, name: str) -> list[bytes]:
        """A list of bytes."""
        return [bytes(item) for item in self._items(name, "bytes")]

    def text(self, name: str) -> str:
        """The first item of a list of bytes, as text; empty where there is none."""
        items = self.bytes(name) if name in self else []
        return items[0].decode("utf-8", "replace") if items else ""

    def floats(self, name: str) -> NDArray[np.float32]:
        """A list of float32, ``(n,)``."""
        packed = b"".join(self._items(name, "floats"))
        if len(packed) % 4:
            raise FormatError(f"{self._where}: {name} ends within a number")
        return np.frombuffer(packed, "<f4").astype(np.float32)

    def integers(self, name: str) -> NDArray[np.int64]:
        """A list of int64, ``(n,)``."""
        return _varints(b"".join(self._items(name, "integers")), f"{self._where}: {name}")

    def _items(self, name: str, kind: str) -> list[memoryview]:
        if name not in self._features:
            found = ", ".join(self.names[:12]) or "nothing"
            raise FormatError(f"{self._where} lacks {name}; found {found}")
        items: list[memoryview] = []
        with reading(self._where, "a tf.train.Example"):
            for number, content in _fields(self._features[name]):
                found = _KINDS.get(number, "something unknown")
                if found != kind:
                    raise FormatError(f"{name} holds {found}, expected {kind}")
                items += [item for one, item in _fields(content) if one == 1]
        return items


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a message: their numbers and their bytes, without a length."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        begin = at
        if kind == _VARINT:
            _, end = _varint(message, at)
        elif kind == _BYTES:
            length, begin = _varint(message, at)
            end = begin + length
        elif kind in (_FOUR, _EIGHT):
            end = at + (4 if kind == _FOUR else 8)
        else:
            raise FormatError(f"it has a field of the unknown wire type {kind}")
        if end > len(message):
            raise FormatError("it ends within a field")
        yield tag >> 3, message[begin:end]
        at = end


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= len(message):
            raise FormatError("it ends within a number")
        byte = message[at + place]
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    raise FormatError("it has a number of more than ten bytes")


def _varints(packed: bytes, where: str) -> NDArray[np.int64]:
    """All numbers of a packed list at once."""
    data = np.frombuffer(packed, np.uint8)
    last = np.flatnonzero(data < 128)
    if len(data) and (len(last) == 0 or last[-1] != len(data) - 1):
        raise FormatError(f"{where} ends within a number")
    if not len(last):
        return np.empty(0, np.int64)
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > 10:
        raise FormatError(f"{where} has a number of more than ten bytes")
    place: NDArray[Any] = np.arange(len(data)) - np.repeat(first, lengths)
    parts = (data & 127).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.bitwise_or.reduceat(parts, first).view(np.int64)
