"""One clip of a real video labelled by a teacher, and its folder.

``cat-1f3a9c_00/``

- ``video.mp4`` (H.264) or ``frames/00000.png``, ... (exact): the excerpt. With the store
  ``"none"`` there is neither, and frames are read from the video they are of;
- ``tracks.npz``: the teacher's tracks in pointtrack's own format, with the queries and the
  teacher's own confidence; a position that is no label is NaN;
- ``meta.json``: ``config`` and ``seed``, from which the same clip is made again; ``excerpt``,
  which frames of which video it is; and who labelled it.

A folder with frames is a clip like any other to `pointtrack.datasets.FolderDataset`.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError, PointtrackError
from pointtrack.files import reason
from pointtrack.formats.npz import Npz
from pointtrack.synthesis.folders import difference, whole_folder
from pointtrack.trackers.base import Tracker
from pointtrack.tracks import Tracks
from pointtrack.training.checks import one_of, whole
from pointtrack.training.excerpts import Excerpt, ExcerptConfig, draw_excerpt, find_cut
from pointtrack.training.sample import Rejected
from pointtrack.training.teachers import LabelConfig, Teacher, ask, draw_queries
from pointtrack.video import open_video, write_video

Store = Literal["mp4", "png", "none"]
Status = Literal["written", "there", "rejected", "failed"]
GENERATOR = "pseudo-labels"
_ATTEMPTS = 3  # a clip that has killed so many workers is given up


@dataclass(frozen=True)
class PseudoConfig:
    """What is labelled, how and by whom.

    Attributes
    ----------
    teachers
        One of them labels each clip, drawn by lot.
    excerpt, labels
        How clips and points are drawn.
    per_video
        Clips of each video.
    seed
        What all that is left to chance follows from, with the video's path and the clip's number.
    store
        How the frames are kept.

    Raises
    ------
    PointtrackError
        When there is no teacher, or a value is out of range.
    """

    teachers: tuple[Teacher, ...]
    excerpt: ExcerptConfig = field(default_factory=ExcerptConfig)
    labels: LabelConfig = field(default_factory=LabelConfig)
    per_video: int = 1
    seed: int = 0
    store: Store = "mp4"

    def __post_init__(self) -> None:
        if not self.teachers:
            raise PointtrackError("pseudo-labels need at least one teacher")
        whole("per_video", self.per_video, 1)
        whole("seed", self.seed, 0)
        one_of("store", self.store, get_args(Store))


@dataclass(frozen=True)
class Job:
    """One clip to label: clip `number` of a video."""

    video: str
    number: int

    @property
    def name(self) -> str:
        """What its folder is called; other videos of the same name get other names."""
        stem = re.sub(r"[^\w.-]+", "_", Path(self.video).stem).strip("._") or "video"
        return f"{stem[:60]}-{_digest(self.video)[:6]}_{self.number:02d}"

    def seed(self, config: PseudoConfig) -> int:
        words = (config.seed, int(_digest(self.video)[:15], 16), self.number)
        return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes
    ----------
    name, video, number
        Which clip.
    key
        Differs for other settings; see `description`.
    status
        ``"written"``, ``"there"`` (from an earlier run), ``"rejected"`` (of no use for
        training) or ``"failed"``.
    reason
        Why it was rejected or failed.
    teacher, points, frames, visible
        Who labelled it, how much, and the share of labels in which the point is visible.
    seconds
        How long that took.
    """

    name: str
    video: str
    number: int
    key: str
    status: Status
    reason: str = ""
    teacher: str = ""
    points: int = 0
    frames: int = 0
    visible: float = 0.0
    seconds: float = 0.0


def description(job: Job, config: PseudoConfig) -> dict[str, Any]:
    """What a clip follows from, as plain values; the device is none of it."""
    settings = asdict(config)
    settings["video"], settings["number"] = job.video, job.number
    del settings["per_video"]  # may grow later
    made = {"generator": GENERATOR, "seed": job.seed(config), "config": settings}
    plain: dict[str, Any] = json.loads(json.dumps(made))
    return plain


def key_of(job: Job, config: PseudoConfig) -> str:
    """A short form of `description`."""
    return _digest(json.dumps(description(job, config), sort_keys=True))[:16]


def is_written(out: Path, job: Job, config: PseudoConfig) -> bool:
    """Whether a clip's labels are there already.

    Raises
    ------
    FormatError
        When something else is there.
    """
    folder = out / job.name
    if not folder.exists():
        return False
    found, wanted = read_meta(folder), description(job, config)
    if any(found.get(name) != value for name, value in wanted.items()):
        raise FormatError(
            f"{folder} was labelled {difference(found, wanted)}; choose another folder"
        )
    return True


def read_meta(folder: Path) -> dict[str, Any]:
    """The description of a clip's folder.

    Raises
    ------
    FormatError
        When it is missing or is none.
    """
    meta = folder / "meta.json"
    try:
        found = json.loads(meta.read_text(encoding="utf-8"))
    except OSError as problem:
        raise FormatError(f"cannot read {meta}: {reason(problem)}") from problem
    except ValueError as problem:
        raise FormatError(f"{meta} is not the description of a labelled clip") from problem
    if not isinstance(found, dict) or found.get("generator") != GENERATOR:
        raise FormatError(f"{meta} is not the description of a labelled clip")
    return found


class Labeller:
    """Labels clips, one at a time; goes to other processes by pickle before it is used.

    Nothing that is wrong with a clip is raised: it is in the outcome.

    Parameters
    ----------
    config
        What is labelled how.
    out
        The folder for the clips.
    device
        Where teachers run.
    attempts
        A folder in which attempts are counted, so that a clip that kills its process does not
        do so for ever; None: not counted.
    """

    def __init__(
        self, config: PseudoConfig, out: Path, device: str = "auto", attempts: Path | None = None
    ):
        self.config, self.out, self.device, self.attempts = config, out, device, attempts

    def __call__(self, job: Job) -> Outcome:
        began = time.perf_counter()
        about: dict[str, Any] = {
            "name": job.name,
            "video": job.video,
            "number": job.number,
            "key": key_of(job, self.config),
        }
        try:
            if is_written(self.out, job, self.config):  # by a worker that was killed after that
                return _written(about, read_meta(self.out / job.name))
            self._count(job)
            meta = self._label(job, began)
        except Rejected as problem:
            return Outcome(**about, status="rejected", reason=problem.reason)
        except PointtrackError as problem:
            return Outcome(**about, status="failed", reason=str(problem))
        except Exception as problem:  # whatever a teacher does must not stop the other clips
            words = " ".join(f"{type(problem).__name__}: {problem}".split())
            return Outcome(**about, status="failed", reason=words[:500])
        return _written(about, meta)

    def _count(self, job: Job) -> None:
        if self.attempts is None:
            return
        path = self.attempts / job.name
        with path.open("ab") as file:
            file.write(b".")
        if path.stat().st_size > _ATTEMPTS:
            raise PointtrackError(f"its worker was killed {_ATTEMPTS} times")

    def _label(self, job: Job, began: float) -> dict[str, Any]:
        config, rng = self.config, np.random.default_rng(job.seed(self.config))
        # Drawn first: the lot does not depend on what is in the video.
        teacher = config.teachers[int(rng.integers(len(config.teachers)))]
        excerpt = draw_excerpt(job.video, config.excerpt, rng)
        with excerpt.open() as opened:
            fps, frames = opened.fps, opened.to_numpy()
        cut = find_cut(frames, config.excerpt.cut)
        if cut is not None:
            raise Rejected(job.video, "there is a cut in it")
        video = open_video(frames, fps=fps)
        queries = draw_queries(video, config.labels, rng)
        tracker = _tracker(teacher, self.device)
        tracks = ask(tracker, teacher, video, queries, config.labels.both_ways)
        meta = {
            **description(job, config),
            "excerpt": asdict(excerpt),
            "teacher": teacher.name,
            "points": len(tracks),
            "visible": round(float(tracks.visible.sum() / max(tracks.known.sum(), 1)), 4),
            "seconds": round(time.perf_counter() - began, 3),
        }
        _write(self.out / job.name, frames, tracks, config.store, meta)
        return meta


@cache
def _tracker(teacher: Teacher, device: str) -> Tracker:
    return teacher.load(device)


def _written(about: dict[str, Any], meta: dict[str, Any]) -> Outcome:
    made = {name: meta[name] for name in ("teacher", "points", "visible", "seconds")}
    return Outcome(**about, status="written", frames=len(meta["excerpt"]["frames"]), **made)


def _write(
    folder: Path, frames: NDArray[np.uint8], tracks: Tracks, store: Store, meta: dict[str, Any]
) -> None:
    with whole_folder(folder) as temporary:
        if store == "mp4":
            write_video(temporary / "video.mp4", frames, tracks.fps, crf=14)
        elif store == "png":
            (temporary / "frames").mkdir()
            for t, frame in enumerate(frames):
                done, data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
                if not done:
                    raise FormatError(f"OpenCV cannot encode frame {t} for {folder} as PNG")
                (temporary / "frames" / f"{t:05d}.png").write_bytes(data.tobytes())
        Npz().write(tracks, temporary / "tracks.npz")
        text = json.dumps(meta, indent=2)
        (temporary / "meta.json").write_text(text + "\n", encoding="utf-8")


def excerpt_of(meta: dict[str, Any]) -> Excerpt:
    """The excerpt that a description tells of.

    Raises
    ------
    FormatError
        When it tells of none.
    """
    try:
        told = dict(meta["excerpt"])
        pairs = {name: (int(x), int(y)) for name in ("resized", "corner", "size")
                 for x, y in [told[name]]}  # fmt: skip
        return Excerpt(str(told["video"]), tuple(int(t) for t in told["frames"]), **pairs)
    except (KeyError, TypeError, ValueError) as problem:
        raise FormatError("the description of a labelled clip lacks its excerpt") from problem


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode("utf-8", "surrogateescape")).hexdigest()
