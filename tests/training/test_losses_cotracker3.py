"""CoTracker's losses against sums written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from pointtrack.training.losses_cotracker3 import (
    Losses,
    Truth,
    Window,
    cotracker3_losses,
    cotracker_position_loss,
    cotracker_visibility_loss,
)


def truth(num_frames: int = 6, num_points: int = 3) -> Truth:
    visible = (torch.rand(num_frames, num_points) > 0.4).float()
    valid = (torch.rand(num_frames, num_points) > 0.2).float()
    return Truth(torch.rand(num_frames, num_points, 2) * 40, visible, valid)


def window(start: int, frames: int = 4, iterations: int = 2, num_points: int = 3) -> Window:
    shape = (iterations, frames, num_points)
    confidence = torch.rand(shape) * 0.8 + 0.1
    return Window(start, torch.rand(*shape, 2) * 40, torch.rand(shape) * 0.8 + 0.1, confidence)


def written_out(windows: list[Window], known: Truth) -> dict[str, float]:
    """One window, frame and point after the other."""
    sums = dict.fromkeys(("visible", "occluded", "visibility", "confidence"), 0.0)
    for one in windows:
        iterations, frames, points = one.visibility.shape
        real = [s for s in range(frames) if one.start + s < len(known.tracks)]
        for i in range(iterations):
            weight = 0.8 ** (iterations - 1 - i) / iterations / len(windows)
            errors: dict[str, list[float]] = {"visible": [], "occluded": []}
            entropies: dict[str, list[float]] = {"visibility": [], "confidence": []}
            for s in real:
                for n in range(points):
                    t = one.start + s
                    seen, counts = bool(known.visible[t, n]), bool(known.valid[t, n])
                    off = (one.tracks[i, s, n] - known.tracks[t, n]).abs().tolist()
                    if counts and seen:
                        huber = [0.5 * d * d if d <= 6 else 6 * (d - 3) for d in off]
                        errors["visible"].append(sum(huber) / 2)
                    elif counts:
                        errors["occluded"].append(sum(off) / 2)
                    p = float(one.visibility[i, s, n])
                    entropies["visibility"].append(-math.log(p if seen else 1 - p))
                    q = float(one.confidence[i, s, n])
                    near = math.hypot(*off) <= 12
                    entropies["confidence"].append(-math.log(q if near else 1 - q) * seen)
            for name, values in errors.items():
                sums[name] += weight * sum(values) / (len(values) + 1e-6)
            for name, values in entropies.items():
                sums[name] += sum(values) / len(values) / iterations / len(windows)
    return sums


def test_terms_are_the_sums_written_out() -> None:
    torch.manual_seed(0)
    windows, known = [window(0), window(2), window(4)], truth()
    found = cotracker3_losses(windows, known)
    for name, value in written_out(windows, known).items():
        assert float(getattr(found, name)) == pytest.approx(value, rel=1e-4), name


def test_frames_beyond_the_clip_count_for_nothing() -> None:
    torch.manual_seed(1)
    one, known = window(4), truth()
    wild = Window(4, one.tracks.clone(), one.visibility, one.confidence)
    wild.tracks[:, 2:] = 1e6
    for a, b in zip(cotracker3_losses([one], known), cotracker3_losses([wild], known), strict=True):
        torch.testing.assert_close(a, b)
    assert cotracker_position_loss([one], known) == cotracker_position_loss([wild], known)


def test_the_sums_have_their_weights() -> None:
    terms = Losses(*(torch.tensor(v) for v in (10.0, 20.0, 3.0, 4.0)))
    torch.testing.assert_close(terms.pseudo_label(), torch.tensor(0.7))
    torch.testing.assert_close(terms.supervised(), torch.tensor(7.7))


def balanced(logits: Tensor, visible: Tensor, valid: Tensor) -> float:
    total = 0.0
    for sign in (1, -1):
        values = [
            math.log1p(math.exp(-sign * float(z)))
            for z, v, m in zip(logits.ravel(), visible.ravel(), valid.ravel(), strict=True)
            if m and bool(v) == (sign > 0)
        ]
        total += sum(values) / (len(values) + 1e-6)
    return total


def test_first_versions_visibility_weighs_both_kinds_alike() -> None:
    torch.manual_seed(2)
    known, logits = truth(), [torch.randn(4, 3), torch.randn(4, 3)]
    wanted = balanced(logits[0], known.visible[:4], known.valid[:4])
    wanted += balanced(logits[1][:2], known.visible[4:], known.valid[4:])
    found = cotracker_visibility_loss(logits, [0, 4], known)
    assert float(found) == pytest.approx(wanted / 3, rel=1e-4)
