"""DINOv2: features of pictures that are alike where things are alike, learned without labels.

Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, TMLR 2024; the kinds
with registers: Darcet et al., Vision Transformers Need Registers, ICLR 2024.

A backbone, no tracker: `Dinov2.features` gives maps ``(F, h, w, C)`` of any of its blocks. Frames
are RGB in 0..255 with sides that are multiples of 14. Patches may overlap (``stride=7``, as
DINO-Tracker has it): the centre of patch (row, column) is then at pixel ``stride * column + 6.5``,
``stride * row + 6.5``, the first pixel's centre at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.pictures import standardised
from pointtrack.networks.blocks.vit import (
    EPSILON,
    Mlp,
    SwiGlu,
    VitBlock,
    join,
    patch_grid,
    resized_positions,
)

PATCH = 14  # px
GRID = 37  # patches a side of the pictures that it has learned from
REGISTERS = 4
OFFSET = 0.1  # of the grid, where positions are read; models without registers only


class Tokens(NamedTuple):
    """Of F pictures with ``h, w`` patches, after the last norm."""

    whole: Tensor  # F C, of the picture as a whole
    registers: Tensor  # F R C
    patches: Tensor  # F h w C
    raw: Tensor  # F 1+R+hw C, all of them in this order before the norm


class Dinov2(nn.Module):
    """All eight networks.

    Parameters
    ----------
    width, depth
        Channels and blocks.
    registers
        Tokens beside the patches and the picture's own.
    gated
        Whether the feed-forward networks have gates.
    """

    def __init__(self, width: int, depth: int, registers: int = 0, gated: bool = False) -> None:
        super().__init__()
        self.whole = nn.Parameter(torch.zeros(1, 1, width))
        self.registers = nn.Parameter(torch.zeros(1, registers, width)) if registers else None
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + GRID * GRID, width))
        self.patches = nn.Conv2d(3, width, PATCH, stride=PATCH)
        kind = SwiGlu if gated else Mlp
        self.blocks = nn.ModuleList(VitBlock(width, kind) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, frames: Tensor, stride: int = PATCH) -> Tokens:
        """All tokens of frames ``(F, 3, H, W)``, after the last block."""
        x = self.embed(frames, stride)
        for block in self.blocks:
            x = block(x)
        normed = self.norm(x)
        beside = self.beside
        grid = patch_grid((frames.shape[2], frames.shape[3]), PATCH, stride)
        patches = normed[:, beside:].unflatten(1, grid)
        return Tokens(normed[:, 0], normed[:, 1:beside], patches, x)

    def features(
        self, frames: Tensor, blocks: Sequence[int], stride: int = PATCH, normed: bool = True
    ) -> list[Tensor]:
        """Maps ``(F, h, w, C)`` of patches, after each of some blocks.

        Parameters
        ----------
        frames
            ``(F, 3, H, W)``, RGB in 0..255.
        blocks
            Numbers, ascending, from 0; negative ones count from the end. Later blocks are not
            computed.
        stride
            Pixels from patch to patch.
        normed
            Whether the last norm is applied, whatever the block. DINO-Tracker takes them as they
            are.
        """
        wanted = [number % len(self.blocks) for number in blocks]
        if wanted != sorted(set(wanted)):
            raise ValueError(f"blocks must be ascending, found {list(blocks)}")
        grid = patch_grid((frames.shape[2], frames.shape[3]), PATCH, stride)
        x, maps = self.embed(frames, stride), []
        for number in range(wanted[-1] + 1 if wanted else 0):
            x = self.blocks[number](x)
            if number in wanted:
                patches = x[:, self.beside :]
                maps.append((self.norm(patches) if normed else patches).unflatten(1, grid))
        return maps

    @property
    def beside(self) -> int:
        """Tokens before those of the patches."""
        return 1 if self.registers is None else 1 + self.registers.shape[1]

    def embed(self, frames: Tensor, stride: int = PATCH) -> Tensor:
        """Tokens ``(F, 1 + R + h w, C)`` before the first block."""
        height, width = frames.shape[2:]
        if height % PATCH or width % PATCH:
            raise ValueError(f"sides must be multiples of {PATCH}, found {width} x {height}")
        weight = self.patches.weight
        pictures = standardised(frames).to(weight.dtype)
        patches = F.conv2d(pictures, weight, self.patches.bias, stride)
        grid = (patches.shape[2], patches.shape[3])
        patches = patches.flatten(2).mT + self.positions_of(grid)[1:]
        first = self.whole + self.positions[:, :1]
        # Registers have no positions.
        beside = [first] if self.registers is None else [first, self.registers]
        return join(*beside, patches)

    def positions_of(self, grid: tuple[int, int]) -> Tensor:
        """Positions ``(1 + h w, C)``: the whole picture's, then those of a grid of patches."""
        table = self.positions[0]
        if self.registers is None:
            patches = resized_positions(table[1:], grid, OFFSET)
        else:
            patches = resized_positions(table[1:], grid, smooth=True)
        return torch.cat([table[:1], patches])


def dinov2_vits14() -> Dinov2:
    return Dinov2(384, 12)


def dinov2_vitb14() -> Dinov2:
    return Dinov2(768, 12)


def dinov2_vitl14() -> Dinov2:
    return Dinov2(1024, 24)


def dinov2_vitg14() -> Dinov2:
    return Dinov2(1536, 40, gated=True)


def dinov2_vits14_reg() -> Dinov2:
    return Dinov2(384, 12, REGISTERS)


def dinov2_vitb14_reg() -> Dinov2:
    return Dinov2(768, 12, REGISTERS)


def dinov2_vitl14_reg() -> Dinov2:
    return Dinov2(1024, 24, REGISTERS)


def dinov2_vitg14_reg() -> Dinov2:
    return Dinov2(1536, 40, REGISTERS, gated=True)
