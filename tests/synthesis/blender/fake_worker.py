"""Stands in for Blender's worker: the same orders and answers, and clips made up in no time.

What shall go wrong is in the file that FAKE_WORKER_PLAN names: a JSON object from a clip's name
to a list of what happens to it, one entry a try: "reject", "error", "crash", "hang".
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from blender_clips import write_sequence

from pointtrack.synthesis.blender.config import from_mapping
from pointtrack.synthesis.folders import view_folders


def say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def happens(name: str) -> str | None:
    place = os.environ.get("FAKE_WORKER_PLAN")
    if place is None:
        return None
    plan = json.loads(Path(place).read_text())
    now = plan.get(name, [])[:1]
    plan[name] = plan.get(name, [])[1:]
    Path(place).write_text(json.dumps(plan))
    return now[0] if now else None


def main() -> None:
    order = json.loads(sys.stdin.readline())
    config, out = from_mapping(order["config"]), Path(order["out"])
    work = out / f".{order['name']}.work"
    work.mkdir(exist_ok=True)
    (work / "pid").write_text(str(os.getpid()))
    print("Blender talks", file=sys.stderr)
    event = happens(order["name"])
    if event == "reject":
        say(rejected=["its tracks are off"])
        return
    if event == "error":
        say(error="there is no panorama in nowhere")
        return
    for number in range(config.frames * config.views):
        say(frames=number + 1)
        if event == "crash":
            os.abort()
        if event == "hang":
            time.sleep(60)
    for folder in view_folders(out, order["name"], config.views):
        if not folder.exists():
            write_sequence(folder, order["seed"], config)
    shutil.rmtree(work)
    say(done=True)


if __name__ == "__main__":
    main()
