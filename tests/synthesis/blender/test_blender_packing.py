from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from blender_clips import CONFIG, FRAMES, annotations, picture, write_sequence

from pointtrack.errors import FormatError
from pointtrack.synthesis.blender.packing import pack
from pointtrack.synthesis.storage import read_clip


def test_a_packed_clip_has_video_tracks_and_queries(tmp_path: Path) -> None:
    write_sequence(tmp_path / "full" / "clip_000000")
    (folder,) = pack(tmp_path / "full", tmp_path / "packed", crf=0)
    assert sorted(p.name for p in folder.iterdir()) == ["meta.json", "tracks.npz", "video.mp4"]
    clip, truth = read_clip(folder), annotations()
    assert clip.video.fps == CONFIG.fps
    assert len(clip.video) == FRAMES
    assert np.abs(clip.video[3].astype(int) - picture(3)).mean() < 8  # colours at half size
    # The point behind the camera is never seen.
    assert np.allclose(clip.xy, truth.xy[:5], atol=1e-4)
    assert np.array_equal(clip.visible, truth.visible[:5])
    assert clip.queries is not None
    # Chosen at frame 0; hidden there, hence first seen at 1; chosen at 2; in another view.
    assert clip.queries.t.tolist() == [0, 0, 1, 2, 0]
    assert np.allclose(clip.queries.xy, clip.xy[np.arange(5), clip.queries.t], atol=1e-4)
    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["generator"], meta["seed"], meta["store"]) == ("blender", 9, "mp4")


def test_clips_that_are_packed_already_are_kept(tmp_path: Path) -> None:
    for number in (0, 1):
        write_sequence(tmp_path / "full" / f"clip_00000{number}")
        (tmp_path / "full" / "manifest.json").write_text(str(number))
        folders = pack(tmp_path / "full", tmp_path / "packed")
    assert [folder.name for folder in folders] == ["clip_000000", "clip_000001"]
    before = folders[0].stat().st_mtime_ns
    pack(tmp_path / "full", tmp_path / "packed")
    assert folders[0].stat().st_mtime_ns == before
    assert (tmp_path / "packed" / "manifest.json").read_text() == "1"


def test_the_frame_rate_is_the_clips_own(tmp_path: Path) -> None:
    write_sequence(tmp_path / "full" / "clip_000000", config=replace(CONFIG, fps=10))
    (folder,) = pack(tmp_path / "full", tmp_path / "packed")
    assert read_clip(folder).video.fps == 10


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no Blender clip"):
        pack(tmp_path, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()
