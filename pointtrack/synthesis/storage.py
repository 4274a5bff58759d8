"""Generated clips on the disk: one folder a clip, written whole or not at all.

``clip_000123/``

- ``frames/00000.png``, ... (exact), or ``video.mp4`` (H.264, some twenty times smaller);
- ``tracks.npz``: the tracks and queries in pointtrack's own format (see
  `pointtrack.formats.npz`); where a point is not valid its position is NaN;
- ``meta.json``: ``generator``, ``seed`` and ``config``, from which `generate` makes the same
  clip again, and ``store``, how its frames are kept.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets import Clip
from pointtrack.datasets.truth import read_clip as read_truth
from pointtrack.errors import FormatError
from pointtrack.files import PathLike, reason
from pointtrack.formats.npz import Npz
from pointtrack.synthesis.config import ProceduralConfig
from pointtrack.synthesis.folders import clip_folder as clip_folder
from pointtrack.synthesis.folders import difference, whole_folder
from pointtrack.synthesis.procedural import FPS, SyntheticClip
from pointtrack.video import open_video, write_video

Store = Literal["png", "mp4"]
STORES: tuple[Store, ...] = ("png", "mp4")
_GENERATOR = "procedural"


def write_clip(folder: Path, clip: SyntheticClip, store: Store = "png") -> None:
    """Write a clip's folder; it appears under its name only when all is in it.

    Raises
    ------
    FormatError
        When the operating system refuses, or the folder exists.
    """
    with whole_folder(folder) as temporary:
        if store == "mp4":
            write_video(temporary / "video.mp4", clip.video, FPS, crf=14)
        else:
            (temporary / "frames").mkdir()
            for t, frame in enumerate(clip.video):
                (temporary / "frames" / f"{t:05d}.png").write_bytes(_png(frame))
        Npz().write(clip.to_tracks(), temporary / "tracks.npz")
        text = json.dumps(_description(clip.seed, clip.config, store), indent=2)
        (temporary / "meta.json").write_text(text + "\n", encoding="utf-8")


def read_clip(folder: PathLike, name: str | None = None) -> Clip:
    """Read a folder that `write_clip` wrote, as a clip of a data set; default name: the folder's.

    Raises
    ------
    PointtrackError
        When a file is missing or damaged; the message names it.
    """
    place = Path(folder)
    frames = place / "frames"
    moving = place / "video.mp4"  # knows its own frame rate
    video = open_video(frames, fps=FPS) if frames.is_dir() else open_video(moving)
    return read_truth(name or place.name, video, place / "tracks.npz")


def is_written(folder: Path, seed: int, config: ProceduralConfig, store: Store) -> bool:
    """Whether a clip is there already.

    Raises
    ------
    FormatError
        When something else is there: another clip, or a folder of another kind.
    """
    if not folder.exists():
        return False
    meta = folder / "meta.json"
    try:
        found = json.loads(meta.read_text(encoding="utf-8"))
    except OSError as problem:
        raise FormatError(f"cannot read {meta}: {reason(problem)}") from problem
    except ValueError as problem:
        raise FormatError(f"{meta} is not the description of a generated clip") from problem
    wanted = json.loads(json.dumps(_description(seed, config, store)))
    if found != wanted:
        raise FormatError(
            f"{folder} was generated {difference(found, wanted)}; choose another folder"
        )
    return True


def _description(seed: int, config: ProceduralConfig, store: Store) -> dict[str, Any]:
    return {"generator": _GENERATOR, "seed": seed, "config": asdict(config), "store": store}


def _png(frame: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    if not done:
        raise FormatError("OpenCV cannot encode a frame as PNG")
    return data.tobytes()
