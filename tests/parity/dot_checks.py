"""Checkers of DOT: its refiner, what is done with it, and the motion boundaries."""

from __future__ import annotations

import numpy as np
import torch
from network_fixtures import TOLERANCE, calls, filled
from numpy.typing import NDArray
from parity_fixtures import Case
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks.dot import (
    VISIBLE,
    DotRefiner,
    densify,
    motion_boundaries,
    nearest,
)
from pointtrack.networks.raft import Raft

OTHER_SIDE = 0.001  # share of pixels that may lie on the other side of a threshold


def check_dot(case: Case) -> None:
    case.given("sparse_tracks", "mid_cell_yx")  # the point tracker's; where the fixture looks
    if "src_frame" in case:
        check_refine(case)
    elif "queries" in case:
        check_modes(case)
    else:
        check_last_to_first(case)


def _frames(frames: NDArray) -> Tensor:
    return torch.from_numpy(np.moveaxis(frames, -1, 1)).float()


def _normalised(tracks: NDArray, size: tuple[int, int]) -> Tensor:
    """Points ``(..., 3)`` in pixels of a video of ``(height, width)``."""
    height, width = size
    return torch.from_numpy(tracks / np.array([width - 1, height - 1, 1], np.float32))


def _compare_mask(case: Case, name: str, found: NDArray) -> None:
    wanted = case[name].astype(bool)
    assert (found != wanted).mean() <= OTHER_SIDE, f"{name}: {(found != wanted).mean():.2%}"
    case.compare(name, wanted)


# --- one pair ----------------------------------------------------------------------------------


def check_refine(case: Case) -> None:
    network: DotRefiner = filled(case)
    first, second = _frames(np.stack([case["src_frame"], case["tgt_frame"]])).split(1)
    points = [torch.from_numpy(case[name]) for name in ("src_points", "tgt_points")]
    row, column = case["mid_cell_yx"]
    with torch.inference_mode():
        with calls(network.context_encoder) as contexts:
            source, target = network.encode_source(first), network.encode(second)
        flow, seen = densify(*points, tuple(source.features.shape[1:3]))
        states = list(network.iterate(source, target, flow[None], seen[None]))
        early, late = network.upsample(states[0]), network.upsample(states[-1])
        again = network(source, target, flow[None], seen[None])
    for ours, theirs in zip(late, again, strict=True):
        torch.testing.assert_close(ours, theirs)

    case.compare("coarse_flow", flow.permute(1, 2, 0), atol=TOLERANCE)
    case.compare("coarse_alpha", seen)
    features = torch.cat([source.features, contexts[0].output], dim=-1)[0, row, column]
    case.compare("mid_src_feats_cell", features, atol=TOLERANCE)
    for iteration in (1, 4):
        found = states[iteration - 1].correlation[0, :, row, column]
        case.compare(f"mid_corr_iter{iteration}_cell", found, atol=TOLERANCE)
    case.compare("mid_gru_iter1_cell", states[0].hidden[0, :, row, column], atol=TOLERANCE)
    height, width = case["mid_alpha_iter1_crop"].shape
    crop = early[0][0].permute(1, 2, 0)[:height, :width]
    case.compare("mid_flow_iter1_crop", crop, atol=TOLERANCE)
    case.compare("mid_alpha_iter1_crop", early[1][0, :height, :width], atol=TOLERANCE)
    _compare_pair(case, late)


def check_last_to_first(case: Case) -> None:
    network: DotRefiner = filled(case)
    video = case["video"]
    points = _normalised(case["sparse_tracks"], video.shape[1:3])
    with torch.inference_mode():
        first, second = _frames(video[[-1, 0]]).split(1)
        source, target = network.encode_source(first), network.encode(second)
        flow, seen = densify(points[-1], points[0], tuple(target.shape[1:3]))
        found = network(source, target, flow[None], seen[None])
    case.compare("coarse_flow", flow.permute(1, 2, 0), atol=TOLERANCE)
    case.compare("coarse_alpha", seen)
    _compare_pair(case, found)


def _compare_pair(case: Case, found: tuple[Tensor, Tensor]) -> None:
    case.compare("flow", found[0][0].permute(1, 2, 0), atol=TOLERANCE)
    if "alpha_prob" in case:
        case.compare("alpha_prob", found[1][0], atol=TOLERANCE)
    _compare_mask(case, "alpha", (found[1][0] > VISIBLE).numpy())


# --- whole videos ------------------------------------------------------------------------------


class _Published:
    """Dense tracks of a clip in normalised coordinates, as the published code has them."""

    def __init__(self, case: Case):
        self.network: DotRefiner = filled(case)
        height, width = case["resolution"]
        video = case["video"]
        self.points = _normalised(case["sparse_tracks"], video.shape[1:3])
        pictures = F.interpolate(_frames(video), (height, width), mode="bilinear")
        self.frames = pictures
        with torch.inference_mode():
            self.features = self.network.encode(pictures)
        y, x = torch.meshgrid(
            torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij"
        )
        self.grid = torch.stack([x, y])  # 2 H W
        self.scale = torch.tensor([width - 1, height - 1]).view(2, 1, 1)

    @torch.inference_mode()
    def dense(self, start: int) -> Tensor:
        """Where every pixel of a frame goes, and whether it is seen: ``(T, 3, H, W)``."""
        one = slice(start, start + 1)
        source = self.network.encode_source(self.frames[one], self.features[one])
        size = tuple(self.features.shape[1:3])
        seen = self.points[start, :, 2] != 0
        index = nearest(self.points[start, seen, :2], size)
        found = []
        for t in range(len(self.frames)):
            if t == start:
                found.append(torch.cat([self.grid, torch.ones_like(self.grid[:1])]))
                continue
            flow, visible = densify(self.points[start], self.points[t], size, index)
            target = self.features[t : t + 1]
            moved, probability = self.network(source, target, flow[None], visible[None])
            at = self.grid + moved[0] / self.scale
            found.append(torch.cat([at, (probability > VISIBLE).float()]))
        return torch.stack(found)


def _read(dense: Tensor, at: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Tracks ``(N, T, 2)`` in pixels and visibility of points at normalised ``(N, 2)``."""
    grid = (2 * at - 1).expand(len(dense), 1, -1, -1)
    found = F.grid_sample(dense, grid, align_corners=True)[:, :, 0]  # T 3 N
    scale = torch.tensor([size[1] - 1, size[0] - 1])
    return found[:, :2].permute(2, 0, 1) * scale, found[:, 2].T > 0


def check_modes(case: Case) -> None:
    model = _Published(case)
    size = case["video"].shape[1:3]
    dense = {t: model.dense(t) for t in range(len(model.frames))}
    case.compare("dense_tracks", _in_working_pixels(model, dense[0])[:, ::2, ::2], atol=TOLERANCE)
    _compare_mask(case, "dense_visibility", dense[0][:, 2].numpy() > 0)

    queries = case["queries"]
    tracks, visible = np.zeros((2, len(queries), len(dense), 2), np.float32)
    for start in np.unique(queries[:, 0]).astype(int):
        rows = np.flatnonzero(queries[:, 0] == start)
        at = _normalised(queries[rows][:, [1, 2, 0]], size)[:, :2]
        tracks[rows], visible[rows, :, 0] = _read(dense[start], at, size)
    case.compare("tracks", tracks, atol=TOLERANCE)
    case.compare("visibility", visible[..., 0])

    cells, seen = _every_cell(dense, size, int(case["cell_size"]), int(case["cell_time_steps"]))
    case.compare("cell_tracks", cells, atol=TOLERANCE)
    case.compare("cell_visibility", seen)


def _in_working_pixels(model: _Published, dense: Tensor) -> Tensor:
    return (dense[:, :2] * model.scale).permute(0, 2, 3, 1)


def _every_cell(
    dense: dict[int, Tensor], size: tuple[int, int], side: int, steps: int
) -> tuple[Tensor, Tensor]:
    """Start points wherever no track of an earlier source frame has passed visibly."""
    frames = len(dense)
    rows, columns = size[0] // side, size[1] // side
    passed = torch.zeros(frames, rows, columns, dtype=torch.bool)
    found = []
    for start in torch.linspace(0, frames - 1, frames // min(frames, steps)).long().tolist():
        y, x = (~passed[start]).nonzero(as_tuple=True)
        at = torch.stack([(x + 0.5) / columns, (y + 0.5) / rows], dim=-1)
        tracks, visible = _read(dense[start], at, size)
        found.append((tracks, visible))
        place = tracks / torch.tensor([size[1] - 1, size[0] - 1])
        cell = (place * torch.tensor([columns, rows])).floor().long()
        inside = ((cell >= 0) & (cell < torch.tensor([columns, rows]))).all(dim=-1) & visible
        which, t = inside.nonzero(as_tuple=True)
        passed[t, cell[which, t, 1], cell[which, t, 0]] = True
    return torch.cat([tracks for tracks, _ in found]), torch.cat([seen for _, seen in found])


# --- motion boundaries -------------------------------------------------------------------------


def check_boundaries(case: Case) -> None:
    case.given("mid_cell_yx")
    network: Raft = filled(case)
    row, column = case["mid_cell_yx"]
    with torch.inference_mode():
        both = network.encode(_frames(np.stack([case["src_frame"], case["tgt_frame"]])))
        states = list(network.iterate(both.pick(slice(1)), both.pick(slice(1, 2)), 12))
        flow = network.upsample(states[-1])
    for iteration in (1, 12):
        found = states[iteration - 1].correlation[0, :, row, column]
        case.compare(f"mid_corr_iter{iteration}_cell", found, atol=TOLERANCE)
    case.compare("mid_delta_flow_iter1", states[0].delta[0].permute(1, 2, 0), atol=TOLERANCE)
    case.compare("flow", flow[0].permute(1, 2, 0), atol=TOLERANCE)
    found = np.stack([motion_boundaries(flow, float(t))[0] for t in case["thresholds"]])
    _compare_mask(case, "motion_boundaries", found)


DOT_CHECKERS = {"dot": check_dot, "dot_raft8": check_boundaries}
