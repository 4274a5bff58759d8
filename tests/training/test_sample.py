from __future__ import annotations

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from takes import noise_take

from pointtrack.errors import PointtrackError
from pointtrack.training.points import PointConfig, choose_points
from pointtrack.training.sample import Batch, Rejected, Sample, Take, collate


def sample(seed: int, size: tuple[int, int] = (40, 30), frames: int = 6, points: int = 5) -> Sample:
    config = PointConfig(points)
    return choose_points(noise_take(seed, size, frames), config, np.random.default_rng(seed))


def test_a_batch_holds_what_the_samples_hold() -> None:
    samples = [sample(1), sample(2)]
    batch = collate(samples)
    assert batch.video.shape == (2, 6, 3, 30, 40)
    assert batch.video.dtype == torch.uint8
    assert batch.xy.shape == (2, 5, 6, 2)
    assert batch.queries.shape == (2, 5, 3)
    assert batch.names == ("noise-1", "noise-2")
    for row, one in enumerate(samples):
        assert np.array_equal(batch.video[row].permute(0, 2, 3, 1).numpy(), one.video)
        for name in ("xy", "visible", "valid", "queries"):
            assert np.array_equal(getattr(batch, name)[row].numpy(), getattr(one, name))
    assert batch.xy.dtype == batch.queries.dtype == torch.float32
    assert batch.visible.dtype == batch.valid.dtype == torch.bool


def test_a_batch_moves_to_a_device() -> None:
    moved = collate([sample(1)]).to("meta")
    assert isinstance(moved, Batch)
    assert {tensor.device.type for tensor in moved[:5]} == {"meta"}
    assert moved.names == ("noise-1",)


def test_a_take_played_backwards_can_be_joined() -> None:
    one = sample(1)
    t, xy = one.queries[:, :1], one.queries[:, 1:]
    backwards = replace(
        one,
        video=one.video[::-1],
        xy=one.xy[:, ::-1],
        visible=one.visible[:, ::-1],
        valid=one.valid[:, ::-1],
        queries=np.column_stack([5 - t, xy]),
    )
    assert np.array_equal(collate([backwards]).video[0, 0], collate([one]).video[0, 5])


def test_samples_that_differ_are_named() -> None:
    with pytest.raises(
        PointtrackError, match=r"noise-1 has 6 frames of 40x30 and 5 points, noise-2 has 4"
    ):
        collate([sample(1), sample(2, frames=4)])
    with pytest.raises(PointtrackError, match="7 points"):
        collate([sample(1), sample(2, points=7)])
    with pytest.raises(PointtrackError, match="none"):
        collate([])


def test_a_batch_has_optical_flow_when_it_is_wanted() -> None:
    assert collate([sample(1)]).flow is None
    rng = np.random.default_rng(0)
    wide = cv2.GaussianBlur(rng.integers(0, 256, (64, 80, 3), np.uint8), (0, 0), 2)
    video = np.stack([wide[:, 3 * t : 3 * t + 64] for t in range(3)])
    made = replace(sample(1, frames=3), video=video)
    batch = collate([made, made], flow=True)
    for flow, there in ((batch.flow, (3, 3)), (batch.direct, (3, 6))):
        assert flow is not None
        assert flow.shape == (2, 2, 64, 64, 4)
        middle = flow[0, :, 16:48, 16:48].float().median(dim=1).values.median(dim=1).values
        np.testing.assert_allclose(middle, [[-x, 0, x, 0] for x in there], atol=0.3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("video", np.zeros((6, 30, 40, 3), np.float32)),
        ("video", np.zeros((6, 30, 40), np.uint8)),
        ("xy", np.zeros((30, 5, 2), np.float32)),
        ("xy", np.zeros((30, 6, 2), int)),
        ("visible", np.zeros((30, 6), int)),
        ("valid", np.zeros((29, 6), bool)),
    ],
)
def test_what_does_not_fit_is_named(field: str, value: np.ndarray) -> None:
    with pytest.raises(PointtrackError, match=f"noise-0: {field} is"):
        replace(noise_take(0), **{field: value})


def test_a_valid_position_must_be_finite() -> None:
    take = noise_take(0)
    xy = take.xy.copy()
    xy[3, 2, 1] = np.nan
    with pytest.raises(PointtrackError, match="track 3 is valid in frame 2"):
        replace(take, xy=xy)
    valid = take.valid.copy()
    valid[3, 2] = False
    assert not replace(take, xy=xy, valid=valid).visible[3, 2]


def test_positions_of_a_sample_are_finite_everywhere() -> None:
    take = noise_take(0)
    xy, valid = take.xy.copy(), take.valid.copy()
    xy[:, 4], valid[:, 4] = np.nan, False
    made = choose_points(
        replace(take, xy=xy, valid=valid), PointConfig(5), np.random.default_rng(0)
    )
    assert np.isfinite(made.xy).all()
    assert np.array_equal(made.xy[:, 4], made.queries[:, 1:])
    assert not made.valid[:, 4].any()


def test_a_query_must_be_where_its_point_is_seen() -> None:
    one = sample(1)
    hidden = one.visible.copy()
    hidden[2, int(one.queries[2, 0])] = False
    with pytest.raises(PointtrackError, match="point 2 is asked for in frame"):
        replace(one, visible=hidden)
    late = one.queries.copy()
    late[0, 0] = 6
    with pytest.raises(PointtrackError, match="whole numbers from 0 to 5"):
        replace(one, queries=late)


def test_a_rejection_survives_the_way_between_processes() -> None:
    there = pickle.loads(pickle.dumps(Rejected("clip", "too short")))
    assert (there.name, there.reason, str(there)) == (
        "clip", "too short", "clip is of no use for training: too short",
    )  # fmt: skip


def test_takes_may_have_no_track() -> None:
    flags = np.zeros((0, 6), bool)
    take = Take("none", noise_take(0).video, np.zeros((0, 6, 2), np.float32), flags, flags)
    with pytest.raises(Rejected, match="too few points visible anywhere"):
        choose_points(take, PointConfig(4), np.random.default_rng(0))
