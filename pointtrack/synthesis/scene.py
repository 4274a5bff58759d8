"""A scene before it is drawn: its layers over time, and the exact track of any point."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pointtrack.geometry import Size, inside
from pointtrack.queries import Queries
from pointtrack.synthesis.effects import Effects
from pointtrack.synthesis.layers import COVERED, Layer
from pointtrack.synthesis.render import draw, frame_chunks, top_layers

SMOKE_HIDES = 0.75  # smoke and shade more opaque than this make a point invisible


class ClipScene:
    """Layers, effects and the tracks of any point; made by `make_scene`.

    Parameters
    ----------
    layers
        Back to front; the first fills the picture. Each knows ``frames * subframes`` moments.
    effects
        What happens to the drawn frames.
    size, frames
        (width, height) and number of frames.
    subframes
        Moments averaged for each frame; the middle one is the frame's own.
    noise_seed
        For noise in `render`.
    """

    def __init__(
        self,
        layers: list[Layer],
        effects: Effects,
        size: Size,
        frames: int,
        subframes: int,
        noise_seed: int,
    ):
        self.layers, self.effects, self.size, self.frames = layers, effects, size, frames
        self._subframes, self._noise_seed = subframes, noise_seed

    def render(self) -> NDArray[np.uint8]:
        """Draw the video: ``(T, H, W, 3)`` uint8."""
        device = self.layers[0].pixels.device
        generator = torch.Generator(device).manual_seed(self._noise_seed)
        parts = []
        for chunk in frame_chunks(self.frames, self.size):
            first = torch.tensor(chunk) * self._subframes
            video = draw(self.layers, first, self.size)
            for sub in range(1, self._subframes):
                video += draw(self.layers, first + sub, self.size)
            parts.append(self.effects.apply(video / self._subframes, chunk, generator).cpu())
        return torch.cat(parts).numpy()

    def layer_map(self) -> NDArray[np.int64]:
        """Which layer is on top at every pixel's centre, ``(T, H, W)``, counted from the back."""
        moments = self.moment(torch.arange(self.frames))
        return top_layers(self.layers, moments, self.size).cpu().numpy()

    def layer_at(self, queries: ArrayLike) -> NDArray[np.int64]:
        """The layer on top at each query, ``(N,)``."""
        moment, p = self._observations(queries)
        return self._top(moment, p).numpy()

    def track(
        self, queries: ArrayLike
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
        """Follow any points through the whole clip.

        Parameters
        ----------
        queries
            ``(N, 3)`` rows (t, x, y) in the picture, in pixels with the centre of the top-left
            pixel at ``(0, 0)``. A query is a point of the layer on top there.

        Returns
        -------
        tuple
            `xy` (N, T, 2), `visible` and `valid` (N, T), as in `SyntheticClip`.

        Raises
        ------
        QueryError
            When a query lies outside the picture or the clip.
        """
        moment, p = self._observations(queries)
        owner = self._top(moment, p)
        return self.follow(owner, self._material(owner, moment, p))

    def follow(
        self, owner: Tensor, u: Tensor
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
        """Follow points given by their layer (N,) and its texture's coordinates ``(N, 2)``."""
        count = len(owner)
        moment = self.moment(torch.arange(self.frames)).repeat(count)  # N*T
        p = torch.full((count, self.frames, 2), torch.nan, dtype=torch.float64)
        valid = torch.zeros(count, self.frames, dtype=torch.bool)
        for index, layer in enumerate(self.layers):
            own = owner == index
            if own.any():
                part = u[own].repeat_interleave(self.frames, dim=0)
                place, exact = layer.picture_place(moment[: len(part)], part)
                p[own], valid[own] = place.view(-1, self.frames, 2), exact.view(-1, self.frames)
        xy = torch.where(valid[..., None], p, torch.nan)
        seen = torch.from_numpy(inside(xy.numpy(), self.size)) & valid
        hidden = self._hidden(owner.repeat_interleave(self.frames)[seen.view(-1)],
                              moment[seen.view(-1)], p[seen])  # fmt: skip
        visible = seen.clone()
        visible[seen] = ~hidden
        return xy.float().numpy(), visible.numpy(), valid.numpy()

    def covers(self, moment: Tensor, p: Tensor) -> Tensor:
        """How much of each layer there is at places of the picture: ``(L, P)`` in [0, 1]."""
        return torch.stack([layer.covers(moment, p) for layer in self.layers])

    def owners(self, covers: Tensor) -> Tensor:
        """The solid layer on top, by coverages ``(L, P)``: ``(P,)``, an index of layers."""
        solid = torch.tensor([layer.solid for layer in self.layers])
        rank = torch.arange(len(self.layers))[:, None]
        return (rank * (solid[:, None] & (covers >= COVERED))).amax(dim=0)

    def moment(self, frame: Tensor) -> Tensor:
        """The moments of frames, the middle of each shutter: ``(n,)``."""
        return frame * self._subframes + self._subframes // 2

    def _observations(self, queries: ArrayLike) -> tuple[Tensor, Tensor]:
        rows = np.asarray(queries, np.float64)
        Queries(rows.astype(np.float32)).check(self.size, self.frames)
        txy = torch.from_numpy(rows)
        return self.moment(txy[:, 0].long()), txy[:, 1:]

    def _top(self, moment: Tensor, p: Tensor) -> Tensor:
        return self.owners(self.covers(moment, p))

    def _material(self, owner: Tensor, moment: Tensor, p: Tensor) -> Tensor:
        u = torch.empty(len(p), 2, dtype=torch.float64)
        for index, layer in enumerate(self.layers):
            own = owner == index
            if own.any():
                u[own] = layer.texture_place(moment[own], p[own])[0]
        return u

    def _hidden(self, owner: Tensor, moment: Tensor, p: Tensor) -> Tensor:
        hidden = torch.zeros(len(p), dtype=torch.bool)
        clear = torch.ones(len(p))
        for index, layer in enumerate(self.layers):
            behind = owner < index
            if not behind.any():
                continue
            cover = torch.zeros(len(p))
            cover[behind] = layer.covers(moment[behind], p[behind])
            if layer.solid:
                hidden |= cover >= COVERED
            else:
                clear *= 1 - cover
        return hidden | (clear < 1 - SMOKE_HIDES)
