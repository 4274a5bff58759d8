from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pointtrack.datasets.picture_maps import (
    frame_files,
    read_depth,
    read_flow,
    read_labels,
    read_values,
)
from pointtrack.errors import FormatError


def touch(folder: Path, names: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("there", "count", "first", "added"),
    [
        (["a_0.png", "a_1.png", "a_3.png"], 4, None, ["a_2.png"]),
        (["00001.jpg", "00002.jpg"], 3, None, ["00000.jpg"]),
        (["0001.jpg", "0002.jpg", "0003.jpg"], 4, None, ["0000.jpg"]),
        (["0001.jpg", "0004.jpg"], 4, None, ["0002.jpg", "0003.jpg"]),
        (["0007.webp", "0008.webp"], 3, 6, ["0006.webp"]),
        (["0006.webp", "0007.webp"], 3, 6, ["0008.webp"]),
        (["0009.webp", "0011.webp"], 3, None, ["0010.webp"]),
        (["9.png", "10.png"], 3, 8, ["8.png"]),
    ],
)
def test_gaps_are_filled_by_name(
    tmp_path: Path, there: list[str], count: int, first: int | None, added: list[str]
) -> None:
    found = [path.name for path in frame_files(touch(tmp_path / "f", there), count, first)]
    assert len(found) == count
    assert set(found) == {*there, *added}


@pytest.mark.parametrize(
    ("there", "count"),
    [
        (["a.png", "b.png"], 3),  # no numbers
        (["a1.png", "b2.png"], 3),  # of two kinds
        (["0001.png", "0100.png"], 3),  # too far apart
        (["1.png", "2.png", "3.png"], 2),
    ],
)
def test_files_that_do_not_tell_are_counted(tmp_path: Path, there: list[str], count: int) -> None:
    folder = touch(tmp_path / "f", there)
    with pytest.raises(FormatError, match=f"holds {len(there)} pictures, expected {count}"):
        frame_files(folder, count)


def test_grey_labels_are_their_levels(tmp_path: Path) -> None:
    for kind in (np.uint8, np.uint16):
        labels = np.array([[0, 7], [np.iinfo(kind).max, 1]], kind)
        cv2.imwrite(str(tmp_path / "a.png"), labels)
        assert np.array_equal(read_labels(tmp_path / "a.png"), labels)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_labels_are_places_in_the_palette(tmp_path: Path, bits: int) -> None:
    image = pytest.importorskip("PIL.Image")
    labels = np.random.default_rng(0).integers(0, 2**bits, (9, 13)).astype(np.uint8)
    picture = image.fromarray(labels, mode="P")
    colours = np.random.default_rng(1).permutation(256)[: 2**bits]
    picture.putpalette(np.stack([colours, 255 - colours, colours // 2], 1).reshape(-1).tolist())
    picture.save(tmp_path / "a.png", bits=bits)
    assert np.array_equal(read_labels(tmp_path / "a.png"), labels)


def test_full_colours_are_numbers_of_their_own(tmp_path: Path) -> None:
    rgb = np.array([[[0, 0, 0], [1, 2, 3]]], np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1])
    assert read_labels(tmp_path / "a.png").tolist() == [[0, 0x010203]]
    cv2.imwrite(str(tmp_path / "a.png"), rgb.astype(np.uint16))
    with pytest.raises(FormatError, match=r"a\.png is a colour picture of uint16, expected 8 bit"):
        read_labels(tmp_path / "a.png")


def test_values_come_red_first_and_as_stored(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 65536, (4, 5, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1])
    assert np.array_equal(read_values(tmp_path / "a.png"), rgb)
    metres = np.random.default_rng(0).uniform(0, 60, (4, 5)).astype(np.float32)
    cv2.imwrite(str(tmp_path / "a.tiff"), metres)
    assert np.array_equal(read_values(tmp_path / "a.tiff"), metres)


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    for read in (read_values, read_labels, read_flow):
        with pytest.raises(FormatError, match=r"a\.png is not a picture that can be decoded"):
            read(tmp_path / "a.png")
    with pytest.raises(FormatError, match=r"cannot read .*b\.png: no such file"):
        read_labels(tmp_path / "b.png")


def test_depth_and_flow_must_have_sixteen_bits(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 5), np.uint8))
    with pytest.raises(FormatError, match="expected a grey 16-bit picture"):
        read_depth(tmp_path / "a.png", 1000)
    with pytest.raises(FormatError, match="expected a 16-bit colour picture"):
        read_flow(tmp_path / "a.png")
