"""Pictures and arrays as videos."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_videos import numbers, picture
from numpy.typing import NDArray

from pointtrack.errors import VideoError
from pointtrack.video import Video, open_video
from pointtrack.video.pictures import natural_order
from pointtrack.video.source import to_rgb


def _save(path: Path, pixels: NDArray[np.generic]) -> Path:
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
    assert cv2.imwrite(str(path), pixels)
    return path


def _folder(folder: Path, names: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        _save(folder / name, picture(i))
    return folder


def test_folder_in_natural_order(tmp_path: Path) -> None:
    names = ["f1.png", "f2.png", "F9.png", "f10.png", "f11b.png", "f100.png"]
    folder = _folder(tmp_path / "frames", names)
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "sub.png").mkdir()
    video = open_video(folder)
    assert isinstance(video, Video)
    assert numbers(video) == list(range(6))
    assert (video.size, video.fps, len(video)) == ((64, 48), 25, 6)
    np.testing.assert_allclose(open_video(folder, fps=10).times, np.arange(6) / 10)


def test_natural_order_takes_any_name() -> None:
    names = ["b", "a²", "a1", "a01", "٣", "a", "1", "é2", "é10"]
    ordered = sorted((Path(name) for name in names), key=natural_order)
    backwards = ordered[::-1]
    assert ordered == sorted(backwards, key=natural_order)
    assert ordered.index(Path("é2")) < ordered.index(Path("é10"))


def test_glob_list_and_single_picture(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "frames", ["a2.png", "a10.png", "b1.png"])
    assert numbers(open_video(str(folder / "a*.png"))) == [0, 1]
    assert numbers(open_video([folder / "b1.png", str(folder / "a2.png")])) == [2, 0]
    assert numbers(open_video(folder / "a10.png")) == [1]


def test_glob_over_several_folders_keeps_them_apart(tmp_path: Path) -> None:
    for i, name in enumerate(("s2", "s10")):
        (tmp_path / name).mkdir()
        for j in range(2):
            _save(tmp_path / name / f"{j}.png", picture(2 * i + j))
    assert numbers(open_video(str(tmp_path / "s*" / "*.png"))) == [0, 1, 2, 3]


def test_name_with_brackets_is_no_glob_when_it_exists(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "clip [1]", ["0.png"])
    assert len(open_video(folder)) == 1


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("frames/*.jpg", "no file matches"),
        ("frames/7.png", "there is no file"),
        ("empty", "holds no pictures"),
        ("empty.png", r"empty\.png is not a picture"),
        ("text.png", r"text\.png is not a picture"),
        ("cut.png", r"cut\.png is not a picture"),
    ],
)
def test_nothing_to_read(tmp_path: Path, source: str, words: str) -> None:
    _folder(tmp_path / "frames", ["0.png"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes((tmp_path / "frames" / "0.png").read_bytes()[:30])
    with pytest.raises(VideoError, match=words):
        open_video(tmp_path / source)


def test_bad_lists(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="an empty list"):
        open_video([])
    with pytest.raises(VideoError, match="must hold picture files, found ndarray"):
        open_video([np.zeros((4, 4, 3), np.uint8)])  # type: ignore[list-item]
    with pytest.raises(VideoError, match=r"cannot read .*gone\.png: no such file"):
        open_video([tmp_path / "gone.png"])
    with pytest.raises(VideoError, match="found dict"):
        open_video({})  # type: ignore[call-overload]
    with pytest.raises(VideoError, match="found int"):
        open_video(b"clip.mp4")  # type: ignore[arg-type]


def test_mixed_sizes_name_the_picture(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "frames", ["0.png", "1.png"])
    _save(folder / "2.png", picture(2, 32, 24))
    video = open_video(folder)
    with pytest.raises(
        VideoError, match=r"2\.png is 32x24, but the first picture, 0\.png, is 64x48"
    ):
        list(video)


def test_sixteen_bits_grey_and_alpha(tmp_path: Path) -> None:
    colour = picture(3)
    deep = _save(tmp_path / "deep.png", colour.astype(np.uint16) * 257)
    assert np.array_equal(open_video(deep)[0], colour)
    grey = _save(tmp_path / "grey.png", colour[..., 1])
    assert np.array_equal(open_video(grey)[0], np.repeat(colour[..., 1:2], 3, axis=2))
    deep_grey = _save(tmp_path / "deep_grey.tif", colour[..., 1].astype(np.uint16) * 257)
    assert np.array_equal(open_video(deep_grey)[0], np.repeat(colour[..., 1:2], 3, axis=2))
    alpha = np.full((48, 64, 1), 51, np.uint8)
    clear = _save(tmp_path / "alpha.png", np.concatenate([colour, alpha], axis=2))
    np.testing.assert_allclose(open_video(clear)[0], colour / 5, atol=0.51)


@pytest.mark.parametrize("suffix", ["bmp", "tif", "ppm", "webp", "jpg"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    path = _save(tmp_path / f"a.{suffix}", picture(9))
    assert numbers(open_video(path)) == [9]


def _with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF block with nothing but the orientation behind the JPEG's first marker."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + entry + bytes(4)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize(("orientation", "clockwise"), [(1, 0), (6, 1), (3, 2), (8, 3)])
def test_exif_rotation_of_jpeg(tmp_path: Path, orientation: int, clockwise: int) -> None:
    path = _save(tmp_path / "a.jpg", picture(5))
    stored = open_video(path)[0]
    path.write_bytes(_with_orientation(path.read_bytes(), orientation))
    assert np.array_equal(open_video(path)[0], np.rot90(stored, -clockwise))


# -- arrays --------------------------------------------------------------------------------


def test_array_layouts() -> None:
    rgb = np.stack([picture(i) for i in range(4)])
    grey = rgb[..., 1]
    same = np.repeat(grey[..., None], 3, axis=3)
    alpha = np.full((*grey.shape, 1), 255, np.uint8)
    assert np.array_equal(open_video(rgb).to_numpy(), rgb)
    assert np.array_equal(open_video(grey).to_numpy(), same)
    assert np.array_equal(open_video(grey[..., None]).to_numpy(), same)
    assert np.array_equal(open_video(np.concatenate([rgb, alpha], axis=3)).to_numpy(), rgb)
    two = np.concatenate([grey[..., None], alpha // 5], axis=3)
    np.testing.assert_allclose(open_video(two).to_numpy(), same / 5, atol=0.51)
    assert np.array_equal(open_video(rgb.astype(np.uint16) * 257).to_numpy(), rgb)
    turned = rgb.transpose(0, 2, 1, 3)[:, ::-1]  # not contiguous
    assert np.array_equal(open_video(turned).to_numpy(), turned)
    video = open_video(rgb, fps=50)
    assert (video.size, len(video), video.fps, video.name) == ((64, 48), 4, 50, "array")
    assert numbers(video[::-1]) == [3, 2, 1, 0]


def test_array_is_not_copied() -> None:
    array = np.zeros((3, 4, 4, 3), np.uint8)
    assert np.shares_memory(open_video(array)[1], array)


def test_sixteen_bits_are_rounded() -> None:
    deep = np.array([[[0, 128, 129, 385, 386, 65406, 65407, 65535]]], np.uint16)
    assert open_video(deep)[0][0, :, 0].tolist() == [0, 0, 1, 1, 2, 254, 255, 255]


@pytest.mark.parametrize("kind", [np.float32, np.int16, np.int64, bool, object])
def test_wrong_dtype(kind: type) -> None:
    with pytest.raises(VideoError, match="pixels must be uint8 or uint16"):
        open_video(np.zeros((2, 8, 8, 3), kind))


@pytest.mark.parametrize(
    "shape", [(8, 8), (2, 8, 8, 5), (0, 8, 8, 3), (2, 0, 8, 3), (1, 2, 8, 8, 3)]
)
def test_wrong_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(VideoError, match=r"shape|found \("):
        open_video(np.zeros(shape, np.uint8))


def test_alpha_is_blended_with_rounding() -> None:
    pixel = np.array([[[255, 200, 1, 128]]], np.uint8)
    assert to_rgb(pixel, "pixel").tolist() == [[[128, 100, 1]]]
