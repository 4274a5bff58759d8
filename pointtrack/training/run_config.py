"""What a training run is: one TOML file, checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, get_type_hints

from pointtrack.errors import PointtrackError, require
from pointtrack.files import PathLike, reason
from pointtrack.networks.compact import CompactConfig
from pointtrack.training.checks import chance, number, one_of, whole
from pointtrack.training.losses import LossConfig
from pointtrack.training.unroll import UnrollConfig

Made = TypeVar("Made")


@dataclass(frozen=True)
class PartConfig:
    """One source of clips: generated, a folder of clips with tracks, or of pseudo-labels.

    Attributes
    ----------
    preset
        Of the procedural generator; not used with a folder.
    folder, format
        A data set on the disk, as `pointtrack evaluate` takes it.
    labels, least_confidence
        A folder that `pointtrack pseudo-label` wrote, and how sure its teachers must have been;
        see `pointtrack.training.pseudo_source`.
    weight
        How often, next to the other parts.
    reverse
        How often time runs backwards.
    recipe
        The augmentation; see `pointtrack.training.recipes`.
    speed
        Factor on how fast generated things and the camera move.
    stride
        Least and greatest step between the frames taken from a clip of a folder.
    """

    preset: str = "default"
    folder: str = ""
    format: str = ""
    labels: str = ""
    least_confidence: float = 0.0
    weight: float = 1.0
    reverse: float = 0.5
    recipe: str = "none"
    speed: float = 1.0
    stride: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class DataConfig:
    """What the network sees.

    Attributes
    ----------
    frames, size, points
        Of a sample; (width, height) are multiples of 16.
    tracks
        Tracks made for each generated clip, among which the points are chosen.
    batch
        Samples a step, on each process.
    workers
        Processes that make samples; 0: none but this one.
    device
        Where generated clips are drawn.
    anywhere
        Share of points that are asked for in any frame in which they are visible; the others
        in the first one.
    parts
        Where clips come from.
    """

    frames: int = 10
    size: tuple[int, int] = (128, 128)
    points: int = 64
    tracks: int = 128
    batch: int = 4
    workers: int = 1
    device: str = "cpu"
    anywhere: float = 0.25
    parts: tuple[PartConfig, ...] = (PartConfig(),)


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW, or Muon beside it, with a linear warm-up and a cosine down to a small rest.

    Attributes
    ----------
    rate, rest
        Greatest learning rate, and the share of it that is left in the end.
    warmup
        Steps until it is reached.
    decay
        Weight decay, on matrices and kernels only.
    clip
        Greatest length of the gradient.
    ema
        How much of the average of the weights is kept at each step.
    muon
        Whether matrices and kernels between hidden layers are learned by Muon; see
        `pointtrack.training.optimiser`.
    rest_rate
        AdamW's rate for the other weights, as a share of Muon's.
    """

    rate: float = 5e-4
    rest: float = 0.02
    warmup: int = 300
    decay: float = 1e-3
    clip: float = 1.0
    ema: float = 0.999
    muon: bool = False
    rest_rate: float = 1.0


@dataclass(frozen=True)
class HeldOutConfig:
    """Measuring on generated clips that are never trained on.

    Attributes
    ----------
    every
        Steps between two measurements; 0: never.
    clips, frames, size, points, preset
        What is measured on.
    seed
        Of the clips; `production.clip_seed` numbers them.
    """

    every: int = 500
    clips: int = 8
    frames: int = 24
    size: tuple[int, int] = (256, 256)
    points: int = 64
    preset: str = "default"
    seed: int = 41


@dataclass(frozen=True)
class RunConfig:
    """A whole run.

    Attributes
    ----------
    steps
        How many in all.
    seed
        What weights begin as and which clips are seen.
    start
        Weights to begin with: a checkpoint or a weights file of an earlier stage.
    precision
        ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the machine multiplies in it.
    threads
        Of PyTorch on the CPU; 0: as many as it likes.
    save, keep
        Steps between checkpoints, and between weights that stay on the disk.
    log
        Steps between lines of the log.
    """

    steps: int = 20_000
    seed: int = 1
    start: str = ""
    precision: str = "auto"
    threads: int = 0
    save: int = 100
    keep: int = 5000
    log: int = 20
    model: CompactConfig = field(default_factory=CompactConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    unroll: UnrollConfig = field(default_factory=UnrollConfig)
    held_out: HeldOutConfig = field(default_factory=HeldOutConfig)

    def __post_init__(self) -> None:
        for name in ("steps", "save", "keep", "log"):
            whole(name, getattr(self, name), 1)
        whole("seed", self.seed, 0)
        whole("threads", self.threads, 0)
        one_of("precision", self.precision, ("auto", "float32", "bfloat16"))
        data, optimiser = self.data, self.optimiser
        for name in ("frames", "points", "tracks", "batch"):
            whole(f"data.{name}", getattr(data, name), 1)
        whole("data.workers", data.workers, 0)
        chance("data.anywhere", data.anywhere)
        for name, size in (("data.size", data.size), ("held_out.size", self.held_out.size)):
            if len(size) != 2 or any(side < 16 or side % 16 for side in size):
                raise PointtrackError(f"{name} must be multiples of 16, found {size}")
        number("optimiser.rate", optimiser.rate, 0)
        number("optimiser.rest", optimiser.rest, 0, 1)
        whole("optimiser.warmup", optimiser.warmup, 0)
        number("optimiser.decay", optimiser.decay, 0)
        number("optimiser.clip", optimiser.clip, 0)
        number("optimiser.ema", optimiser.ema, 0, 1)


def read_config(path: PathLike) -> RunConfig:
    """Read a run's TOML file.

    Raises
    ------
    PointtrackError
        When it cannot be read, or holds something unknown or out of range; the message names
        the file and the entry.
    """
    toml = _toml()
    try:
        with Path(path).open("rb") as file:
            table = toml.load(file)
    except OSError as problem:
        raise PointtrackError(f"cannot read {path}: {reason(problem)}") from problem
    except (toml.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise PointtrackError(f"{path} is not valid TOML: {problem}") from problem
    try:
        return make(RunConfig, table)
    except PointtrackError as problem:
        raise PointtrackError(f"{path}: {problem}") from problem


def make(kind: type[Made], table: Mapping[str, Any], where: str = "") -> Made:
    """A settings class from nested plain tables, as TOML and checkpoints hold them.

    Raises
    ------
    PointtrackError
        When an entry is unknown or of the wrong type.
    """
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in table.items():
        label = f"{where}{name}"
        if name not in known:
            raise PointtrackError(f"there is no setting {label!r}; there are: {', '.join(known)}")
        default = known[name].default
        if is_dataclass(hints[name]):
            values[name] = make(hints[name], _table(label, value), f"{label}.")
        elif name == "parts":
            parts = (make(PartConfig, _table(label, row), f"{label}.") for row in value)
            values[name] = tuple(parts)
        else:
            values[name] = _plain(label, value, None if default is MISSING else default)
    return kind(**values)


def _table(label: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise PointtrackError(f"{label} must be a table, found {value!r}")
    return value


def _plain(label: str, value: Any, usual: Any) -> Any:
    if isinstance(usual, tuple):
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, int) for v in value):
            raise PointtrackError(f"{label} must be whole numbers, found {value!r}")
        return tuple(value)
    kinds = (int, float) if isinstance(usual, float) else (type(usual),)
    if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(usual, bool):
        raise PointtrackError(f"{label} must be like {usual!r}, found {value!r}")
    return value


def _toml() -> ModuleType:
    try:
        return require("tomllib", "train")
    except PointtrackError:  # Python 3.10
        return require("tomli", "train")
