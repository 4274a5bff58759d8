"""Particle video: a thin cloud of particles, each held by its looks, the flow and its links.

Sand and Teller, "Particle Video: Long-Range Motion Estimation using Point Trajectories", CVPR
2006 and IJCV 80(1), 2008. In every frame particles are propagated by optical flow, linked
with their neighbours, settled by an optimisation, ended where they are covered or no longer
fit, and added where they are missing. A particle that has ended stays ended: the method does
not find a point again behind what covered it.

A query is a particle put exactly where it was asked for; the others support it. When it ends,
it is reported as not visible, and its position goes on with the particles that used to move
as it did, since those are of the same surface; when they have ended too, it stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack import geometry
from pointtrack.errors import PointtrackError, require
from pointtrack.trackers.base import Progress, Tracker
from pointtrack.trackers.flow import FlowSource, WorkingSize, flow_source
from pointtrack.trackers.particles.settings import Settings
from pointtrack.trackers.particles.sweep import Sweep
from pointtrack.trackers.particles.whole import whole_video
from pointtrack.trackers.session import Estimate, Flags, Points, Session
from pointtrack.tracks import Tracks
from pointtrack.video import VideoLike, open_finite
from pointtrack.weights import ModelCard

CARD = ModelCard(
    name="particle_video",
    family="particle video",
    summary="particles held by their looks, optical flow and links; ended where covered",
    paper="Sand, Teller, Particle Video: Long-Range Motion Estimation using Point "
    "Trajectories, CVPR 2006; IJCV 80(1), 2008",
    task="online",
)

_DEFAULT = Settings()
_NOBODY = np.empty(0, np.int64)


class ParticleVideoTracker(Tracker):
    """Particle video; needs SciPy, the ``classic`` extra.

    Parameters
    ----------
    flow
        ``"dis_fast"``, ``"dis_fine"``, ``"dis_medium"`` or a `FlowSource`.
    longest
        Working size: longer side of the frames in pixels.
    spacing
        Distance between particles, as a multiple of the paper's: 1 is a particle a pixel
        where there is detail.
    max_particles
        At most so many particles a frame, not counting queries; spacing grows to keep to it.
    flow_weight, distortion_weight
        What moving like the flow and moving like its neighbours weighs against a particle's
        looks.
    prune_energy
        A particle ends when its energy, in grey levels summed over five channels, is higher.
    """

    card = CARD

    def __init__(
        self,
        flow: str | FlowSource[Any] = "dis_medium",
        longest: int = 480,
        spacing: float = _DEFAULT.spacing,
        max_particles: int = _DEFAULT.max_particles,
        flow_weight: float = _DEFAULT.flow_weight,
        distortion_weight: float = _DEFAULT.distortion_weight,
        prune_energy: float = _DEFAULT.prune_energy,
    ):
        require("scipy.sparse", "classic")
        require("scipy.spatial", "classic")
        self._source = flow_source(flow)
        self._working = WorkingSize(longest)
        self._settings = Settings(
            spacing=spacing,
            max_particles=max_particles,
            flow_weight=flow_weight,
            distortion_weight=distortion_weight,
            prune_energy=prune_energy,
        )

    def session(self, keep: bool = False) -> ParticleVideoSession:
        return ParticleVideoSession(self._source, self._working, self._settings, keep)

    def particles(self, video: VideoLike, progress: Progress | None = None) -> Tracks:
        """All particles of a video, without any query.

        A sweep forwards, one backwards that follows particles added late to the frames
        before, and a last refinement of all positions together.
        Early frames may hold more than ``max_particles``, since late ones are followed back.

        Parameters
        ----------
        video
            Anything `open_video` takes. It is read three times.
        progress
            Called with (frames of work done, in all); each frame counts three times.

        Returns
        -------
        Tracks
            One row a particle that lives for at least three frames (in a shorter video: for
            all of it); NaN before it begins and after it ends.

        Raises
        ------
        VideoError
            When the video cannot be read.
        PointtrackError
            When it is a live stream, or has no frames.
        """
        opened = open_finite(video)
        count, done = len(opened), 0
        if count == 0:
            raise PointtrackError(f"{opened.name} has no frames")

        def frames(backwards: bool) -> Iterable[NDArray[np.uint8]]:
            return map(self._working.shrink, opened[::-1] if backwards else opened)

        def tick() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, 3 * count)

        record = whole_video(frames, count, self._source, self._settings, tick)
        xy, energy = record.arrays(self._settings.least_life)
        size = self._working.of(opened.size)
        alive = np.isfinite(xy[..., 0])
        return Tracks(
            geometry.resize_points(xy, size, opened.size).astype(np.float32),
            alive,
            np.where(alive, confidence(energy, self._settings), 0),
            size=opened.size,
            fps=opened.fps,
            times=opened.times,
        )


class ParticleVideoSession(Session):
    """Per point: its particle, its place at the working size, and its companions once ended."""

    def __init__(
        self, source: FlowSource[Any], working: WorkingSize, settings: Settings, keep: bool
    ):
        super().__init__(keep)
        self._working, self._settings = working, settings
        self._sweep = Sweep(source, settings)
        self._particle = np.empty(0, np.int64)  # K
        self._at = np.empty((0, 2))  # K 2
        self._companions: dict[int, NDArray[np.int64]] = {}  # by particle, those ended

    def _start(self, frame: NDArray[np.uint8]) -> None:
        self._sweep.start(self._working.shrink(frame))

    def _begin(self, xy: Points) -> None:
        at = geometry.resize_points(xy, self._size(), self._working.of(self._size()))
        self._particle = np.concatenate([self._particle, self._sweep.insert(at)])
        self._at = np.concatenate([self._at, at])

    def _keep(self, rows: Flags) -> None:
        gone = self._particle[~rows]
        self._sweep.remove(gone)
        for particle in gone.tolist():
            self._companions.pop(particle, None)
        self._particle, self._at = self._particle[rows], self._at[rows]

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        self._sweep.advance(self._working.shrink(frame))
        self._companions.update(self._sweep.companions)
        alive = self._sweep.particles
        row = alive.rows(self._particle)
        visible = row >= 0
        sure = np.zeros(len(row), np.float32)
        self._at[visible] = alive.xy[row[visible]]
        energy = alive.smooth_energy(self.frame, self._settings)[row[visible]]
        sure[visible] = confidence(energy, self._settings)
        for k in np.flatnonzero(~visible):
            self._at[k] += self._carried(int(self._particle[k]))
        xy = geometry.resize_points(self._at, self._working.of(self._size()), self._size())
        return xy.astype(np.float32), visible, sure

    def _carried(self, particle: int) -> NDArray[Any]:
        """How an ended particle moves: as its companions do in the middle, ``(2,)``."""
        moves = self._sweep.last_move(self._companions.get(particle, _NOBODY))
        return np.median(moves, axis=0) if len(moves) else np.zeros(2, np.float32)

    def _size(self) -> geometry.Size:
        assert self.size is not None
        return self.size


def confidence(energy: NDArray[Any], settings: Settings) -> NDArray[np.float32]:
    """``exp(-E / 2P)``, where P is the energy at which a particle is ended."""
    return np.exp(-energy / (2 * settings.prune_energy)).astype(np.float32)
