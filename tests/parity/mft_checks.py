"""Checkers of MFT: its network, and its chaining and selection, which need none."""

from __future__ import annotations

import numpy as np
import torch
from network_fixtures import TOLERANCE, filled, frames_of
from numpy.typing import NDArray
from parity_fixtures import Case

from pointtrack.networks.raft import padding_to_eight
from pointtrack.trackers.flow import DenseFlow, bilinear
from pointtrack.trackers.flow_networks import MftNetworkFlow
from pointtrack.trackers.mft import OCCLUDED, MftSession, MftTracker, chain, select

FIELDS = ("flow", "occlusion", "sigma")
ROW = 5
OTHER_CANDIDATE = 0.005  # share of pixels where rounding may choose another candidate


def check_mft(case: Case) -> None:
    if "video" in case:
        check_network(case)
        check_tracks(case)
    else:
        check_chain_operations(case)


# --- the network, and the tracker on it --------------------------------------------------------


def check_network(case: Case) -> None:
    """The flow from frame 0 to frame 1."""
    network = filled(case)
    iterations = int(case["iters"])
    padding = padding_to_eight(*case["video"].shape[1:3])
    frames = padding.pad(frames_of(case)[0, :2])
    with torch.inference_mode():
        encoded = network.encode(frames)
        first, second = encoded.pick(slice(1)), encoded.pick(slice(1, 2))
        seen = network.seen(network.raft.last(first, second, iterations), first.context)
        found = network(first, second, iterations)
        flow, occlusion, sigma = (padding.crop(part)[0] for part in found)
        case.compare("mid_occ_in_row5", seen[0, :, ROW], atol=TOLERANCE)
        case.compare("mid_occ_logits8", network.occlusion(seen)[0], atol=TOLERANCE)
        case.compare("mid_unc8", network.uncertainty(seen)[0], atol=TOLERANCE)
    case.compare("mid_flow01", flow, atol=TOLERANCE)
    case.compare("mid_occ_prob01_sub2", occlusion[::2, ::2], atol=TOLERANCE)
    case.compare("mid_sigma01_sub2", sigma[::2, ::2], atol=TOLERANCE)


def check_tracks(case: Case) -> None:
    """Every pixel of each query frame followed; points are read off that dense result."""
    source = MftNetworkFlow(filled(case), int(case["iters"]))
    video, queries = case["video"], case["queries"]
    num_frames = len(video)
    tracks = np.repeat(queries[:, None, 1:], num_frames, axis=1)  # N T 2
    occlusion, sigma = (np.zeros(tracks.shape[:2], np.float32) for _ in range(2))
    for start, dense in _followed(source, video, np.unique(queries[:, 0]).astype(int)).items():
        rows = np.flatnonzero(queries[:, 0] == start)
        for t, field in enumerate(dense, start=start):
            values = bilinear(field, queries[rows, 1:])
            tracks[rows, t] = queries[rows, 1:] + values[:, :2]
            occlusion[rows, t], sigma[rows, t] = values[:, 2], values[:, 3]
        if start == 0:
            last, middle = dense[-1][::3, ::3], dense[num_frames // 2][::3, ::3]
            _compare_dense(case, "flow_last_sub3", np.moveaxis(last[..., :2], -1, 0))
            _compare_dense(case, "flow_mid_sub3", np.moveaxis(middle[..., :2], -1, 0))
            _compare_dense(case, "occlusion_last_sub3", last[..., 2])
            _compare_dense(case, "sigma_last_sub3", last[..., 3])
    case.compare("tracks", tracks, atol=TOLERANCE)
    case.compare("occlusion", occlusion, atol=TOLERANCE)
    case.compare("sigma", sigma, atol=TOLERANCE)


def _followed(
    source: MftNetworkFlow, video: NDArray, starts: NDArray[np.int64]
) -> dict[int, list[NDArray]]:
    """Flow, occlusion and sigma of every pixel of some frames: start to ``(H, W, 4)`` a frame.

    One session follows them all, so that flows they have in common are computed once.
    """
    height, width = video.shape[1:3]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    grid = np.stack([x, y], axis=-1).astype(np.float32)
    session = MftTracker(source, longest=max(height, width), hidden="query").session()
    assert isinstance(session, MftSession)
    found: dict[int, list[NDArray]] = {}
    for t, frame in enumerate(video):
        if t in starts:
            session.add(grid.reshape(-1, 2))
            found[t] = []
        session.step(frame)
        states = session._past[:, t].reshape(len(found), height, width, 4).copy()
        states[..., :2] -= grid
        for fields, state in zip(found.values(), states, strict=True):
            fields.append(state)
    return found


def _compare_dense(case: Case, name: str, found: NDArray) -> None:
    """Where nearly equal candidates compete another one may win: such pixels are left out."""
    away = np.abs(found - case[name]).reshape(-1, *found.shape[-2:]).max(axis=0) > TOLERANCE
    assert away.mean() <= OTHER_CANDIDATE, f"{name}: {away.mean():.2%} of the pixels are off"
    case.compare(name, np.where(away, case[name], found), atol=TOLERANCE)


# --- chaining and selection -------------------------------------------------------------------


def _pixels(case: Case) -> NDArray[np.float32]:
    """Every pixel of the grid as a point, (K, 2)."""
    height, width = case["invalid"].shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)


def _rows(case: Case, name: str) -> NDArray[np.float32]:
    """Position, occlusion and sigma of the tracks a result stands for, (K, 4)."""
    flow, occlusion, sigma = (case[f"{name}_{f}"].reshape(-1, len(_pixels(case))) for f in FIELDS)
    return np.column_stack([_pixels(case) + flow.T, occlusion[0], sigma[0]])


def _compare_rows(case: Case, name: str, got: NDArray[np.float32], **tolerance: float) -> None:
    shape = (-1, *case["invalid"].shape)
    fields = (got[:, :2] - _pixels(case), got[:, 2], got[:, 3])
    for f, value in zip(FIELDS, fields, strict=True):
        case.compare(f"{name}_{f}", value.T.reshape(shape), **tolerance)


def check_chain_operations(case: Case) -> None:
    """Three made-up chains, and the choice among them."""
    for k in range(3):
        case.given(*(f"{side}{k}_{f}" for side in ("left", "right") for f in FIELDS))
        right = DenseFlow(
            np.moveaxis(case[f"right{k}_flow"], 0, -1),
            case[f"right{k}_occlusion"][0],
            case[f"right{k}_sigma"][0],
        )
        _compare_rows(case, f"chained{k}", chain(_rows(case, f"left{k}"), right), atol=1e-4)
    candidates = np.stack([_rows(case, f"chained{k}") for k in range(3)])
    height, width = case["invalid"].shape
    chosen = select(candidates, (width, height))
    _compare_rows(case, "selected", chosen, atol=5e-6)
    x, y = chosen[:, 0], chosen[:, 1]
    outside = (x < 0) | (y < 0) | (x >= width) | (y >= height)
    case.compare("invalid", outside.reshape(height, width))
    assert (chosen[outside, 2] == 1).all()
    occluded = (candidates[..., 2] > OCCLUDED).all(axis=0).mean()
    case.compare("all_occluded_fraction", occluded, atol=1e-6)


MFT_CHECKERS = {"mft": check_mft}
