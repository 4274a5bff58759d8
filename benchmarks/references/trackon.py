"""Track-On2, of https://github.com/gorkaydemir/track_on: frame by frame, by its `Predictor`.

Needs transformers (4.56) for DINOv3, whose weights are left random. In place of mmcv's
deformable attention stands what that does where there is no GPU.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from references import Reference, absent, import_from


def load(variant: str, checkout: Path) -> Reference:
    transformers: Any = __import__("transformers")
    transformers.AutoModel = RandomTransformer
    operators: Any = ModuleType("mmcv.ops")
    operators.MultiScaleDeformableAttention = Attention
    sys.modules["mmcv"], sys.modules["mmcv.ops"] = ModuleType("mmcv"), operators
    layers: Any = ModuleType("timm.layers")
    layers.trunc_normal_, layers.DropPath = nn.init.trunc_normal_, nn.Identity
    sys.modules["timm"], sys.modules["timm.layers"] = ModuleType("timm"), layers
    absent("torchvision", "torchvision.ops", "torchvision.transforms", "utils.train_utils")
    pictures: Any = sys.modules["torchvision.transforms"]
    sys.modules["torchvision"].transforms = pictures  # type: ignore[attr-defined]
    pictures.Normalize = Normalize
    module: Any = import_from(checkout, "model.trackon_predictor")
    settings = module.Predictor._default_args(None)
    if variant == "trackon2_dinov2":
        settings.vit_backbone, settings.vit_upsample_factor = "dinov2_s", 1.0
    settings.M_i = settings.M  # the official tensors are those before the memory is extended
    predictor = module.Predictor(settings, None, 0).eval()
    nn.init.normal_(predictor.model.backbone.pos_embedding)

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        if predictor.model.M == settings.M:
            predictor.model.memory_extension(72)
        raster = queries + queries.new_tensor([0, 0.5, 0.5])
        tracks, visible = predictor(video, raster)
        return {"tracks": tracks[0].transpose(0, 1), "visible": visible[0].T.float()}

    return Reference(predictor.model, run)


class RandomTransformer:
    @staticmethod
    def from_pretrained(name: str, **_: Any) -> nn.Module:
        transformers: Any = __import__("transformers")
        size = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6}
        if "dinov2" in name:
            return transformers.Dinov2Model(
                transformers.Dinov2Config(**size, image_size=518, patch_size=14)
            )
        return transformers.DINOv3ViTModel(
            transformers.DINOv3ViTConfig(
                **size,
                intermediate_size=1536,
                use_gated_mlp=True,
                hidden_act="silu",
                num_register_tokens=4,
                attn_implementation="sdpa",
            )
        )


class Normalize(nn.Module):
    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.mean, self.std = (torch.tensor(values).view(3, 1, 1) for values in (mean, std))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class Attention(nn.Module):
    """A layer under mmcv's names, sampling level by level as that does on a CPU."""

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        num_levels: int,
        num_points: int,
        **_: Any,
    ) -> None:
        super().__init__()
        self.shape = (num_heads, num_levels, num_points)
        places = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(embed_dims, 2 * places)
        self.attention_weights = nn.Linear(embed_dims, places)
        self.value_proj = nn.Linear(embed_dims, embed_dims)
        self.output_proj = nn.Linear(embed_dims, embed_dims)

    def init_weights(self) -> None:
        pass

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        *_: Any,
        reference_points: Tensor,
        spatial_shapes: Tensor,
        level_start_index: Tensor | None = None,
        **__: Any,
    ) -> Tensor:
        assert value is not None
        heads, levels, points = self.shape
        batch, queries = query.shape[:2]
        sizes = [(int(height), int(width)) for height, width in spatial_shapes]
        values = self.value_proj(value).unflatten(-1, (heads, -1))
        offsets = self.sampling_offsets(query).view(batch, queries, heads, levels, points, 2)
        weights = self.attention_weights(query).view(batch, queries, heads, -1).softmax(-1)
        limits = offsets.new_tensor([(width, height) for height, width in sizes])[:, None]
        grid = 2 * (reference_points[:, :, None, :, None] + offsets / limits) - 1
        sampled = []
        parts = values.split([height * width for height, width in sizes], dim=1)
        for level, (part, size) in enumerate(zip(parts, sizes, strict=True)):
            maps = part.flatten(2).mT.reshape(batch * heads, -1, *size)
            at = grid[:, :, :, level].transpose(1, 2).flatten(0, 1)
            sampled.append(F.grid_sample(maps, at, align_corners=False))
        share = weights.transpose(1, 2).reshape(batch * heads, 1, queries, levels * points)
        found = (torch.stack(sampled, dim=-2).flatten(-2) * share).sum(-1)
        found = found.view(batch, -1, queries).mT.contiguous()
        return self.output_proj(found) + query
