"""Makes rendered clips small enough to be handed round: a video file and its tracks.

A packed clip has the layout of `pointtrack.synthesis.storage`: ``video.mp4``, ``tracks.npz`` and
``meta.json``. Depth, masks, flow and cameras stay behind.
"""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np

from pointtrack.datasets.pointodyssey import find_annotation, read_sequence
from pointtrack.errors import FormatError
from pointtrack.files import PathLike, reason
from pointtrack.formats.npz import Npz
from pointtrack.geometry import raster_to_pixel
from pointtrack.queries import Queries
from pointtrack.synthesis.blender.production import MANIFEST
from pointtrack.synthesis.folders import make_folder, whole_folder
from pointtrack.tracks import Tracks
from pointtrack.video import write_video


def pack(source: PathLike, out: PathLike, crf: int = 16) -> list[Path]:
    """Pack every clip of a folder of Blender clips, and its manifest.

    Queries are those the points were chosen by; a point that was chosen in another view or that
    is hidden there begins where it is first seen, and one never seen is left out.

    Parameters
    ----------
    source
        What `produce` wrote.
    out
        Where the packed clips go; those that are there are kept.
    crf
        Quality of the H.264 video, 0 (exact) to 51; some 16 look exact.

    Returns
    -------
    list
        The folders of the packed clips.

    Raises
    ------
    FormatError
        When there is no clip, or one is damaged.
    """
    folders = sorted(p.parent for p in Path(source).glob("*/meta.json") if p.parent.name[0] != ".")
    if not folders:
        raise FormatError(f"the folder {source} holds no Blender clip")
    place = make_folder(out)
    packed = [place / folder.name for folder in folders]
    for folder, target in zip(folders, packed, strict=True):
        if not target.exists():
            _pack(folder, target, crf)
    manifest = Path(source) / MANIFEST
    if manifest.exists():
        shutil.copyfile(manifest, place / MANIFEST)
    return packed


def _pack(folder: Path, target: Path, crf: int) -> None:
    clip = read_sequence(folder, folder.name)
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    except OSError as problem:
        raise FormatError(f"cannot read {folder / 'meta.json'}: {reason(problem)}") from problem
    fps = Fraction(meta["config"]["fps"])
    with np.load(find_annotation(folder)) as archive:
        chosen = archive["queries"].astype(np.float64)  # N 4: view, frame, x, y
    frame = chosen[:, 1].astype(int)
    each = np.arange(len(chosen))
    fits = (chosen[:, 0] == meta["view"]) & clip.visible[each, frame]
    frame = np.where(fits, frame, clip.visible.argmax(1))
    place = np.where(fits[:, None], raster_to_pixel(chosen[:, 2:]), clip.xy[each, frame])
    seen = clip.visible.any(1)
    queries = Queries(np.c_[frame, place][seen].astype(np.float32))
    tracks = Tracks(
        clip.xy[seen].astype(np.float32), clip.visible[seen], size=clip.video.size, fps=fps,
        queries=queries,
    )  # fmt: skip
    with whole_folder(target) as temporary:
        write_video(temporary / "video.mp4", clip.video, fps, crf=crf)
        Npz().write(tracks, temporary / "tracks.npz")
        text = json.dumps({**meta, "store": "mp4"}, indent=2)
        (temporary / "meta.json").write_text(text + "\n", encoding="utf-8")
