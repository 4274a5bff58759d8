"""Running the command line, in this process or in one of its own, and what must hold then."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import pointtrack as pt

COMMAND = [sys.executable, "-m", "pointtrack"]
EARLIER = b"from an earlier run"


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one line on standard error."""
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n")
        assert "Traceback" not in self.err
        return self.err.rstrip("\n")


Run = Callable[..., Outcome]


def frames(count: int = 8, size: tuple[int, int] = (64, 48)) -> list[NDArray[np.uint8]]:
    """A texture that moves by (-2, -1) pixels a frame, over which points can be followed."""
    width, height = size
    noise = np.random.default_rng(0).integers(0, 256, (height + count, width + 2 * count, 3))
    soft = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 1.5)
    texture = cv2.normalize(soft, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)  # type: ignore[call-overload]
    return [texture[i : i + height, 2 * i : 2 * i + width] for i in range(count)]


def video(path: Path, count: int = 8, size: tuple[int, int] = (64, 48)) -> Path:
    pt.write_video(path, frames(count, size))
    return path


def pictures(folder: Path, count: int = 4) -> Path:
    folder.mkdir()
    for i, frame in enumerate(frames(count)):
        cv2.imwrite(str(folder / f"{i}.png"), frame)
    return folder


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its bytes, every folder with None; hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if not path.is_fifo()
    }


def process(*words: object, cwd: Path, **how: Any) -> Outcome:
    """Run a command in a process of its own, with nobody watching."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **how,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def begin(*words: object, cwd: Path) -> subprocess.Popen[str]:
    """Begin a command in a process of its own that Ctrl-C reaches even where we ignore it."""
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,
    )


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
