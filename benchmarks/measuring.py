"""What the benchmarks share: fresh processes, peak memory, pairs timed side by side."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import pointtrack as pt

HERE = Path(__file__).parent
RESULTS = HERE / "results"
CLIP = HERE.parent / "demo" / "clip.mp4"


def peak_mebibytes() -> float:
    """The most memory this process has had resident so far (Linux)."""
    # Not getrusage: its maximum is handed down from the process that started this one.
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def in_fresh_process(script: str, *arguments: object) -> dict[str, Any]:
    """Run one of the benchmark scripts by itself; it prints JSON on its last line."""
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Least seconds of each, taking turns so that both meet the same machine."""
    best = [np.inf, np.inf]
    for _ in range(rounds):
        for place, work in enumerate((ours, theirs)):
            began = time.perf_counter()
            work()
            best[place] = min(best[place], time.perf_counter() - began)
    return best[0], best[1]


def moving_texture(frames: int, size: tuple[int, int]) -> Path:
    """A video of this many frames that wanders over an enlarged picture; made once."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"texture_{frames}_{size[0]}x{size[1]}.mp4"
    if not path.exists():
        width, height = size
        picture = pt.open_video(CLIP)[0]
        large = cv2.resize(picture, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
        with pt.video_writer(path, 25, crf=23) as writer:
            for t in range(frames):
                x = (width / 2) * (1 + 0.8 * np.sin(t / 37))
                y = (height / 2) * (1 + 0.8 * np.sin(t / 53))
                writer.write(cv2.getRectSubPix(large, size, (x + width / 2, y + height / 2)))
    return path
