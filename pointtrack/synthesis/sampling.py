"""Which points of a scene to follow."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.geometry import inside
from pointtrack.synthesis.scene import SMOKE_HIDES, ClipScene

_CLEAN = 0.9  # coverage of its own layer that a chosen point has at least


def sample_queries(scene: ClipScene, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Choose points that are clearly seen at their query, shared out over the layers.

    Candidates are places anywhere in the picture and time, and on every layer by itself, so
    that small and thin things get points too. Layers with few candidates give all they have,
    the others the same number each. Points on soft edges are left out.

    Returns
    -------
    ndarray
        ``(count, 3)`` float32 rows (t, x, y), in random order.
    """
    anywhere = _anywhere(scene, 2 * count, rng)
    rows = np.concatenate([anywhere, _on_layers(scene, 2 * count, rng)])
    txy = torch.from_numpy(rows)
    covers = scene.covers(scene.moment(txy[:, 0].long()), txy[:, 1:])  # L P
    owner = scene.owners(covers)
    clean = _clean(scene, covers, owner)
    if not clean.any():  # smoke over everything
        return anywhere[:count].astype(np.float32)
    chosen = _share_out(owner.numpy(), np.flatnonzero(clean.numpy()), count, rng)
    return rows[chosen].astype(np.float32)


def _anywhere(scene: ClipScene, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    width, height = scene.size
    t = rng.integers(0, scene.frames, count)
    return np.column_stack([t, rng.uniform(0, width - 1, count), rng.uniform(0, height - 1, count)])


def _on_layers(scene: ClipScene, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Places on each layer, at frames in which they are in the picture; about ``count``."""
    things = [layer for layer in scene.layers if layer.solid and not layer.endless]
    rows = [np.empty((0, 3))]
    for layer in things:
        u = torch.from_numpy(rng.uniform(-0.95, 0.95, (4 * count // len(things), 2)))
        u = u[layer.cover_at(u) >= _CLEAN][: 1 + count // len(things)]
        t = rng.integers(0, scene.frames, len(u))
        p, exact = layer.picture_place(scene.moment(torch.from_numpy(t)), u)
        kept = exact.numpy() & inside(p.numpy(), scene.size)
        rows.append(np.column_stack([t, p.numpy()])[kept])
    return np.concatenate(rows)


def _clean(scene: ClipScene, covers: Tensor, owner: Tensor) -> Tensor:
    rank = torch.arange(len(covers))[:, None]
    solid = torch.tensor([layer.solid for layer in scene.layers])[:, None]
    own = covers.gather(0, owner[None])[0] >= _CLEAN
    in_front = (covers * (solid & (rank > owner))).amax(dim=0) <= 1 - _CLEAN
    clear = torch.where(~solid & (rank > owner), 1 - covers, 1.0).prod(dim=0)
    return own & in_front & (clear > 1 - 0.95 * SMOKE_HIDES)


def _share_out(
    owner: NDArray[np.int64], candidates: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """``count`` candidates, as evenly over their owners as there are any."""
    order = rng.permutation(candidates)
    layers, numbers = np.unique(owner[order], return_counts=True)
    chosen: list[NDArray[np.int64]] = []
    left = count
    for done, index in enumerate(np.argsort(numbers, kind="stable")):
        share = min(numbers[index], left // (len(layers) - done))
        chosen.append(order[owner[order] == layers[index]][:share])
        left -= int(share)
    taken = np.concatenate(chosen)
    if left:  # fewer candidates than points
        taken = np.concatenate([taken, rng.choice(candidates, left)])
    return rng.permutation(taken)
