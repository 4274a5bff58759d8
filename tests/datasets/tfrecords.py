"""Writes TFRecord files of tf.train.Example, bit by bit as their formats say."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

Values = Sequence[bytes] | Sequence[int] | Sequence[float]


def crc32c(data: bytes) -> int:
    """Bit by bit, which is slow and plain."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes, checksum: int | None = None) -> bytes:
    crc = crc32c(data) if checksum is None else checksum
    rotated = ((crc >> 15) | (crc << 17)) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def feature(values: Values, packed: bool = True) -> bytes:
    """The kind of list goes by the first value; an empty one is a list of bytes."""
    if not values or isinstance(values[0], bytes):
        return field(1, b"".join(field(1, v) for v in values if isinstance(v, bytes)))
    if isinstance(values[0], float):
        items = [struct.pack("<f", v) for v in values]
        loose = b"".join(varint(1 << 3 | 5) + item for item in items)
        return field(2, field(1, b"".join(items)) if packed else loose)
    items = [varint(int(v)) for v in values]
    loose = b"".join(varint(1 << 3 | 0) + item for item in items)
    return field(3, field(1, b"".join(items)) if packed else loose)


def example(features: Mapping[str, Values], packed: bool = True) -> bytes:
    entries = (
        field(1, field(1, name.encode()) + field(2, feature(values, packed)))
        for name, values in features.items()
    )
    return field(1, b"".join(entries))


def record(payload: bytes, checksum: int | None = None) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload, checksum)


def write(path: Path, payloads: Sequence[bytes], checksums: Sequence[int] | None = None) -> Path:
    """Checksums may be given where taking them bit by bit would take too long."""
    sums = checksums or [None] * len(payloads)
    path.write_bytes(b"".join(record(p, c) for p, c in zip(payloads, sums, strict=True)))
    return path
