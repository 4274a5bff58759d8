"""Worker processes from the outside: found, started, listened to, ended. Never imports bpy."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pointtrack
from pointtrack.errors import PointtrackError
from pointtrack.files import reason

VARIABLE = "POINTTRACK_BLENDER_PYTHON"
_WORKER = "pointtrack.synthesis.blender.worker"
_NEEDED = {"bpy": "bpy", "OpenEXR": "OpenEXR", "cv2": "opencv-python-headless", "av": "av"}
_ASK = (
    "import importlib.util as u, json, sys; "
    "print(json.dumps([n for n in sys.argv[1:] if u.find_spec(n) is None]))"
)


def find_worker(python: str | None = None) -> list[str]:
    """The command that starts a worker.

    Parameters
    ----------
    python
        An interpreter that has Blender's module; default: the one that the environment variable
        POINTTRACK_BLENDER_PYTHON names, or the one that runs.

    Raises
    ------
    PointtrackError
        When it cannot be run, or has not what is needed; the message says how to install it.
    """
    interpreter = python or os.environ.get(VARIABLE) or sys.executable
    try:
        asked = subprocess.run(
            [interpreter, "-c", _ASK, *_NEEDED], capture_output=True, text=True, check=True
        )
        missing = json.loads(asked.stdout)
    except OSError as problem:
        raise PointtrackError(f"cannot run {interpreter}: {reason(problem)}") from problem
    except (subprocess.CalledProcessError, ValueError) as problem:
        raise PointtrackError(f"{interpreter} is not a Python interpreter") from problem
    if missing:
        raise PointtrackError(
            f"{interpreter} has no {', '.join(missing)}, which Blender clips need: with Python "
            "3.11 run pip install 'pointtrack[blender]', or name an interpreter that has "
            f"{'them' if len(missing) > 1 else 'it'} by --python or {VARIABLE}"
        )
    return [interpreter, "-m", _WORKER]


class Worker:
    """One worker at work on one order.

    What it says is put into a queue as (key, message) pairs; the last message is
    ``{"ended": exit status}``.

    Parameters
    ----------
    command
        Starts the worker; see `find_worker`.
    order
        The clip; see `worker`.
    log
        Where what Blender prints goes.
    key, said
        Who it is, and the queue.
    """

    def __init__(
        self,
        command: Sequence[str],
        order: Mapping[str, Any],
        log: Path,
        key: int,
        said: queue.Queue[tuple[int, dict[str, Any]]],
    ):
        home = str(Path(pointtrack.__file__).parent.parent)
        path = os.pathsep.join(part for part in (home, os.environ.get("PYTHONPATH")) if part)
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,  # Ctrl-C is the parent's to answer
                text=True,
                encoding="utf-8",
            )
        self._key, self._said = key, said
        threading.Thread(target=self._listen, args=(json.dumps(order),), daemon=True).start()

    def _listen(self, order: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # A worker that is gone at once says so by its exit status.
        with contextlib.suppress(OSError):
            self._process.stdin.write(order + "\n")
            self._process.stdin.flush()  # and stays open: its end would end the worker
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict):
                    self._said.put((self._key, message))
        self._said.put((self._key, {"ended": self._process.wait()}))

    def stop(self) -> None:
        """End it now; what it has finished stays."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
