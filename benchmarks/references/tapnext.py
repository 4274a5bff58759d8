"""TAPNext, of https://github.com/google-deepmind/tapnet: its port to PyTorch, frame by frame.

Needs torchvision and einops. Much of the port begins with whatever is in the memory, so all of it
is filled here.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from references import Reference, import_from


def load(variant: str, checkout: Path) -> Reference:
    network = import_from(checkout, "tapnet.tapnext.tapnext_torch").TAPNext((256, 256)).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            fan_in = value[0].numel() if value.ndim != 3 else value.shape[1]
            value.normal_(0, fan_in**-0.5 if value.ndim > 1 else 0.02)
            if value.ndim == 1 and name.endswith("weight"):  # a norm's
                value.add_(1)

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        scale = queries.new_tensor([256 / video.shape[-1], 256 / video.shape[-2]])  # x, y
        asked = torch.cat([queries[..., :1], ((queries[..., 1:] + 0.5) * scale).flip(-1)], dim=-1)
        tracks, visible, state = [], [], None
        for frame in video.permute(0, 1, 3, 4, 2).split(1, dim=1):
            given = asked if state is None else None
            yx, _, logit, state = network(frame / 127.5 - 1, given, state)
            tracks.append(yx[0, 0].flip(-1) / scale)
            visible.append(logit[0, 0, :, 0])
        return {"tracks": torch.stack(tracks, 1), "visibility": torch.stack(visible, 1).sigmoid()}

    return Reference(network, run)
