"""Checker of CoTracker's losses."""

from __future__ import annotations

import torch
from parity_fixtures import Case
from torch import Tensor

from pointtrack.training.losses_cotracker3 import (
    Truth,
    Window,
    cotracker3_losses,
    cotracker_position_loss,
    cotracker_visibility_loss,
)

TOLERANCE = 1e-5  # relative: sums in another order


def check_losses(case: Case) -> None:
    inputs = {name: torch.from_numpy(case[name]) for name in case.names() if case[name].ndim}
    case.given("gt_tracks", "gt_visible", "pred_tracks", "pred_visibility", "pred_confidence")
    tracks = inputs["pred_tracks"].requires_grad_()
    predictions = (tracks, inputs["pred_visibility"], inputs["pred_confidence"])
    starts = case["window_starts"].tolist()
    windows = [Window(start, *window) for start, *window in zip(starts, *predictions, strict=True)]
    truth = Truth(*(inputs[name] for name in ("gt_tracks", "gt_visible", "valid")))
    losses = cotracker3_losses(windows, truth)

    def compare(name: str, value: Tensor) -> None:
        case.compare(name, value.detach().reshape(case[name].shape), rtol=TOLERANCE)

    compare("loss_visible", losses.visible)
    compare("loss_occluded", losses.occluded)
    compare("loss_visibility", losses.visibility)
    compare("loss_confidence", losses.confidence)
    compare("total_supervised", losses.supervised())
    compare("total_pseudo_label", losses.pseudo_label())
    (gradient,) = torch.autograd.grad(losses.pseudo_label(), tracks)
    case.compare("grad_pseudo_label_pred_tracks", gradient, rtol=TOLERANCE, atol=1e-8)
    logits = [torch.logit(window.visibility[-1]) for window in windows]
    compare("v1_loss_coords", cotracker_position_loss(windows, truth))
    compare("v1_loss_visibility", cotracker_visibility_loss(logits, starts, truth))


LOSS_CHECKERS = {"cotracker3_losses": check_losses}
