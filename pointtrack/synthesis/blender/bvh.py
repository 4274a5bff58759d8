"""Motion capture in Biovision's BVH format: a reader, and where its joints are in every frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError
from pointtrack.synthesis.blender.rig import Motion, rotation

Floats = NDArray[np.float64]
_CHANNELS = {"Xposition", "Yposition", "Zposition", "Xrotation", "Yrotation", "Zrotation"}


@dataclass(frozen=True, eq=False)
class Capture:
    """A recorded motion, in the file's own units and axes (y is up).

    Attributes
    ----------
    names, parents
        J joints, parents before children; the root's parent is -1. An end site is a joint
        named after its parent with " end" behind it.
    offsets
        ``(J, 3)`` from the parent.
    channels
        Each joint's channels in the file's order.
    values
        ``(T, C)`` of all channels, rotations in degrees.
    seconds
        Between frames.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Floats
    channels: tuple[tuple[str, ...], ...]
    values: Floats
    seconds: float

    @property
    def rest(self) -> Floats:
        """The joints' places ``(J, 3)`` when nothing is turned."""
        places = np.zeros((len(self.names), 3))
        for j, parent in enumerate(self.parents):
            places[j] = self.offsets[j] + (places[parent] if parent >= 0 else 0)
        return places

    def pose(self) -> Motion:
        """Places ``(T, J, 3)`` and world rotations ``(T, J, 3, 3)`` of all joints."""
        frames, count = len(self.values), len(self.names)
        heads, turns = np.zeros((frames, count, 3)), np.zeros((frames, count, 3, 3))
        column = 0
        for j, parent in enumerate(self.parents):
            local = np.broadcast_to(np.eye(3), (frames, 3, 3))
            place = np.repeat(self.offsets[j][None], frames, 0)
            for k, channel in enumerate(self.channels[j]):
                value, axis = self.values[:, column + k], "XYZ".index(channel[0])
                if channel.endswith("rotation"):
                    local = local @ rotation(axis, np.radians(value))
                else:
                    place[:, axis] = value + (0 if parent < 0 else self.offsets[j, axis])
            column += len(self.channels[j])
            if parent < 0:
                heads[:, j], turns[:, j] = place, local
            else:
                heads[:, j] = heads[:, parent] + np.einsum("tij,tj->ti", turns[:, parent], place)
                turns[:, j] = turns[:, parent] @ local
        return Motion(heads, turns)


def read_bvh(path: str | Path) -> Capture:
    """Read a BVH file.

    Raises
    ------
    FormatError
        When the file cannot be read or is no BVH; the message says what was expected.
    """
    try:
        words = Path(path).read_text(encoding="utf-8", errors="replace").split()
    except OSError as problem:
        raise FormatError(f"cannot read {path}: {problem.strerror}") from problem
    reader = _Reader(str(path), words)
    reader.expect("HIERARCHY")
    reader.expect("ROOT")
    reader.joint(-1)
    reader.expect("MOTION")
    reader.expect("Frames:")
    frames = int(reader.number())
    reader.expect("Frame")
    reader.expect("Time:")
    seconds = reader.number()
    width = sum(len(channels) for channels in reader.channels)
    rest = words[reader.place :]
    if len(rest) < frames * width:
        raise FormatError(f"{path}: expected {frames} frames of {width} numbers, found {len(rest)}")
    try:
        values = np.array(rest[: frames * width], float).reshape(frames, width)
    except ValueError as problem:
        raise FormatError(f"{path}: a value of the motion is not a number") from problem
    if frames < 1 or not np.isfinite(values).all() or not seconds > 0:
        raise FormatError(f"{path}: expected finite frames and a positive frame time")
    return Capture(
        tuple(reader.names),
        tuple(reader.parents),
        np.array(reader.offsets),
        tuple(reader.channels),
        values,
        seconds,
    )


class _Reader:
    """Goes through the words of a file."""

    def __init__(self, path: str, words: list[str]) -> None:
        self.path, self.words, self.place = path, words, 0
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[list[float]] = []
        self.channels: list[tuple[str, ...]] = []

    def next(self) -> str:
        if self.place >= len(self.words):
            raise FormatError(f"{self.path}: the file ends too early")
        self.place += 1
        return self.words[self.place - 1]

    def expect(self, word: str) -> None:
        found = self.next()
        if found.lower() != word.lower():
            raise FormatError(f"{self.path}: expected {word!r}, found {found!r}")

    def number(self) -> float:
        word = self.next()
        try:
            return float(word)
        except ValueError as problem:
            raise FormatError(f"{self.path}: expected a number, found {word!r}") from problem

    def joint(self, parent: int, name: str | None = None) -> None:
        """A joint from its name to its closing brace, and all below it."""
        self.names.append(self.next() if name is None else name)
        self.parents.append(parent)
        here = len(self.names) - 1
        self.expect("{")
        self.expect("OFFSET")
        self.offsets.append([self.number() for _ in range(3)])
        self.channels.append(())
        while (word := self.next()) != "}":
            if word == "CHANNELS":
                found = tuple(self.next() for _ in range(int(self.number())))
                if unknown := set(found) - _CHANNELS:
                    raise FormatError(f"{self.path}: unknown channel {sorted(unknown)[0]!r}")
                self.channels[here] = found
            elif word == "JOINT":
                self.joint(here)
            elif word == "End":
                self.expect("Site")
                self.joint(here, f"{self.names[here]} end")
            else:
                raise FormatError(f"{self.path}: expected a joint or '}}', found {word!r}")
