from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from pointtrack.datasets.clip import Clip, Dataset, Entry, FrameMaps, Problem, unreadable
from pointtrack.errors import FormatError
from pointtrack.video import open_video


class Two(Dataset):
    """One clip that cannot be read, and one of three pictures with depth."""

    name = "two"

    def __init__(self, folder: Path, depth: FrameMaps | None = None):
        self._files = [folder / f"{t}.png" for t in range(3)]
        for t, path in enumerate(self._files):
            cv2.imwrite(str(path), np.full((4, 6, 3), t, np.uint8))
        self._depth = depth

    def count(self) -> int:
        return 2

    def entries(self) -> Iterator[Entry]:
        yield Entry("broken", unreadable(FormatError("x.npz is broken")))
        yield Entry("whole", self._load)

    def gaps(self) -> Iterator[Problem]:
        yield Problem(self.name, "there is no file z")

    def _load(self) -> Clip:
        video = open_video(list(self._files))
        flags = np.ones((1, 3), bool)
        return Clip("whole", video, np.ones((1, 3, 2)), flags, depth=self._depth, files=self._files)


def messages(dataset: Dataset, deep: bool = False) -> list[tuple[str, str]]:
    return [(problem.name, problem.message) for problem in dataset.check(deep)]


ALWAYS = [("two", "there is no file z"), ("broken", "x.npz is broken")]


def test_one_broken_clip_does_not_hide_the_others(tmp_path: Path) -> None:
    dataset = Two(tmp_path)
    (tmp_path / "1.png").unlink()
    (tmp_path / "2.png").write_bytes(b"")
    expected = [
        *ALWAYS,
        ("whole", f"there is no file {tmp_path / '1.png'}"),
        ("whole", f"{tmp_path / '2.png'} is empty"),
    ]
    assert messages(dataset) == expected
    assert messages(dataset, deep=True) == expected  # each once


def test_only_a_deep_look_decodes(tmp_path: Path) -> None:
    asked: list[int] = []

    def load(frame: int) -> np.ndarray:
        asked.append(frame)
        if frame == 1:
            raise FormatError("depth 1 is broken")
        return np.zeros((4, 6) if frame else (6, 4), np.float32)

    dataset = Two(tmp_path, FrameMaps(3, load))
    cv2.imwrite(str(tmp_path / "2.png"), np.zeros((4, 7, 3), np.uint8))
    assert messages(dataset) == ALWAYS
    assert asked == []
    found = messages(dataset, deep=True)[len(ALWAYS) :]
    assert asked == [0, 1, 2]
    assert "2.png is 7x4" in found[0][1]
    assert found[1:] == [
        ("whole", "whole: depth of frame 0 has shape (6, 4), expected (4, 6) as the video's"),
        ("whole", "depth 1 is broken"),
    ]
