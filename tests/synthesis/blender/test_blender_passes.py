from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointtrack.errors import FormatError
from pointtrack.synthesis.blender.passes import load_maps, read_exr, save_maps

SHAPE = (6, 8)
CHANNELS = (
    "Depth.Z", "Normal.X", "Normal.Y", "Normal.Z", "Position.X", "Position.Y", "Position.Z",
    "Vector.X", "Vector.Y", "Vector.Z", "Vector.W", "Object Index.X",
)  # fmt: skip


def write(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """A file with a part for all channels, as Blender names them."""
    openexr = pytest.importorskip("OpenEXR")
    rng = np.random.default_rng(0)
    values = {name: rng.uniform(0, 9, SHAPE).astype(np.float32) for name in names}
    if "Depth.Z" in values:
        values["Depth.Z"][0, 0] = 1e10
    header = {"compression": openexr.NO_COMPRESSION, "type": openexr.scanlineimage}
    openexr.File(header, {f"ViewLayer.{n}": v for n, v in values.items()}).write(str(path))
    return values


def test_maps_are_found_by_their_channels(tmp_path: Path) -> None:
    values = write(tmp_path / "frame.exr", CHANNELS)
    maps = read_exr(tmp_path / "frame.exr")
    assert maps.depth[0, 0] == np.inf
    assert np.array_equal(maps.depth[1:], values["Depth.Z"][1:])
    assert np.array_equal(maps.normal[..., 1], values["Normal.Y"])
    assert np.array_equal(maps.position[..., 2], values["Position.Z"])
    assert np.array_equal(maps.index, np.round(values["Object Index.X"]))
    # Blender: previous - current in XY and current - next in ZW, y up.
    assert np.array_equal(maps.backward[..., 0], values["Vector.X"])
    assert np.array_equal(maps.backward[..., 1], -values["Vector.Y"])
    assert np.array_equal(maps.forward[..., 0], -values["Vector.Z"])
    assert np.array_equal(maps.forward[..., 1], values["Vector.W"])


def test_a_missing_channel_is_named(tmp_path: Path) -> None:
    write(tmp_path / "frame.exr", CHANNELS[1:])
    with pytest.raises(FormatError, match=r"frame\.exr has no channel 'Depth\.Z'"):
        read_exr(tmp_path / "frame.exr")


def test_maps_are_kept_exactly(tmp_path: Path) -> None:
    write(tmp_path / "frame.exr", CHANNELS)
    maps = read_exr(tmp_path / "frame.exr")
    save_maps(tmp_path / "frame.npz", maps)
    kept = load_maps(tmp_path / "frame.npz")
    for name in ("depth", "normal", "position", "index", "forward", "backward"):
        assert np.array_equal(getattr(kept, name), getattr(maps, name))
        assert getattr(kept, name).dtype == getattr(maps, name).dtype
