"""Checkers of DINOv2's backbones."""

from __future__ import annotations

import numpy as np
import torch
from network_fixtures import filled
from parity_fixtures import Case

from pointtrack.networks.dinov2 import PATCH, Dinov2

TOKENS, POSITIONS = 2e-3, 1e-4  # the page's


@torch.inference_mode()
def check_dinov2(case: Case) -> None:
    network: Dinov2 = filled(case)
    frames = torch.from_numpy(np.moveaxis(case["image"], -1, 0)).float()[None]
    stride = int(case["stride"]) if "stride" in case else PATCH
    grid = [(side - PATCH) // stride + 1 for side in frames.shape[2:]]
    positions = network.positions_of((grid[0], grid[1]))
    case.compare("mid_pos_embed", positions, atol=POSITIONS)
    if "stride" in case:
        for number, maps in zip(
            (8, 11), network.features(frames, [8, -1], stride, normed=False), strict=True
        ):
            case.compare(f"features_block{number}", maps[0].permute(2, 0, 1), atol=TOKENS)
        return
    tokens = network(frames)
    case.compare("patch_tokens", tokens.patches[0].flatten(0, 1), atol=TOKENS)
    case.compare("cls_token", tokens.whole[0], atol=TOKENS)
    case.compare("prenorm", tokens.raw[0], atol=TOKENS)
    if network.registers is not None:
        case.compare("reg_tokens", tokens.registers[0], atol=TOKENS)
    patches = network.embed(frames)[0, network.beside :] - positions[1:]
    case.compare("mid_patch_embed", patches, atol=TOKENS)
    for number, maps in zip((2, 8), network.features(frames, [2, 8], normed=False), strict=True):
        case.compare(f"mid_block{number}", maps[0].permute(2, 0, 1), atol=TOKENS)
    normed = network.features(frames, [8])[0]
    case.compare("mid_block8_norm", normed[0].permute(2, 0, 1), atol=TOKENS)


DINOV2_CHECKERS = dict.fromkeys(("dinov2_vits14", "dinov2_vits14_reg"), check_dinov2)
