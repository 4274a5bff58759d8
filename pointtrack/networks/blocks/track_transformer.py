"""CoTracker's transformer: tracks attend in time, and to each other through virtual tracks.

Every point would look at every other in each frame; instead 64 learned tracks look at the
points, at each other, and the points at them. That grows linearly with the number of points.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pointtrack.networks.blocks.attention import CrossBlock, SelfBlock

WIDTH, HEADS = 384, 8
VIRTUAL_TRACKS = 64
NEVER = torch.finfo(torch.float32).min  # a score that makes any other one win


class TrackTransformer(nn.Module):
    """Tokens of tracks to updates of tracks.

    Parameters
    ----------
    inputs, outputs
        Numbers a token has, and an update.
    depth
        Pairs of a time block and a stage between tracks.
    """

    def __init__(self, inputs: int, outputs: int, depth: int):
        super().__init__()
        self.entry = nn.Linear(inputs, WIDTH)
        self.virtual_tracks = nn.Parameter(torch.randn(VIRTUAL_TRACKS, WIDTH))
        self.time = nn.ModuleList(SelfBlock(WIDTH, HEADS) for _ in range(depth))
        self.gather = nn.ModuleList(CrossBlock(WIDTH, HEADS) for _ in range(depth))
        self.mix = nn.ModuleList(SelfBlock(WIDTH, HEADS) for _ in range(depth))
        self.spread = nn.ModuleList(CrossBlock(WIDTH, HEADS) for _ in range(depth))
        self.exit = nn.Linear(WIDTH, outputs)

    def forward(
        self, tokens: Tensor, active: Tensor | None = None, mistaken_mask: bool = False
    ) -> Tensor:
        """Update tracks.

        Parameters
        ----------
        tokens
            ``(B, N, T, inputs)``.
        active
            ``(B, N)`` bool: other points are not looked at, and see all virtual tracks alike.
        mistaken_mask
            With as many points as virtual tracks, it is virtual track n in place of point n
            that is masked: it sees all points alike.

        Returns
        -------
        Tensor
            ``(B, N, T, outputs)``.
        """
        points = self.entry(tokens)  # B N T C
        batch, _, num_frames, _ = points.shape
        unseen = unseeing = None
        if active is not None and not active.all():
            unseen = torch.where(active, 0.0, NEVER)[:, None, :]  # B 1 N
            unseeing = unseen.mT  # B N 1
            if mistaken_mask and points.shape[1] == VIRTUAL_TRACKS:
                unseen = unseeing
        # Virtual tracks begin alike in all frames, so one frame of them passes the first block.
        virtual = self.virtual_tracks[None, :, None].expand(batch, -1, 1, -1)  # B V 1 C
        for k, (time, gather, mix, spread) in enumerate(
            zip(self.time, self.gather, self.mix, self.spread, strict=True)
        ):
            points, virtual = time(points, "time"), time(virtual, "time")
            if k == 0:
                virtual = virtual.expand(-1, -1, num_frames, -1)
            virtual = mix(gather(virtual, points, unseen), "tracks")
            points = spread(points, virtual, unseeing)
        return self.exit(points)
