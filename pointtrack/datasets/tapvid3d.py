"""TAPVid-3D: points tracked in space, in videos of three sources.

Koppula et al., "TAPVid-3D: A Benchmark for Tracking Any Point in 3D", NeurIPS 2024. The layout,
as the benchmark's scripts make it: folders ``adt``, ``pstudio`` and ``drivetrack`` (or the files
of one of them) of ``.npz`` archives with

- ``images_jpeg_bytes`` (T,), ``fx_fy_cx_cy`` (4,) in pixels;
- ``tracks_XYZ`` (T, N, 3), metres in the camera of each frame: x right, y down, z forward;
- ``visibility`` (T, N); ``queries_xyt`` (N, 3);
- ``extrinsics_w2c`` (T, 4, 4) where present.

A clip's `xy` is the projection of the points, and `xyz` with `camera` are in the world of
``extrinsics_w2c``. Without it every frame's camera stands at the origin, so that `xyz` is in the
camera of each frame; ``clip.camera.to_camera(clip.xyz[:, t], t)`` gives ``tracks_XYZ`` either
way. Points that are not in front of the camera have no `xy`. `extra` holds ``fx_fy_cx_cy`` and
``source``, the folder's name.

Pixels are TAP-Vid's: (0.5, 0.5) is the centre of the top-left pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.camera import Camera
from pointtrack.datasets.clip import Clip, Dataset, Entry
from pointtrack.datasets.pictures import EncodedSource
from pointtrack.datasets.stored import archive_arrays, encoded_pictures, folder_at, naming
from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.geometry import raster_to_pixel
from pointtrack.queries import Queries
from pointtrack.video import Video
from pointtrack.video.pictures import natural_order

SOURCES = ("adt", "drivetrack", "pstudio")


class TapVid3dDataset(Dataset):
    """TAPVid-3D's archives; see the module.

    Parameters
    ----------
    path
        The folder with the sources' folders, or with the archives of one.

    Raises
    ------
    FormatError
        When no archive is found.
    """

    name = "tapvid3d"

    def __init__(self, path: PathLike):
        root = folder_at(path)
        below = [file for source in SOURCES for file in (root / source).glob("*.npz")]
        self._files = sorted(below or root.glob("*.npz"), key=natural_order)
        if not self._files:
            raise FormatError(f"the folder {root} holds no .npz, nor do {', '.join(SOURCES)} in it")
        self._several = bool(below)

    def count(self) -> int:
        return len(self._files)

    def entries(self) -> Iterator[Entry]:
        """One entry an archive; ``SOURCE/NAME`` where there are several sources."""
        for file in self._files:
            name = f"{file.parent.name}/{file.stem}" if self._several else file.stem
            yield Entry(name, partial(_read, file, name))


def _read(file: Path, name: str) -> Clip:
    arrays = archive_arrays(
        file,
        {
            "fx_fy_cx_cy": "4",
            "tracks_XYZ": "T N 3",
            "visibility": "T N",
            "queries_xyt": "N 3",
        },
        {"extrinsics_w2c": "T 4 4"},
    )
    with naming(file):
        video = Video(EncodedSource(encoded_pictures(file, "images_jpeg_bytes"), str(file)))
        seen = arrays["tracks_XYZ"].astype(np.float64)  # T N 3
        camera = _camera(arrays["fx_fy_cx_cy"], arrays.get("extrinsics_w2c"), len(seen))
        xyz, xy = np.empty_like(seen), np.empty((*seen.shape[:2], 2))
        for t, points in enumerate(seen):
            pose = camera.extrinsics[t]
            xyz[t] = np.linalg.solve(pose[:3, :3], (points - pose[:3, 3]).T).T
            xy[t] = camera.project(xyz[t], t)[0]
        xy[~(seen[..., 2] > 0)] = np.nan
        x, y, t = arrays["queries_xyt"].astype(np.float64).T
        asked = np.column_stack([np.round(t), raster_to_pixel(np.column_stack([x, y]))])
        return Clip(
            name,
            video,
            xy.transpose(1, 0, 2),
            (arrays["visibility"] != 0).T,
            queries=Queries(asked) if len(asked) else None,
            xyz=xyz.transpose(1, 0, 2),
            camera=camera,
            extra={"fx_fy_cx_cy": arrays["fx_fy_cx_cy"], "source": file.resolve().parent.name},
        )


def _camera(four: NDArray[Any], extrinsics: NDArray[Any] | None, frames: int) -> Camera:
    fx, fy, cx, cy = four.astype(np.float64)
    if not (fx > 0 and fy > 0):
        raise FormatError(f"fx_fy_cx_cy is {four.tolist()}, expected positive focal lengths")
    cx, cy = raster_to_pixel(np.array([cx, cy]))
    inner = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    outer = np.eye(4)[None].repeat(frames, 0) if extrinsics is None else extrinsics
    return Camera(inner[None].repeat(frames, 0), np.asarray(outer, np.float64))
