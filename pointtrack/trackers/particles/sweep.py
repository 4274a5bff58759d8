"""One sweep over a video, in either direction: propagate, link, optimise, prune, add."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.flow import FlowSource
from pointtrack.trackers.particles.channels import Channels, channels
from pointtrack.trackers.particles.density import free_places, scale_map
from pointtrack.trackers.particles.links import Links, link
from pointtrack.trackers.particles.occlusion import dense, motion
from pointtrack.trackers.particles.optimise import Side, optimise
from pointtrack.trackers.particles.settings import Settings
from pointtrack.trackers.particles.state import ENERGIES, Particles, find

COMPANIONS = 12  # particles of the same surface that are remembered for one that ends
_NEAR = 48  # among how many of the nearest they are looked for
_ALIKE = 0.8  # what a link between the two would have to weigh
_PUSHED = 2  # last moves that are not asked


@dataclass(frozen=True, eq=False)
class Known:
    """Particles whose place in a frame is settled: ids ``(K,)``, ``xy (K, 2)``."""

    ids: NDArray[np.int64]
    xy: NDArray[Any]

    @classmethod
    def nothing(cls) -> Known:
        return cls(np.empty(0, np.int64), np.empty((0, 2)))


@dataclass(frozen=True, eq=False)
class View:
    """What is kept of a frame: the picture, its channels, and what the flow source needs."""

    picture: NDArray[np.uint8]
    channels: Channels
    prepared: Any


def view(picture: NDArray[np.uint8], source: FlowSource[Any], settings: Settings) -> View:
    """Look at a frame of the working size."""
    return View(picture, channels(picture, settings), source.prepare(picture))


class Sweep:
    """The particles of the latest frame, and how they go on to the next.

    Its memory depends on the number of particles, not on the number of frames.

    Attributes
    ----------
    particles : Particles
        Those that are alive.
    companions : dict
        For each asked particle that ended in the latest step: ids of particles that used to
        move as it did.
    """

    def __init__(self, source: FlowSource[Any], settings: Settings, first_id: int = 0):
        self._source, self._settings = source, settings
        self._view: View | None = None
        self._frame = 0
        self._links = Links.none()
        self.next_id = first_id
        self.particles = Particles.born(
            np.empty(0, np.int64), np.empty((0, 2)), np.empty((0, 5), np.float32), 0, settings
        )
        self.companions: dict[int, NDArray[np.int64]] = {}

    def start(self, picture: NDArray[np.uint8], known: Known | None = None) -> None:
        """See the first frame, ``(H, W, 3)`` RGB at the working size, and fill it."""
        self._view = view(picture, self._source, self._settings)
        self._enter(known or Known.nothing())
        self._add()

    def advance(self, picture: NDArray[np.uint8], known: Known | None = None) -> None:
        """Take the particles to the next frame.

        ``known`` particles are where they are: they hold their neighbours, and are neither
        moved nor ended.
        """
        assert self._view is not None
        known = known or Known.nothing()
        settings, before = self._settings, self._view
        now = self._view = view(picture, self._source, settings)
        self._frame += 1
        flow = dense(self._source.between(before.prepared, now.prepared), now.channels.size)
        moving = motion(flow, before.channels, now.channels, settings)
        old = self.particles
        step = moving.at(old.xy).astype(np.float64)
        place = find(known.ids, old.ids)
        held = place >= 0
        aim = old.xy + step
        aim[held] = known.xy[place[held]]
        going = held | ~(moving.hides(old.xy) | self._left(aim, old.asked))

        new, step, aim, held = old.select(going), step[going], aim[going], held[going]
        look = new.appearance(self._frame, settings)
        links = link(aim, self._links.among(going), new.motion, step, settings)
        done = optimise(aim, now.channels, look, [Side(new.xy, step, links)], ~held, settings)
        self._note(new, done.xy, done.energy)
        over = new.smooth_energy(self._frame, settings) > settings.prune_energy
        staying = held | ~(over | self._left(new.xy, new.asked))
        self.particles, self._links = new.select(staying), links.among(staying)
        self._remember(old.select(old.asked & (find(self.particles.ids, old.ids) < 0)))
        self._enter(known)
        self._add()

    def insert(self, xy: NDArray[Any]) -> NDArray[np.int64]:
        """Put asked particles exactly at ``xy (K, 2)`` of the latest frame; their ids.

        Other particles make room for them.
        """
        if len(xy) == 0:
            return np.empty(0, np.int64)
        room = np.ones(len(self.particles), bool)
        for place in np.asarray(xy, np.float64):
            near = np.square(self.particles.xy - place).sum(axis=1) < 0.25
            room &= self.particles.asked | ~near
        self._drop(~room)
        return self._append(xy, asked=True)

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Take particles out; ids that are not alive are passed over."""
        self._drop(np.isin(self.particles.ids, ids))

    def looks(self) -> NDArray[np.float32]:
        """The channels under the particles in the latest frame, ``(P, 5)``."""
        return self.particles.look[:, self._frame % self._settings.memory]

    def last_move(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The latest moves of those of ``ids`` that are alive, ``(K', 2)``."""
        rows = self.particles.rows(ids)
        moves = self.particles.motion[rows[rows >= 0], self._frame % self._settings.memory]
        return moves[np.isfinite(moves[:, 0])]

    # -- parts of a step -------------------------------------------------------------------

    def _left(self, xy: NDArray[np.float64], asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which have come too near to the picture's edge; asked ones may go as far as it."""
        assert self._view is not None
        margin = np.where(asked, -0.5, self._settings.border)[:, None]
        limit = np.array(self._view.channels.size) - 1
        beyond: NDArray[np.bool_] = np.maximum(margin - xy, xy - limit + margin).max(axis=1) > 0
        return beyond

    def _note(self, new: Particles, xy: NDArray[np.float64], energy: NDArray[np.float64]) -> None:
        assert self._view is not None
        slot = self._frame % self._settings.memory
        new.motion[:, slot] = xy - new.xy
        new.look[:, slot] = self._view.channels.at(xy)
        new.energy[:, self._frame % ENERGIES] = energy
        new.xy = xy

    def _remember(self, ended: Particles) -> None:
        """Find particles of the same surface for asked ones that end."""
        self.companions = {}
        settings, alive = self._settings, self.particles
        slot = self._frame % settings.memory
        if len(ended) == 0 or len(alive) == 0:
            return
        origin = alive.xy - alive.motion[:, slot]
        ended.motion[:, slot] = np.nan  # from a ring's length ago
        # Near its end a particle is often pushed by what covers it.
        recent = (self._frame - np.arange(1, _PUSHED + 1)) % settings.memory
        longer = np.isfinite(np.delete(ended.motion, recent, axis=1)[..., 0]).any(axis=1)
        ended.motion[np.ix_(longer, recent)] = np.nan
        for i in range(len(ended)):
            distance = np.square(origin - ended.xy[i]).sum(axis=1)
            near = np.argsort(distance, kind="stable")[:_NEAR]
            gap = np.square(alive.motion[near] - ended.motion[i]).sum(axis=2)  # 48 R
            shared = np.isfinite(gap)
            apart = np.where(shared, gap, 0).sum(axis=1) / np.maximum(shared.sum(axis=1), 1)
            alike = np.exp(-apart / (2 * settings.link_sigma**2)) > _ALIKE
            # One that has moved only once or never is judged by its place alone.
            same = alike & (shared.any(axis=1) | ~np.isfinite(ended.motion[i, :, 0]).any())
            self.companions[int(ended.ids[i])] = alive.ids[near[same][:COMPANIONS]]

    def _enter(self, known: Known) -> None:
        """Take up settled particles that were not alive in the frame before."""
        missing = find(self.particles.ids, known.ids) < 0
        if missing.any():
            self._append(known.xy[missing], ids=known.ids[missing])

    def _add(self) -> None:
        """Put particles where they are missing."""
        assert self._view is not None
        support = int((~self.particles.asked).sum())
        limit = self._settings.max_particles - support
        if limit > 0:
            scale = scale_map(self._view.picture, self._settings)
            self._append(free_places(scale, self.particles.xy, self._settings.border, limit))

    def _append(
        self, xy: NDArray[Any], asked: bool = False, ids: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        assert self._view is not None
        if ids is None:
            ids = np.arange(self.next_id, self.next_id + len(xy))
            self.next_id += len(xy)
        look = self._view.channels.at(np.asarray(xy))
        new = Particles.born(ids, xy, look, self._frame, self._settings, asked)
        self.particles = self.particles.joined(new)
        return ids

    def _drop(self, rows: NDArray[np.bool_]) -> None:
        if rows.any():
            self._links = self._links.among(~rows)
            self.particles = self.particles.select(~rows)
