"""One clip, from its order to its folders: the program that runs in a process of its own.

    python -m pointtrack.synthesis.blender.worker < order.json

Blender's state is global and a crash of it takes the process along, so each clip has its own
process. What it says goes to standard output, one JSON object a line: ``{"frames": n}`` while
it works, and last ``{"done": ...}``, ``{"rejected": [sentences]}`` or ``{"error": sentence}``;
everything that Blender prints goes to standard error. It ends when standard input is closed,
so that it does not outlive the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pointtrack.errors import PointtrackError


def main() -> None:
    """Read an order from standard input, and carry it out."""
    say = _speak_alone()
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        from pointtrack.synthesis.blender.clipmaking import make_clip

        rejected = make_clip(
            out=Path(order["out"]),
            name=order["name"],
            seed=order["seed"],
            config=order["config"],
            threads=order["threads"],
            report=lambda frames: say({"frames": frames}),
        )
        say({"rejected": rejected} if rejected else {"done": True})
    except PointtrackError as problem:
        say({"error": str(problem)})


def _speak_alone() -> Callable[[dict[str, Any]], None]:
    """Keep standard output for our own words: Blender's C code prints to it, too."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    return say


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
