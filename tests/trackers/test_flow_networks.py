"""MFT's network behind the interface of a flow source."""

from __future__ import annotations

import numpy as np
import torch

from pointtrack.networks import build
from pointtrack.trackers.flow_networks import MftNetworkFlow
from pointtrack.trackers.mft import MftTracker


def test_tracker_runs_on_the_network_and_encodes_every_frame_once() -> None:
    torch.manual_seed(0)
    network = build("mft")
    encoded = []
    network.raft.feature_encoder.register_forward_hook(lambda *_: encoded.append(1))
    source = MftNetworkFlow(network, iterations=1)
    video = np.random.default_rng(0).integers(0, 255, (4, 100, 130, 3), dtype=np.uint8)
    with MftTracker(source, longest=130).session() as session:
        session.add([(30, 40), (129, 99)])
        for frame in video:
            now = session.step(frame)
    assert len(encoded) == len(video)
    assert np.isfinite(now.xy).all()


def test_flow_is_cropped_to_the_picture() -> None:
    source = MftNetworkFlow(build("mft"), iterations=1)
    frame = np.zeros((100, 130, 3), np.uint8)
    flow = source.between(source.prepare(frame), source.prepare(frame))
    assert flow.flow.shape == (100, 130, 2)
    assert flow.occlusion.shape == flow.sigma.shape == (100, 130)
