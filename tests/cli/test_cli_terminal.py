"""What a person at a terminal meets: the bar, help, completion, and a quick start."""

from __future__ import annotations

import fcntl
import os
import platform
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from cli_runs import COMMAND, Outcome, Run, process

VERBS = ["track", "view", "models", "evaluate", "compare", "convert"]


def on_a_terminal(*words: str, cwd: Path, width: int = 100) -> tuple[int, str, str]:
    """Run with standard error on a terminal: status, standard output, what the terminal got."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
    plain = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "CI")}
    command = subprocess.Popen(
        [*COMMAND, *words],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**plain, "TERM": "xterm-256color"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    out, _ = command.communicate(timeout=60)
    return command.returncode, out.decode(), shown.decode()


def lines(shown: str) -> list[str]:
    """What stood in the lines of a terminal at some time, without colours and movements."""
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown))


def test_the_bar_shows_rate_and_time_left(place: Path) -> None:
    words = ["track", "clip.mp4", "--model", "klt", "--grid", "20"]
    status, out, shown = on_a_terminal(*words, cwd=place)
    assert status == 0
    assert "400 points in 8 frames" in out
    seen = lines(shown)
    for work in ("tracking with klt", "drawing"):
        bars = [line for line in seen if line.startswith(work)]
        pattern = r"\d/8 +[\d.e+]+ frames/s +\d+:\d\d:\d\d left"
        assert any(re.search(pattern, bar) for bar in bars), bars
    assert "\x1b[2K" in shown  # and it is wiped away in the end


def test_the_bar_fits_a_narrow_terminal(place: Path) -> None:
    words = ["track", "clip.mp4", "--model", "klt", "--out", "a.csv"]
    _, _, shown = on_a_terminal(*words, cwd=place, width=80)
    bars = [line for line in lines(shown) if "frames/s" in line]
    assert bars
    assert all(len(bar.rstrip()) <= 80 and bar.rstrip().endswith("left") for bar in bars)


def test_quiet_shows_no_bar(place: Path) -> None:
    words = ["track", "clip.mp4", "--model", "static", "--quiet"]
    status, out, shown = on_a_terminal(*words, cwd=place)
    assert status == 0
    assert shown == ""
    assert "400 points" in out


def test_no_bar_where_nobody_watches(place: Path) -> None:
    env = {**os.environ, "FORCE_COLOR": "1"}  # as logs of CI services ask for
    outcome = process("track", "clip.mp4", "--model", "static", cwd=place, env=env)
    assert outcome.status == 0
    assert outcome.err == ""


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_examples_one_a_line(run: Run, verb: str) -> None:
    outcome = run(verb, "--help")
    assert outcome.status == 0
    assert outcome.err == ""
    lines = [line.strip() for line in outcome.out.splitlines()]
    begin = lines.index("Examples:")
    examples = [line for line in lines[begin:] if line.startswith("• ")]
    assert len(examples) >= 2
    assert all(line.startswith(f"• pointtrack {verb}") for line in examples)
    assert run(verb, "-h") == outcome


@pytest.mark.parametrize("verb", VERBS)
def test_examples_in_help_are_commands_that_exist(run: Run, verb: str) -> None:
    from pointtrack.cli.program import app

    callback = {v.callback.__name__: v.callback for v in app.registered_commands if v.callback}
    examples = re.findall(r"- `pointtrack (.*)`", callback[verb].__doc__ or "")
    known = set(re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", run(verb, "--help").out))
    assert examples
    for example in examples:
        assert set(re.findall(r"(?<!\S)-{1,2}[a-z][a-z-]*", example)) <= known


def test_help_of_all(run: Run) -> None:
    outcome = run("--help")
    assert outcome.status == 0
    assert all(verb in outcome.out for verb in VERBS)
    assert run() == outcome


def test_version(place: Path) -> None:
    import pointtrack

    assert process("--version", cwd=place) == Outcome(0, f"{pointtrack.__version__}\n", "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_completion_script_for_bash(place: Path) -> None:
    # Typer asks which shell it was called from.
    script = f"'{sys.executable}' -m pointtrack --show-completion bash && true"
    done = subprocess.run(
        ["bash", "-c", script], cwd=place, capture_output=True, text=True, check=True
    )
    assert "_POINTTRACK_COMPLETE=complete_bash" in done.stdout
    assert done.stderr == ""
    assert subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("pointtrack tr", ["track", "train"]),
        ("pointtrack track --model st", ["static"]),
    ],
)
def test_completion(place: Path, typed: str, expected: list[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    env = {**os.environ, "_POINTTRACK_COMPLETE": "complete_bash", **words}
    assert process(cwd=place, env=env).out.split() == expected


def test_the_command_line_starts_without_heavy_packages(place: Path) -> None:
    heavy = ("torch", "matplotlib", "pandas", "scipy", "pyarrow", "PIL")
    code = f"import sys, pointtrack.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
)
def test_threads_that_wait_leave_the_machine_to_others(given: dict[str, str], spins: str) -> None:
    code = (
        "import os, sys; from pointtrack.cli import program\n"
        "def run(arguments):\n"
        "    print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)\n"
        "program.run = run; program.main(['track'])"
    )
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    plain = {name: value for name, value in os.environ.items() if name not in names}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, env={**plain, **given}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == f"{spins} False\n"  # PyTorch has not yet looked


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="GNU's C library only")
@pytest.mark.parametrize("given", [{}, {"MALLOC_TRIM_THRESHOLD_": "131072"}])
def test_memory_that_was_freed_is_kept_for_the_next_frame(given: dict[str, str]) -> None:
    code = (
        "import resource, numpy as np; from pointtrack.cli.tuning import tune; tune()\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "def frame(): some = [np.ones(5 << 20, np.uint8) for _ in range(4)]\n"
        "frame(); before = faults()\n"
        "for _ in range(20): frame()\n"
        "print(faults() - before)"
    )
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**plain, **given}, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    kept = int(done.stdout) < 1000
    assert kept == (not given)  # who has set it has it so
