"""DINOv2, of https://github.com/facebookresearch/dinov2: the patches of all frames at once."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from pointtrack.networks.blocks.pictures import standardised
from references import Reference, import_from

MAKERS = {"dinov2_vits14": "vit_small", "dinov2_vitb14": "vit_base"}
PATCH = 14


def whole_patches(frames: Tensor) -> Tensor:
    """As much of frames ``(F, 3, H, W)`` as patches cover."""
    height, width = (side - side % PATCH for side in frames.shape[2:])
    return frames[..., :height, :width]


def load(variant: str, checkout: Path) -> Reference:
    made = import_from(checkout, "dinov2.models.vision_transformer")
    make = getattr(made, MAKERS[variant])
    network = make(patch_size=PATCH, img_size=518, init_values=1.0, block_chunks=0).eval()

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        pictures = standardised(whole_patches(video[0]))
        return {"patches": network.forward_features(pictures)["x_norm_patchtokens"]}

    return Reference(network, run)
