"""Writes a clip as PointOdyssey does (version 1.2), so that its readers take it.

``<sequence>/``

- ``rgbs/rgb_00000.jpg``, ... (or ``.png``);
- ``depths/depth_00000.png``: uint16, metres = value / 65535 * 1000, along the optical axis;
  65535 is 1000 m or farther, or nothing;
- ``masks/mask_00000.png``: palette PNG, the instance's number, 0 is background;
- ``normals/normal_00000.jpg``: (n + 1) / 2 * 255, in Blender's world (z up);
- ``anno.npz``: ``trajs_2d (T, N, 2)`` (raster: the centre of the top-left pixel is (0.5, 0.5)),
  ``trajs_3d (T, N, 3)``, ``visibs`` and ``valids (T, N)``, ``intrinsics (T, 3, 3)`` (for raster
  coordinates too) and ``extrinsics (T, 4, 4)``, all in the world of OBJ files (y up).

PointOdyssey's own arrays are float16, which is half a pixel off at x = 600; these are float32.
Our additions, which other readers pass over:

- ``flows/forward_00000.png``, ``flows/backward_00001.png``: flow to the next and to the previous
  frame as in KITTI, 16 bit: red and green are 64 * (x, y) + 32768, blue is 1 where it is known;
- in ``anno.npz``, ``instances (N,)``, the instance a point is on, and ``queries (N, 4)``, where
  it was chosen: rows of (view, frame, x, y), raster;
- ``meta.json``: seed and config, from which the clip can be made again, and how well the tracks
  agree with the maps.

Pure NumPy and OpenCV.
"""

from __future__ import annotations

import colorsys
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.camera import Camera
from pointtrack.errors import FormatError
from pointtrack.formats.pointodyssey import ANNOTATION_NAMES, DEPTH_RANGE
from pointtrack.geometry import pixel_to_raster
from pointtrack.synthesis.blender.config import Images
from pointtrack.synthesis.blender.lenses import TO_OBJ, to_pointodyssey
from pointtrack.synthesis.blender.passes import FrameMaps

_DEEPEST = 65535
_QUALITY = 97


@dataclass(frozen=True, eq=False)
class Annotations:
    """The tracks of one view.

    Attributes
    ----------
    xy
        ``(N, T, 2)``, pixels, centre of the top-left one at (0, 0); NaN where not valid.
    xyz
        ``(N, T, 3)``, Blender's world.
    visible
        ``(N, T)`` bool.
    camera
        From Blender's world to pixels.
    instance
        ``(N,)``.
    queries
        ``(N, 4)`` rows of (view, frame, x, y), pixels.
    """

    xy: NDArray[np.float64]
    xyz: NDArray[np.float64]
    visible: NDArray[np.bool_]
    camera: Camera
    instance: NDArray[np.uint16]
    queries: NDArray[np.float64]


class SequenceWriter:
    """Fills the folder of one sequence, frame by frame."""

    def __init__(self, folder: Path, images: Images = "jpg"):
        self._folder, self._images = folder, images
        for name in ("rgbs", "depths", "masks", "normals", "flows"):
            (folder / name).mkdir()

    def write_frame(
        self, frame: int, picture: NDArray[np.uint8], maps: FrameMaps, last: bool
    ) -> None:
        """Write a picture ``(H, W, 3)`` RGB and its maps; the last frame has no flow forwards."""
        place, number = self._folder, f"{frame:05d}"
        _write(place / "rgbs" / f"rgb_{number}.{self._images}", picture[..., ::-1])
        _write(place / "depths" / f"depth_{number}.png", encode_depth(maps.depth))
        (place / "masks" / f"mask_{number}.png").write_bytes(palette_png(maps.index))
        normals = np.clip(np.rint((maps.normal + 1) / 2 * 255), 0, 255).astype(np.uint8)
        _write(place / "normals" / f"normal_{number}.jpg", normals[..., ::-1])
        known = np.isfinite(maps.depth)
        if not last:
            flow = encode_flow(maps.forward, known)
            _write(place / "flows" / f"forward_{number}.png", flow[..., ::-1])
        if frame:
            flow = encode_flow(maps.backward, known)
            _write(place / "flows" / f"backward_{number}.png", flow[..., ::-1])

    def write_annotations(self, tracks: Annotations) -> None:
        """Write ``anno.npz``."""
        inner, outer = to_pointodyssey(tracks.camera)
        valid = np.isfinite(tracks.xy).all(2)
        queries = tracks.queries.copy()
        queries[:, 2:] = pixel_to_raster(queries[:, 2:])
        np.savez(
            self._folder / ANNOTATION_NAMES[0],
            trajs_2d=pixel_to_raster(tracks.xy).transpose(1, 0, 2).astype(np.float32),
            trajs_3d=(tracks.xyz @ TO_OBJ.T).transpose(1, 0, 2).astype(np.float32),
            visibs=(tracks.visible & valid).T.astype(np.uint8),
            valids=valid.T.astype(np.uint8),
            intrinsics=inner.astype(np.float32),
            extrinsics=outer.astype(np.float32),
            instances=tracks.instance,
            queries=queries.astype(np.float32),
        )

    def write_description(self, description: dict[str, Any]) -> None:
        """Write ``meta.json``."""
        text = json.dumps(description, indent=2)
        (self._folder / "meta.json").write_text(text + "\n", encoding="utf-8")


def encode_depth(depth: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Metres as PointOdyssey's 16-bit numbers; infinity and what is too far get the greatest."""
    return np.rint(np.clip(depth, 0, DEPTH_RANGE) / DEPTH_RANGE * _DEEPEST).astype(np.uint16)


def encode_flow(flow: NDArray[np.floating], known: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Flow ``(H, W, 2)`` as KITTI's 16-bit RGB: a step is 1/64 px, at most 512 px."""
    known = known & (np.abs(flow) < 511).all(2)
    steps = np.rint(np.where(known[..., None], flow, 0) * 64) + 32768
    return np.dstack([steps * known[..., None], known]).astype(np.uint16)


def palette_png(index: NDArray[np.integer]) -> bytes:
    """A PNG whose pixels are the numbers themselves, shown in colours: 8 bits with a palette.

    OpenCV writes none. More than 256 instances make a grey 16-bit PNG instead.
    """
    height, width = index.shape
    few = int(index.max(initial=0)) < 256
    rows = np.ascontiguousarray(index, np.uint8 if few else ">u2").view(np.uint8)
    lines = np.pad(rows.reshape(height, -1), ((0, 0), (1, 0)))  # filter 0 before each row
    head = struct.pack(">IIBBBBB", width, height, 8 if few else 16, 3 if few else 0, 0, 0, 0)
    palette = _chunk(b"PLTE", _palette()) if few else b""
    data = _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + palette + data + _chunk(b"IEND", b"")


def _palette() -> bytes:
    """Black, then hues that go round by the golden section, so that neighbours differ."""
    colours = [(0.0, 0.0, 0.0)]
    colours += [colorsys.hls_to_rgb((0.01 + 0.618034 * i) % 1, 0.5, 0.7) for i in range(255)]
    return np.rint(np.array(colours) * 255).astype(np.uint8).tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _write(path: Path, picture: NDArray[Any]) -> None:
    """Write a picture as OpenCV has it: BGR."""
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY] if path.suffix == ".jpg" else []
    if path.suffix == ".jpg":
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, data = cv2.imencode(path.suffix, np.ascontiguousarray(picture), options)
    if not done:
        raise FormatError(f"OpenCV cannot encode {path}")
    path.write_bytes(data.tobytes())
