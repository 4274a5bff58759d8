"""Exported networks with the faces that the neural trackers know."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from pointtrack.networks.blocks.mixer import MixerState
from pointtrack.networks.cotracker import extended
from pointtrack.networks.tapir import Features
from pointtrack.trackers.neural.budget import Need
from pointtrack.trackers.neural.causal import CausalModel, Followed
from pointtrack.trackers.neural.cotracker_models import WindowModel
from pointtrack.trackers.neural.features import Maps
from pointtrack.trackers.neural.model import Answer, ClipModel
from pointtrack.trackers.neural.recurrent import RecurrentModel
from pointtrack.trackers.onnx.file import OnnxFile


class OnnxClipModel(ClipModel):
    """Parts ``encode`` and ``track``."""

    def __init__(self, file: OnnxFile) -> None:
        self._file = file
        self.name, self.convention = file.about.model, file.convention
        self.joint = bool(file.about.numbers["joint"])

    def need(self) -> Need:
        return self._file.need

    def encode(self, frames: Tensor) -> Maps:
        return self._file.run("encode", frames)

    def track(self, maps: Maps, queries: Tensor) -> Answer:
        return Answer(*self._file.run("track", *maps, queries))


class OnnxCausalModel(CausalModel):
    """Parts ``encode``, ``describe`` and ``step``."""

    def __init__(self, file: OnnxFile) -> None:
        self._file = file
        self.name, self.convention = file.about.model, file.convention
        self._memory = file.inputs("step", "state.")

    @property
    def levels(self) -> int:
        return len(self._file.inputs("step", "points.")) // 2

    def need(self) -> Need:
        return self._file.need

    def encode(self, frames: Tensor) -> Maps:
        return _one_by_one(self._file, frames)

    def describe(self, maps: Maps, queries: Tensor) -> list[Features]:
        found = self._file.run("describe", *maps, queries)
        return [Features(*pair) for pair in zip(found[::2], found[1::2], strict=True)]

    def unknown(self, count: int) -> list[MixerState]:
        zeros = [self._file.zeros(name, count) for name in self._memory]
        return [MixerState(*pair) for pair in zip(zeros[::2], zeros[1::2], strict=True)]

    def step(self, maps: Maps, followed: Followed) -> Answer:
        points = [value for level in followed.points for value in level]
        states = [value for state in followed.states for value in state]
        found = self._file.run("step", *maps, *points, *states)
        after = found[3:]
        followed.states = [MixerState(*pair) for pair in zip(after[::2], after[1::2], strict=True)]
        return Answer(*found[:3])


class WindowState(NamedTuple):
    """What a window leaves to the next."""

    start: int  # first frame of the next window
    values: list[Tensor]  # each (1, N, ...)


class OnnxWindowModel(WindowModel):
    """Parts ``encode``, ``begin`` and ``advance``."""

    joint = True

    def __init__(self, file: OnnxFile) -> None:
        self._file, about = file, file.about
        self.name, self.convention = about.model, file.convention
        self.window, self.step = about.numbers["window"], about.numbers["step"]
        self._support = torch.tensor(about.numbers["support"]).view(-1, 2)

    def need(self) -> Need:
        return self._file.need

    def encode(self, frames: Tensor) -> Maps:
        return self._file.run("encode", frames)

    def support(self, queries: Tensor) -> Tensor:
        return self._support

    def begin(self, queries: Tensor, start: int = 0) -> WindowState:
        return WindowState(start, self._file.run("begin", queries))

    def advance(self, state: Any, maps: Maps) -> tuple[Answer, WindowState]:
        frames = len(maps[0])
        seen = [extended(level, self.window, dim=0) for level in maps]
        start = torch.tensor(state.start)
        found = self._file.run("advance", *seen, start, *state.values)
        answer = Answer(*(value[:, :frames] for value in found[:3]))
        return answer, WindowState(state.start + self.step, found[3:])


class StreamState(NamedTuple):
    """What is remembered of a stream of points."""

    queries: Tensor  # 1 N 3, t in frames from the next one on
    fresh: Tensor  # L bool: tokens without a memory
    memory: list[Tensor]  # each (1, L, C)


class OnnxRecurrentModel(RecurrentModel):
    """Parts ``encode``, ``begin`` and ``step``; points do not join a stream."""

    def __init__(self, file: OnnxFile) -> None:
        self._file = file
        self.name, self.convention = file.about.model, file.convention
        self.overhead = file.about.numbers["overhead"]
        self._memory = file.inputs("step", "state.")[2:]

    def need(self) -> Need:
        return self._file.need

    def encode(self, frames: Tensor) -> Maps:
        return _one_by_one(self._file, frames)

    def begin(self, queries: Tensor) -> StreamState:
        tokens = self.overhead + len(queries)
        memory = [self._file.zeros(name, tokens) for name in self._memory]
        (placed,) = self._file.run("begin", queries)
        return StreamState(placed, torch.ones(tokens, dtype=torch.bool), memory)

    def join(self, state: Any, queries: Tensor) -> StreamState:
        raise NotImplementedError("guests are not exported")

    def leave(self, state: Any, rows: Tensor) -> StreamState:
        raise NotImplementedError("guests are not exported")

    def step(self, state: Any, maps: Maps) -> tuple[Answer, StreamState]:
        found = self._file.run("step", *maps, state.queries, state.fresh, *state.memory)
        known = torch.zeros_like(state.fresh)
        return Answer(*found[:3]), StreamState(found[3], known, found[4:])


def _one_by_one(file: OnnxFile, frames: Tensor) -> Maps:
    """The graph is of one frame; several come only where features are kept."""
    parts = [file.run("encode", frame) for frame in frames.split(1)]
    return [torch.cat(same) for same in zip(*parts, strict=True)]
