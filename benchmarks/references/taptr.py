"""TAPTR and TAPTRv2, of https://github.com/IDEA-Research/TAPTR: the whole clip at once.

The checkout holds a folder for each of the branches ``v1`` and ``v2`` (``git worktree add v1``).
Needs torchvision and scipy. Attention is the authors' own in PyTorch, in place of their CUDA code.
"""

from __future__ import annotations

import runpy
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from references import Reference, absent, import_from

_BRANCHES = {"taptr": ("v1", "TAPTR.py"), "taptrv2": ("v2", "TAPTRv2.py")}
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load(variant: str, checkout: Path) -> Reference:
    branch, config = _BRANCHES[variant]
    folder = checkout / branch
    _in_pytorch(folder)
    settings = runpy.run_path(str(folder / "config" / config))
    given = {name: value for name, value in settings.items() if not name.startswith("_")}
    module: Any = import_from(folder, "models.dino.taptr")
    backbone: Any = import_from(folder, "models.dino.backbone")
    backbone.is_main_process = lambda: False  # who would download ImageNet's weights
    network = module.build_taptr(Namespace(**given, device="cpu"))[0].eval()

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        frames, height, width = video.shape[1], *video.shape[3:]
        seen = (video[0] / 255 - _column(MEAN)) / _column(DEVIATION)
        asked = queries[0]
        boxes = torch.full((len(asked), frames, 4), 0.5)
        boxes[..., :2] = (asked[:, 1:] / torch.tensor([width - 1, height - 1]))[:, None]
        target = {
            "pt_boxes": boxes,
            "pt_labels": torch.ones(len(asked), frames, dtype=torch.long),
            "pt_tracking_mask": torch.arange(frames) >= asked[:, :1],
        }
        found = network([seen], [target])[0]["full_seq_output"]
        tracks = found["pred_boxes"][0, ..., :2] * torch.tensor([width - 1, height - 1])
        return {
            "tracks": tracks.transpose(0, 1),
            "visibility": found["pred_logits"][0, ..., 1].sigmoid().T,
        }

    return Reference(network, run)


def attention_layer(checkout: Path) -> Any:
    """The class of TAPTR's deformable attention."""
    return _in_pytorch(checkout / _BRANCHES["taptr"][0]).MSDeformAttn


def _in_pytorch(folder: Path) -> Any:
    """The module of deformable attention, without what runs on GPUs only."""
    absent("MultiScaleDeformableAttention", "timm", "timm.models", "timm.models.layers")
    absent("fairscale", "pycocotools", "termcolor")
    attention: Any = import_from(folder, "models.dino.ops.modules.ms_deform_attn")
    functions: Any = import_from(folder, "models.dino.ops.functions.ms_deform_attn_func")

    class InPytorch:
        @staticmethod
        def apply(
            value: Tensor, sizes: Tensor, _: Tensor, places: Tensor, weights: Tensor, __: int
        ) -> Tensor:
            return functions.ms_deform_attn_core_pytorch(value, sizes, places, weights)

    attention.MSDeformAttnFunction = InPytorch
    return attention


def _column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(3, 1, 1)
