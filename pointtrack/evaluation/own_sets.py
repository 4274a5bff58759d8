"""Evaluation sets of our own, fixed and never trained on.

- ``procedural-val``: 64 clips of 48 frames, 256x256, 256 tracks each, generated from their
  seeds when first asked for and kept in the cache (`pointtrack.files.cache_folder`);
- ``blender-val``: clips of 32 frames, 256x256, 256 tracks each, rendered by Blender in indoor,
  outdoor and abstract scenes; they lie in the package.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pointtrack.datasets import Clip, Dataset, Entry
from pointtrack.errors import FormatError
from pointtrack.files import PathLike, cache_folder, reason

PROCEDURAL_SEED = 20240601
PROCEDURAL_CLIPS = 64
# Of every eight clips four of the everyday preset and one of each other.
_PRESETS = ("default", "easy", "default", "thin", "default", "hard", "default", "textureless")
_PROCEDURAL_VERSION = "v1"  # a new one where the generator's clips change
_BLENDER_PLACE = Path(__file__).with_name("blender_val")


class ProceduralVal(Dataset):
    """The set ``procedural-val``.

    Parameters
    ----------
    place
        Where its clips are kept; default: the cache.
    """

    name = "procedural-val"

    def __init__(self, place: PathLike | None = None):
        default = cache_folder() / self.name / _PROCEDURAL_VERSION
        self._place = Path(place) if place is not None else default

    def count(self) -> int:
        return PROCEDURAL_CLIPS

    def entries(self) -> Iterator[Entry]:
        """One entry a clip; loading one that is not in the cache generates it (seconds)."""
        for index in range(PROCEDURAL_CLIPS):
            name = f"{_PRESETS[index % len(_PRESETS)]}-{index:02d}"
            yield Entry(name, partial(self._load, index, name))

    def _load(self, index: int, name: str) -> Clip:
        from pointtrack.synthesis import generate, preset
        from pointtrack.synthesis.production import clip_seed
        from pointtrack.synthesis.storage import clip_folder, is_written, read_clip, write_clip

        config = preset(_PRESETS[index % len(_PRESETS)], frames=48, size=(256, 256), points=256)
        seed = clip_seed(PROCEDURAL_SEED, index)
        folder = clip_folder(self._place, index)
        if not is_written(folder, seed, config, "png"):
            try:
                folder.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as place:
                    made = Path(place) / folder.name
                    write_clip(made, generate(seed, config), "png")
                    try:
                        made.rename(folder)
                    except OSError:
                        if not is_written(folder, seed, config, "png"):  # by another process
                            raise
            except OSError as problem:
                raise FormatError(
                    f"cannot keep {self.name} in {folder.parent}: {reason(problem)}; "
                    "set POINTTRACK_CACHE to a folder of yours"
                ) from problem
        return read_clip(folder, name)


class BlenderVal(Dataset):
    """The set ``blender-val``.

    Raises
    ------
    FormatError
        When the package lacks its files.
    """

    name = "blender-val"

    def __init__(self) -> None:
        if not _BLENDER_PLACE.is_dir():
            raise FormatError(f"this installation lacks {_BLENDER_PLACE}")
        self._folders = sorted(p for p in _BLENDER_PLACE.iterdir() if p.is_dir())

    def count(self) -> int:
        return len(self._folders)

    def entries(self) -> Iterator[Entry]:
        from pointtrack.synthesis.storage import read_clip

        for folder in self._folders:
            yield Entry(folder.name, partial(read_clip, folder))


OWN_SETS: dict[str, type[ProceduralVal] | type[BlenderVal]] = {
    ProceduralVal.name: ProceduralVal,
    BlenderVal.name: BlenderVal,
}
