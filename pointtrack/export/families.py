"""Which models can be exported, and the parts of each.

What parts there are is told by a model's *kind*; `pointtrack.trackers.onnx` has the tracker for
each kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from pointtrack.errors import PointtrackError
from pointtrack.export.parts import Part, Value
from pointtrack.networks.blocks.mixer import MixerState
from pointtrack.networks.compact_flow import Hints, drift
from pointtrack.networks.compact_state import PointState
from pointtrack.networks.cotracker3 import Estimate as WindowEstimate
from pointtrack.networks.cotracker3 import OnlineState
from pointtrack.networks.raft import SMALLEST, Encoded
from pointtrack.networks.tapir import Features
from pointtrack.networks.tapnext import State as StreamState
from pointtrack.networks.tapnext_blocks import Memory
from pointtrack.trackers.compact_follower import latest
from pointtrack.trackers.compact_support import Found
from pointtrack.trackers.neural.causal import Followed
from pointtrack.trackers.neural.convention import Convention
from pointtrack.trackers.neural.model import Answer
from pointtrack.trackers.registry import card_of

ANSWER = ("tracks", "visible", "confidence")
_FRAMES, _POINTS, _NEW = "frames", "points", "new_points"
_F, _N, _M = 3, 5, 4  # in examples: frames, points, and points that are new
# Bytes a point and frame: what PyTorch works on in portions, a graph does at once.
_AT_ONCE = 400_000


@dataclass(frozen=True)
class Exported:
    """What a file holds of a model.

    Attributes
    ----------
    kind
        What its parts are.
    network
        That has the weights.
    parts
        In an order in which each comes after those that it takes values from.
    convention
        Of pictures and pixels.
    need
        Of memory, as of `Need`; empty where the tracker does not ask.
    numbers
        What else its tracker must know.
    """

    kind: str
    network: nn.Module
    parts: list[Part]
    convention: Convention
    need: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)


def exported(name: str, tracker: Any) -> Exported:
    """The parts of a loaded model.

    Raises
    ------
    PointtrackError
        When a model of that name cannot be exported.
    """
    check_exported(name)
    return EXPORTED[name](tracker)


def check_exported(name: str) -> None:
    """Raise an error that names those that can be exported, where this is none of them."""
    card_of(name)
    if name not in EXPORTED:
        raise PointtrackError(
            f"{name} cannot be exported; these can: {', '.join(sorted(EXPORTED))}"
        )


# --- networks that see a clip at once ------------------------------------------------------------


def _clip(tracker: Any) -> Exported:
    model = tracker._runner.model
    frames = _frames(model, _F)
    maps = _maps(model, frames, {0: _FRAMES})
    queries = _queries(model.convention, _N)

    def track(*values: Tensor) -> Answer:
        return model.track(list(values[:-1]), values[-1])

    parts = [
        _encode(model, frames, {0: _FRAMES}, maps),
        Part("track", track, {**maps, "queries": Value(queries, {0: _POINTS})}, ANSWER),
    ]
    return _of_model("clip", model, parts, {"joint": model.joint})


# --- causal TAPIR --------------------------------------------------------------------------------


def _causal(tracker: Any) -> Exported:
    model = tracker._runner.model
    frames = _frames(model, 1)
    maps = _maps(model, frames, {})
    seen = [value.example for value in maps.values()]
    queries = _queries(model.convention, _N)
    with torch.no_grad():
        looks = [value for level in model.describe(seen, queries) for value in level]
    memory = [value for state in model.unknown(_N) for value in state]
    points = _values("points.", looks, {1: _POINTS})
    states = _values("state.", memory, {2: _POINTS})
    fresh = Value(queries[:_M], {0: _NEW})

    def describe(*values: Tensor) -> list[Tensor]:
        found = model.describe(list(values[:-1]), values[-1])
        return [value for level in found for value in level]

    def step(*values: Tensor) -> list[Tensor]:
        followed = Followed()
        given = _split(values, len(maps), len(points), len(states))
        followed.append(_pairs(Features, given[1]), _pairs(MixerState, given[2]))
        answer = model.step(given[0], followed)
        return [*answer, *(value for state in followed.states for value in state)]

    parts = [
        _encode(model, frames, {}, maps),
        Part("describe", describe, {**maps, "queries": fresh}, _names("fresh.", looks)),
        Part("step", step, {**maps, **points, **states}, (*ANSWER, *_names("next.", memory))),
    ]
    return _of_model("causal", model, parts)


# --- CoTracker3 online ---------------------------------------------------------------------------


def _window(tracker: Any) -> Exported:
    model = tracker._runner.model
    frames = _frames(model, _F)
    maps = _maps(model, frames, {0: _FRAMES})
    # A window is always full here: the tracker repeats the last frame of a video.
    whole = {
        name: Value(value.example[:1].repeat_interleave(model.window, 0), {})
        for name, value in maps.items()
    }
    queries = _queries(model.convention, _N)
    with torch.no_grad():
        first = _of_window(model.begin(queries))
    states = _values("state.", first, {1: _POINTS})
    start = {"start": Value(torch.tensor(model.step), {})}

    def begin(queries: Tensor) -> list[Tensor]:
        return _of_window(model.begin(queries))

    def advance(*values: Tensor) -> list[Tensor]:
        seen, (first_frame,), known = _split(values, len(whole), 1, len(states))
        overlap = WindowEstimate(*known[-3:])
        state = OnlineState(first_frame, known[0], known[1:-3], [], overlap)
        answer, after = model.advance(state, seen)
        return [*answer, *_of_window(after)]

    parts = [
        _encode(model, frames, {0: _FRAMES}, maps),
        Part("begin", begin, {"queries": Value(queries[:_M], {0: _NEW})}, _names("first.", first)),
        Part("advance", advance, {**whole, **start, **states}, (*ANSWER, *_names("next.", first))),
    ]
    support = model.support(queries).tolist()  # the same for any queries
    numbers = {"window": model.window, "step": model.step, "support": support}
    return _of_model("window", model, parts, numbers)


def _of_window(state: OnlineState) -> list[Tensor]:
    return [state.queries, *state.patches, *state.overlap]


# --- TAPNext -------------------------------------------------------------------------------------


def _recurrent(tracker: Any) -> Exported:
    model = tracker._runner.model
    frames = _frames(model, 1)
    maps = _maps(model, frames, {})
    queries = _queries(model.convention, _N)
    first = model.begin(queries)
    memory = [value for block in first.memories for value in block]
    states = {
        "state.queries": Value(first.queries, {1: _POINTS}),
        "state.fresh": Value(first.fresh, {0: "tokens"}),
        **_values("state.", memory, {1: "tokens"}),
    }

    def begin(queries: Tensor) -> list[Tensor]:
        return [model.begin(queries).queries]

    def step(*values: Tensor) -> list[Tensor]:
        seen, (queries, fresh), known = _split(values, len(maps), 2, len(memory))
        per_block = len(Memory._fields)
        blocks = [Memory(*known[k : k + per_block]) for k in range(0, len(known), per_block)]
        answer, after = model.step(StreamState(queries, None, fresh, blocks), seen)
        return [*answer, after.queries, *(value for block in after.memories for value in block)]

    names = (*ANSWER, "next.queries", *_names("next.", memory))
    parts = [
        _encode(model, frames, {}, maps),
        Part("begin", begin, {"queries": Value(queries[:_M], {0: _NEW})}, ("first.queries",)),
        Part("step", step, {**maps, **states}, names),
    ]
    return _of_model("recurrent", model, parts, {"overhead": model.overhead})


# --- RAFT ----------------------------------------------------------------------------------------


def _flow(tracker: Any) -> Exported:
    source = tracker._source
    network, iterations = source._network, source._iterations
    height, width = SMALLEST, SMALLEST + 8
    frames = torch.rand(2, 3, height, width) * 255
    with torch.no_grad():
        maps = _values("maps.", network.encode(frames), {})

    def flow(*values: Tensor) -> list[Tensor]:
        both = Encoded(*values)
        return [network.flow(both, both.pick(torch.tensor([1, 0])), iterations)[0]]

    sides = {2: "height", 3: "width"}
    cells = {0: {1: "h", 2: "w"}, 1: {2: "h", 3: "w"}, 2: {2: "h", 3: "w"}}
    free = {
        name: Value(value.example, cells[number])
        for number, (name, value) in enumerate(maps.items())
    }
    parts = [
        Part(
            "encode",
            lambda frames: list(network.encode(frames)),
            {"frames": Value(frames, {0: _FRAMES, **sides})},
            tuple(maps),
        ),
        Part("flow", flow, free, ("flow",)),
    ]
    return Exported("flow", network, parts, Convention((0, 0)))


# --- the compact network -------------------------------------------------------------------------


def _compact(tracker: Any) -> Exported:
    follower = tracker._follower
    network, true = follower.network, follower.curves.live
    frames = torch.rand(1, 3, 96, 128) * 255
    queries = torch.rand(_N, 2) * 90
    with torch.no_grad():
        features = network.encode(frames)
        first = network.begin(features, torch.zeros(_N, dtype=torch.long), queries)
    maps = {
        name: Value(level, {1: f"h{k}", 2: f"w{k}"})
        for k, (name, level) in enumerate(zip(_names("maps.", features), features, strict=True))
    }
    states = _values("state.", first, {0: _POINTS})
    field = torch.rand(1, 96, 128, 4)
    flow = {
        "flow": Value(field, {1: "height", 2: "width"}),
        "direct": Value(torch.cat([queries, torch.rand(_N, 1)], dim=1), {0: _POINTS}),
        "camera": Value(torch.cat([queries, torch.rand(_N, 1).round()], dim=1), {0: _POINTS}),
    }

    def begin(*values: Tensor) -> list[Tensor]:
        which = torch.zeros_like(values[-1][:, 0], dtype=torch.long)
        return list(network.begin(list(values[:-1]), which, values[-1]))

    def step(*values: Tensor) -> list[Tensor]:
        (field, direct, camera), seen, known = _split(values, len(flow), len(maps), len(states))
        state = PointState(*known)
        hints = Hints(drift(field, state.which, state.xy), direct, camera)
        after, answer = network.follow(state, seen, follower.iterations, every=True, hints=hints)
        xy, sure, radius = latest(answer)
        sure = _curve(sure, true.stated, true.true)
        radius = radius * _curve(radius, true.radius, true.factor)
        return [xy, sure, radius, *after]

    fresh = {"queries": Value(queries[:_M], {0: _NEW})}
    parts = [
        Part(
            "encode",
            lambda frames: network.encode(frames),
            {"frames": Value(frames, {2: "height", 3: "width"})},
            tuple(maps),
        ),
        Part("begin", begin, {**maps, **fresh}, _names("first.", first)),
        Part("step", step, {**flow, **maps, **states}, (*Found._fields, *_names("next.", first))),
    ]
    numbers = {name: asdict(getattr(follower.curves, name)) for name in ("alone", "whole")}
    return Exported("compact", network, parts, Convention((0, 0)), numbers=numbers)


def _curve(x: Tensor, knots: Sequence[float], values: Sequence[float]) -> Tensor:
    """Straight between the knots, level beyond the outer ones; as `numpy.interp`."""
    if len(knots) == 1:
        return torch.full_like(x, values[0])
    if tuple(knots) == tuple(values):
        return x.clamp(knots[0], knots[-1])
    at, known = x.new_tensor(knots), x.new_tensor(values)
    x = x.clamp(knots[0], knots[-1])
    left = (x[..., None] >= at[1:-1]).sum(-1)  # the interval that x lies in
    slope = (known[1:] - known[:-1]) / (at[1:] - at[:-1])
    return known[left] + (x - at[left]) * slope[left]


# --- what they share -----------------------------------------------------------------------------


def _of_model(
    kind: str, model: Any, parts: list[Part], numbers: dict[str, Any] | None = None
) -> Exported:
    seen = model.need()
    need = {
        "frame": seen.frame,
        "encoding": seen.encoding,
        "point": seen.point + _AT_ONCE,
        "least": seen.least,
    }
    return Exported(kind, model.network, parts, model.convention, need, numbers or {})


def _frames(model: Any, count: int) -> Tensor:
    width, height = model.convention.size
    low, high = model.convention.low, model.convention.high
    return low + (high - low) * torch.rand(count, 3, height, width)


def _queries(convention: Convention, count: int) -> Tensor:
    t = torch.arange(count) % _F
    return torch.column_stack([t, torch.rand(count, 2) * min(convention.size)]).float()


def _maps(model: Any, frames: Tensor, free: dict[int, str]) -> dict[str, Value]:
    with torch.no_grad():
        return _values("maps.", model.encode(frames), free)


def _encode(model: Any, frames: Tensor, free: dict[int, str], maps: dict[str, Value]) -> Part:
    return Part("encode", model.encode, {"frames": Value(frames, free)}, tuple(maps))


def _values(start: str, examples: Sequence[Tensor], free: dict[int, str]) -> dict[str, Value]:
    return {
        name: Value(example.contiguous(), free)
        for name, example in zip(_names(start, examples), examples, strict=True)
    }


def _names(start: str, values: Sequence[Tensor]) -> tuple[str, ...]:
    return tuple(f"{start}{number}" for number in range(len(values)))


def _split(values: Sequence[Tensor], *counts: int) -> list[list[Tensor]]:
    parts, first = [], 0
    for count in counts:
        parts.append(list(values[first : first + count]))
        first += count
    return parts


def _pairs(make: Callable[..., Any], values: list[Tensor]) -> list[Any]:
    return [make(*pair) for pair in zip(values[::2], values[1::2], strict=True)]


EXPORTED: dict[str, Callable[[Any], Exported]] = {
    "bootstapnext": _recurrent,
    "causal_bootstapir": _causal,
    "causal_tapir": _causal,
    "compact": _compact,
    "cotracker3_offline": _clip,
    "cotracker3_online": _window,
    "locotrack_base": _clip,
    "locotrack_small": _clip,
    "raft_large": _flow,
    "raft_small": _flow,
    "tapnext": _recurrent,
    "tapnextpp": _recurrent,
    "tapnextpp_512": _recurrent,
}
