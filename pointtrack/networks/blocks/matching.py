"""Where in a frame a point is, from its cost volume; shared by TAP-Net, TAPIR and LocoTrack.

A cost volume is a picture for each point and frame: how alike the point's features are to each
cell. It is made, read and dropped in portions, never for all points and frames at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pointtrack.networks.blocks.convolution import pad_same

WINDOW = 5  # cells nearer than this to the best one take part in the mean
PORTION = 64  # points whose cost volumes are held at a time


def soft_argmax(logits: Tensor, temperature: float) -> Tensor:
    """Mean position of the cells around the best one, weighted by a softmax.

    Parameters
    ----------
    logits
        ``(P, h, w)``.
    temperature
        What they are multiplied with.

    Returns
    -------
    Tensor
        ``(P, 2)`` x, y in cells, the first cell's centre being at 0.5.
    """
    height, width = logits.shape[1:]
    flat = logits.flatten(1)
    top, best = flat.max(dim=1, keepdim=True)  # P 1; of equal ones the first
    reach = torch.arange(1 - WINDOW, WINDOW, device=logits.device)
    dy, dx = (axis.flatten() for axis in torch.meshgrid(reach, reach, indexing="ij"))
    disc = dx.square() + dy.square() < WINDOW**2
    dx, dy = dx[disc], dy[disc]  # 69 cells
    column, row = best % width + dx, best // width + dy
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    cells = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    # The softmax's sum over all cells cancels in the mean.
    weight = torch.exp(temperature * (flat.gather(1, cells) - top.detach())) * inside
    centres = torch.stack([column, row], dim=-1) + 0.5
    return (weight[..., None] * centres).sum(1) / weight.sum(1)[:, None]


class CostVolumeHead(nn.Module):
    """Position and logits from cost volumes.

    Parameters
    ----------
    logits
        How many: TAP-Net has one (occluded), TAPIR a second one (probably far off).
    temperature
        Of the softmax over cells.
    strided_relu
        Whether there is a ReLU after the strided convolution; TAP-Net has none.
    """

    def __init__(self, logits: int, temperature: float, strided_relu: bool) -> None:
        super().__init__()
        self.temperature = temperature
        self.strided_relu = strided_relu
        self.shared = nn.Conv2d(1, 16, 3, padding=1)
        self.heatmap = nn.Conv2d(16, 1, 3, padding=1)
        self.strided = nn.Conv2d(16, 32, 3, stride=2)
        self.hidden = nn.Linear(32, 16)
        self.logits = nn.Linear(16, logits)

    def match(self, maps: Tensor, templates: Tensor) -> tuple[Tensor, Tensor]:
        """Find points in each frame by itself.

        ``(B, T, h, w, C)`` and ``(B, N, C)`` to positions in cells ``(B, N, T, 2)`` and logits
        ``(B, N, T, K)``.
        """
        if torch.compiler.is_compiling():  # a graph for any number of frames and points
            every = templates[:, None].expand(-1, maps.shape[1], -1, -1)  # B T N C
            found = self(costs(maps.flatten(0, 1), every.flatten(0, 1)))
            xy, logits = (value.unflatten(0, maps.shape[:2]).transpose(1, 2) for value in found)
            return xy, logits
        frames = []
        for frame in maps.unbind(1):  # B h w C
            parts = [self(costs(frame, part)) for part in templates.split(PORTION, dim=1)]
            frames.append([torch.cat(same, dim=1) for same in zip(*parts, strict=True)])
        xy, logits = (torch.stack(same, dim=2) for same in zip(*frames, strict=True))
        return xy, logits

    def forward(self, volumes: Tensor) -> tuple[Tensor, Tensor]:
        """Cost volumes ``(B, N, h, w)`` to positions in cells ``(B, N, 2)`` and logits."""
        shared = self.shared(volumes.flatten(0, 1)[:, None]).relu()  # B*N 16 h w
        xy = soft_argmax(self.heatmap(shared)[:, 0], self.temperature)
        strided = self.strided(pad_same(shared.permute(0, 2, 3, 1), 3, 2).permute(0, 3, 1, 2))
        if self.strided_relu:
            strided = strided.relu()
        logits = self.logits(self.hidden(strided.mean(dim=(2, 3))).relu())
        batch = volumes.shape[:2]
        return xy.unflatten(0, batch), logits.unflatten(0, batch)


def costs(maps: Tensor, templates: Tensor) -> Tensor:
    """Dot products with every cell: ``(B, h, w, C)`` and ``(B, N, C)`` to ``(B, N, h, w)``."""
    return (templates @ maps.flatten(1, 2).mT).unflatten(-1, maps.shape[1:3])


def on_grid(queries: Tensor, size: tuple[int, int], maps: Tensor) -> Tensor:
    """Raster t, x, y in a picture of ``size`` (height, width) to indices of ``(..., h, w, C)``."""
    height, width = maps.shape[-3:-1]
    scale = queries.new_tensor([1, width / size[1], height / size[0]])
    return queries * scale - queries.new_tensor([0, 0.5, 0.5])


def put_queries(tracks: Tensor, queries: Tensor) -> Tensor:
    """Where a frame is a point's query frame, the track ``(B, N, T, 2)`` passes through the query.

    The frame of a fractional ``t`` is the nearest one, of two equally near ones the even one.
    """
    frames = torch.arange(tracks.shape[2], device=tracks.device)
    at_query = queries[..., :1].round() == frames  # B N T
    return torch.where(at_query[..., None], queries[:, :, None, 1:], tracks)
