"""Measuring a network in training on generated clips that it is never trained on."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pointtrack.metrics import tapvid_metrics
from pointtrack.networks.compact import CompactNetwork
from pointtrack.networks.compact_flow import Hints, drift, straight
from pointtrack.networks.compact_state import PointState, join
from pointtrack.synthesis import SyntheticClip, generate, preset
from pointtrack.synthesis.production import clip_seed
from pointtrack.trackers.flow_hints import video_flow
from pointtrack.training.run_config import HeldOutConfig

Prediction = tuple[NDArray[np.float32], NDArray[np.bool_]]  # N T 2, N T

SHOWN = {
    "AJ": "average_jaccard",
    "delta": "average_pts_within_thresh",
    "OA": "occlusion_accuracy",
    "within_1": "pts_within_1",
}


def make_clips(config: HeldOutConfig) -> list[SyntheticClip]:
    """The clips, always the same for the same settings."""
    look = preset(config.preset, frames=config.frames, size=config.size, points=config.points)
    return [generate(clip_seed(config.seed, i), look) for i in range(config.clips)]


def score(clip: SyntheticClip, prediction: Prediction) -> dict[str, float]:
    """TAP-Vid's numbers in percent, from each point's query on, at 256 x 256."""
    scale = 256 / np.array(clip.config.size)
    shown = prediction[1] & clip.valid
    # A frame in which nobody knows the truth counts nowhere: neither seen nor shown.
    metrics = tapvid_metrics(
        clip.queries[:, [0, 2, 1]],
        np.nan_to_num(clip.xy) * scale,
        ~clip.visible,
        prediction[0] * scale,
        ~shown,
        "first",
    )
    return {name: 100 * metrics[key] for name, key in SHOWN.items()}


def mean_scores(scores: list[dict[str, float]]) -> dict[str, float]:
    """The mean over clips; clips in which a number is not defined are left out of it."""
    return {name: float(np.nanmean([one[name] for one in scores])) for name in SHOWN}


@torch.no_grad()
def predict(network: CompactNetwork, clip: SyntheticClip) -> Prediction:
    """Follow a clip's points from their queries on."""
    device = next(network.parameters()).device
    frames = torch.from_numpy(clip.video).permute(0, 3, 1, 2).to(device)  # T 3 H W
    queries = torch.from_numpy(clip.queries).to(device)
    xy = np.zeros(clip.xy.shape, np.float32)
    visible = np.zeros(clip.visible.shape, bool)
    near, direct = map(torch.from_numpy, video_flow(clip.video))
    state: PointState | None = None
    rows = np.empty(0, np.int64)
    for t, frame in enumerate(frames):
        features = network.encode(frame[None])
        if state is not None:
            led = straight(direct[t - 1 : t].to(device), state.which, queries[rows, 1:])
            led[:, 2:] *= queries[rows, :1] == 0
            hints = Hints(drift(near[t - 1 : t].to(device), state.which, state.xy), led)
            state, answer = network.follow(state, features, hints=hints)
            xy[rows, t] = answer.xy[-1].float().cpu()
            visible[rows, t] = (answer.visible[-1] > 0).cpu()
        new = np.flatnonzero(clip.queries[:, 0] == t)
        if len(new):
            which = torch.zeros(len(new), dtype=torch.long, device=device)
            fresh = network.begin(features, which, queries[torch.from_numpy(new).to(device), 1:])
            state = fresh if state is None else join([state, fresh])
            rows = np.concatenate([rows, new])
            xy[new, t], visible[new, t] = clip.queries[new, 1:], True
    return xy, visible
