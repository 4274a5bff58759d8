"""One layer of a scene: its picture, how it moves, and where its points go.

Three coordinates: `p`, pixels of the video; `v`, the layer's plane in [-1, 1]; `u`, its
texture in [-1, 1]. They are joined by a homography a moment (v to p) and, for a layer that
bends, a displacement field a moment (v to u). Drawing goes p to v to u, directly; following a
point starts from its fixed `u` and goes back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from pointtrack.geometry import Size
from pointtrack.synthesis.deform import Field

NEAREST = 0.05  # depth; what is nearer, or behind the camera, is not seen
SOLVED = 1e-3  # pixels; a point whose inverse is worse than that is not valid
COVERED = 0.5  # a layer hides what is behind it where it covers at least this much

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 of pixels, the last two excluded


@dataclass(frozen=True, eq=False)
class Shadow:
    """A soft shadow on everything behind a layer.

    Attributes
    ----------
    mask : Tensor
        ``(1, S, S)`` float32 on the scene's device.
    shift : Tensor
        ``(M, 2)`` float64, pixels from the layer to its shadow.
    strength : float
        How much light it takes, in [0, 1].
    """

    mask: Tensor
    shift: Tensor
    strength: float


@dataclass(frozen=True, eq=False)
class Layer:
    """A textured plane over M moments (frames times sub-frames).

    Attributes
    ----------
    name : str
        What it is, for people.
    pixels : Tensor
        ``(4, S, S)`` float32 on the scene's device: red, green, blue times coverage, coverage.
    forward : Tensor
        ``(M, 3, 3)`` float64 on the CPU: v to p, the third homogeneous number is the depth.
    lattice : Tensor or None
        ``(M, 2, G, G)`` float64 on the CPU: the displacement field; None for a stiff layer.
    solid : bool
        Smoke and the like are not: they have no points, and hide by the scene's own rule.
    endless : bool
        Whether the border of the texture goes on beyond it (backgrounds).
    shading : Tensor or None
        ``(M, 3)``: the layer's light is ``1 + a * vx + b * vy + c``.
    shadow : Shadow or None
        What it casts.
    """

    name: str
    pixels: Tensor
    forward: Tensor
    lattice: Tensor | None = None
    solid: bool = True
    endless: bool = False
    shading: Tensor | None = None
    shadow: Shadow | None = None
    backward: Tensor = field(init=False)
    cover: Tensor = field(init=False)
    bend: Field | None = field(init=False)
    in_front: bool = field(init=False)

    def __post_init__(self) -> None:
        corners = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]]).double().T
        depth = (1.5 * self.forward[:, 2:, :2] @ corners[:2]) + self.forward[:, 2:, 2:]
        values = {
            "backward": torch.linalg.inv(self.forward),
            "cover": self.pixels[3:].cpu(),  # 1 S S
            "bend": None if self.lattice is None else Field(self.lattice),
            "in_front": bool(depth.min() > NEAREST),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def _padding(self) -> str:
        return "border" if self.endless else "zeros"

    # -- points: float64 on the CPU, P of them, each at its own moment -----------------------

    def texture_place(self, moment: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """Picture to texture: `u` (P, 2) and whether the plane is in front there (P,)."""
        v, ahead = project(self.backward[moment], p)
        # The inverse's third number is one over the depth.
        ahead = (ahead > 0) & (ahead < 1 / NEAREST)
        v = torch.where(ahead[:, None], v, 9.0)
        return (v if self.bend is None else v + self.bend(moment, v)), ahead

    def picture_place(self, moment: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """Texture to picture: `p` (P, 2), and where that is exact and in front (P,)."""
        v, error = u, torch.zeros_like(u)
        if self.bend is not None:
            v = self.bend.invert(moment, u)
            error = v + self.bend(moment, v) - u
        p, depth = project(self.forward[moment], v)
        moved, _ = project(self.forward[moment], v + error)
        solved = (moved - p).norm(dim=1) < SOLVED
        return p, solved & (depth > NEAREST) & p.isfinite().all(dim=1)

    def covers(self, moment: Tensor, p: Tensor) -> Tensor:
        """How much of the layer there is at places of the picture: ``(P,)`` in [0, 1]."""
        u, ahead = self.texture_place(moment, p)
        found = self.cover_at(u)
        return torch.where(ahead, found, torch.zeros_like(found))

    def cover_at(self, u: Tensor) -> Tensor:
        """How much of the layer there is at places of its texture: ``(P,)`` float32."""
        if self.endless and self.solid:
            return torch.ones(len(u))
        found = functional.grid_sample(
            self.cover[None],
            u.float()[None, :, None],
            padding_mode=self._padding,
            align_corners=False,
        )
        return found[0, 0, :, 0]

    # -- pixels: float32 on the scene's device -----------------------------------------------

    def box(self, moments: Tensor, size: Size, shift: Tensor | None = None) -> Box | None:
        """The pixels the layer can touch in any of some moments; None for none."""
        if self.endless or not self.in_front:
            return (0, 0, *size)
        reach = 1.0
        if self.lattice is not None:
            reach += float(self.lattice[moments].abs().max())
        corners = reach * torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]).double()
        forward = self.forward[moments].repeat_interleave(4, dim=0)
        p, _ = project(forward, corners.repeat(len(moments), 1))
        if shift is not None:
            p = p + shift[moments].repeat_interleave(4, dim=0)
        low, high = p.amin(dim=0).tolist(), p.amax(dim=0).tolist()
        x0, y0 = (max(0, math.floor(value)) for value in low)
        x1, y1 = (min(side, math.ceil(v) + 1) for v, side in zip(high, size, strict=True))
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def grid(self, moments: Tensor, box: Box, shift: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Places of the plane and of the texture of all pixels of a box: ``(n, h, w, 2)`` each."""
        device = self.pixels.device
        x0, y0, x1, y1 = box
        matrix = self.backward[moments]
        if shift is not None:
            back = torch.eye(3, dtype=torch.float64).repeat(len(moments), 1, 1)
            back[:, :2, 2] = -shift[moments]
            matrix = matrix @ back
        # The origin in the box keeps numbers small, and float32 exact enough.
        matrix = matrix.clone()
        matrix[:, :, 2] += matrix[:, :, 0] * x0 + matrix[:, :, 1] * y0
        across, down, origin = matrix.float().to(device)[:, None].unbind(dim=3)  # n 1 3
        x = torch.arange(x1 - x0, device=device)[:, None]
        y = torch.arange(y1 - y0, device=device)[:, None]
        places = (y * down + origin)[:, :, None] + (x * across)[:, None]  # n h w 3
        v = places[..., :2] / places[..., 2:]
        if not self.in_front:
            ahead = (places[..., 2:] > 0) & (places[..., 2:] < 1 / NEAREST)
            v = torch.where(ahead, v, 9.0)
        if self.lattice is None:
            return v, v
        lattice = self.lattice[moments].float().to(device)
        bend = functional.grid_sample(lattice, v, padding_mode="border", align_corners=True)
        return v, v + bend.permute(0, 2, 3, 1)

    def sample(self, pixels: Tensor, u: Tensor) -> Tensor:
        """A texture ``(C, S, S)`` at places (n, h, w, 2), as ``(C, n, h, w)``."""
        frames, height, width, _ = u.shape
        found = functional.grid_sample(
            pixels[None],
            u.reshape(1, frames * height, width, 2),
            padding_mode=self._padding,
            align_corners=False,
        )
        return found.view(len(pixels), frames, height, width)


def project(matrix: Tensor, xy: Tensor) -> tuple[Tensor, Tensor]:
    """Apply homographies (P, 3, 3) to points (P, 2): points, and third numbers (P,)."""
    places = (matrix[:, :, :2] @ xy[:, :, None])[:, :, 0] + matrix[:, :, 2]
    return places[:, :2] / places[:, 2:], places[:, 2]
