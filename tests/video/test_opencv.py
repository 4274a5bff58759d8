"""OpenCV is told to be quiet where its version keeps the setting."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pointtrack.video import opencv


class Level:
    """What both versions offer, in different places."""

    def __init__(self) -> None:
        self.now = 3

    def functions(self) -> dict:
        return {"getLogLevel": lambda: self.now, "setLogLevel": self.set}

    def set(self, level: int) -> None:
        self.now = level


@pytest.mark.parametrize("version", [4, 5])
def test_opencv_is_quiet_in_a_block_and_as_before_after_it(monkeypatch, version) -> None:
    level = Level()
    functions = SimpleNamespace(**level.functions())
    old, new = functions, SimpleNamespace(utils=SimpleNamespace(logging=functions))
    monkeypatch.setattr(opencv, "cv2", old if version == 4 else new)
    with opencv.quiet_opencv():
        assert level.now == 0
    assert level.now == 3


def test_the_installed_opencv_has_the_setting() -> None:
    with opencv.quiet_opencv():
        pass
