"""From a run's settings to batches, and where in them points are asked for."""

from __future__ import annotations

import torch

from pointtrack.datasets import open_dataset
from pointtrack.errors import PointtrackError
from pointtrack.synthesis import preset
from pointtrack.training.clips import ClipConfig, DatasetSource, ProceduralSource, Source
from pointtrack.training.loader import Loader
from pointtrack.training.points import PointConfig
from pointtrack.training.processes import Group
from pointtrack.training.pseudo_source import PseudoLabelSource
from pointtrack.training.recipes import RECIPES
from pointtrack.training.run_config import DataConfig, PartConfig, RunConfig
from pointtrack.training.sample import Batch
from pointtrack.training.training_set import Part, TrainingSet

_EPOCH = 1 << 20  # samples: generated clips have no natural end


def make_loader(config: RunConfig, group: Group, pin: bool = False) -> Loader:
    """Batches for one process of a run."""
    data = config.data
    parts = [_part(part, data) for part in config.data.parts]
    points = PointConfig(data.points, query="first")
    training_set = TrainingSet(parts, data.size, points, config.seed)
    return Loader(
        training_set,
        data.batch,
        _EPOCH,
        rank=group.rank,
        world=group.world,
        workers=data.workers,
        pin_memory=pin,
        flow=True,
    )


def _part(part: PartConfig, data: DataConfig) -> Part:
    if part.recipe not in RECIPES:
        known = ", ".join(RECIPES)
        raise PointtrackError(f"there is no recipe {part.recipe!r}; there are: {known}")
    return Part(_source(part, data), part.weight, RECIPES[part.recipe][0])


def _source(part: PartConfig, data: DataConfig) -> Source:
    if part.labels:
        frames = ClipConfig(data.frames, part.stride, part.reverse)
        return PseudoLabelSource(part.labels, frames, part.least_confidence)
    if part.folder:
        frames = ClipConfig(data.frames, part.stride, part.reverse)
        return DatasetSource(open_dataset(part.folder, part.format or None), frames)
    look = preset(part.preset)
    changes = {"speed": look.speed * part.speed, "camera": look.camera * part.speed}
    clips = preset(part.preset, frames=data.frames, size=data.size, points=data.tracks, **changes)
    return ProceduralSource(clips, data.device, part.reverse)


def requery(batch: Batch, anywhere: float, seed: int) -> Batch:
    """Ask for some points in another frame, any in which they are visible.

    Parameters
    ----------
    batch
        On the CPU; left as it is.
    anywhere
        Share of the points.
    seed
        What the choice follows from.
    """
    chance = torch.Generator().manual_seed(seed)
    moved = torch.rand(batch.queries.shape[:2], generator=chance) < anywhere  # B N
    lots = torch.rand(batch.visible.shape, generator=chance)  # B N T
    frame = torch.where(batch.visible, lots, -1.0).argmax(dim=2)
    frame = torch.where(moved, frame, batch.queries[..., 0].long())
    xy = batch.xy.gather(2, frame[..., None, None].expand(-1, -1, 1, 2))[:, :, 0]
    queries = torch.cat([frame[..., None].to(xy), xy], dim=2)
    return batch._replace(queries=queries)
