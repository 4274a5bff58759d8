"""What all networks are fed by: conversions, features of frames, memory, devices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import pointtrack as pt
from pointtrack.trackers.neural.budget import Need, parse_memory, share_out
from pointtrack.trackers.neural.convention import Convention, working_size
from pointtrack.trackers.neural.device import pick_device, place
from pointtrack.trackers.neural.features import FrameFeatures, Maps

sizes = st.tuples(st.integers(2, 400), st.integers(2, 300))
GPU = torch.device("cpu")


@settings(max_examples=50, deadline=None)
@given(video=sizes, size=sizes, resize=st.sampled_from(["edges", "centres", "scaled"]))
def test_points_come_back_to_where_they_were(video, size, resize) -> None:
    convention = Convention(size, resize, raster=resize == "edges")
    xy = np.array([[0, 0], [video[0] - 1, video[1] - 1], [0.3, 1.7]], np.float32)
    there = convention.to_network(xy, video)
    np.testing.assert_allclose(convention.to_video(there, video), xy, atol=1e-3)


def test_what_each_resize_leaves_in_place() -> None:
    corner = np.array([[0, 0], [99, 59]], np.float32)
    video, size = (100, 60), (50, 30)
    centres = Convention(size, "centres").to_network(corner, video)
    np.testing.assert_allclose(centres, [[0, 0], [49, 29]], atol=1e-5)
    outer = corner + np.array([[-0.5, -0.5], [0.5, 0.5]], np.float32)
    edges = Convention(size).to_network(outer, video)
    np.testing.assert_allclose(edges, [[-0.5, -0.5], [49.5, 29.5]], atol=1e-5)
    raster = Convention(size, raster=True).to_network(corner, video)
    np.testing.assert_allclose(raster, [[0.25, 0.25], [49.75, 29.75]], atol=1e-5)
    scaled = Convention(size, "scaled").to_network(corner, video)
    np.testing.assert_allclose(scaled, [[0, 0], [49.5, 29.5]], atol=1e-5)


@pytest.mark.parametrize("resize", ["edges", "centres"])
def test_a_point_stays_on_what_it_marks_when_the_picture_grows(resize) -> None:
    ramp = np.linspace(0, 250, 11, dtype=np.uint8)
    frame = np.repeat(np.tile(ramp, (9, 1))[..., None], 3, axis=2)
    convention = Convention((31, 27), resize)
    grown = convention.prepare([frame], GPU)[0, 0]
    x, y = convention.to_network(np.array([[4, 5]], np.float32), (11, 9))[0]
    left, share = int(np.floor(x)), x - np.floor(x)
    read = grown[round(float(y)), left] * (1 - share) + grown[round(float(y)), left + 1] * share
    assert abs(float(read) - 100) < 0.5


def test_frames_are_brought_to_size_and_range() -> None:
    frames = [np.full((12, 16, 3), value, np.uint8) for value in (0, 255)]
    batch = Convention((8, 6), low=-1.0, high=1.0).prepare(frames, GPU)
    assert batch.shape == (2, 3, 6, 8)
    assert batch[0].max() == -1
    assert batch[1].min() == 1
    same = Convention((16, 12)).prepare(frames, GPU)
    np.testing.assert_array_equal(same[1], 255)


@pytest.mark.parametrize("resolution", [(100, 96), (96,), (8, 8), (96.0, 96), (0, 0)])
def test_resolutions_that_do_not_work(resolution) -> None:
    with pytest.raises(pt.PointtrackError, match=r"resolution of toy is .*multiples of 16 from 32"):
        working_size(resolution, 16, 32, "toy")


# --- features -----------------------------------------------------------------------------------


class Counted:
    """Encodes a frame as its number, and remembers which it has seen."""

    def __init__(self, reach: int = 0) -> None:
        self.seen: list[int] = []
        self.reach = reach

    def __call__(self, frames: list[NDArray[np.uint8]]) -> Maps:
        numbers = [int(frame[0, 0, 0]) for frame in frames]
        self.seen += numbers
        values = torch.tensor(numbers, dtype=torch.float32)
        around = [
            values[max(0, i - self.reach) : i + self.reach + 1].sum() for i in range(len(values))
        ]
        return [values[:, None], torch.stack(around)]


def video(frames: int) -> pt.Video:
    numbers = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    return pt.open_video(np.broadcast_to(numbers, (frames, 4, 5, 3)).copy())


def test_with_room_for_all_no_frame_is_encoded_twice() -> None:
    encode = Counted()
    features = FrameFeatures(video(20), encode, 20, 4)
    for span in (range(5, 12), range(8, 20), range(20), range(3, 4)):
        np.testing.assert_array_equal(features.read(span)[0][:, 0], list(span))
    assert sorted(encode.seen) == list(range(20))


def test_without_room_what_two_windows_share_is_kept() -> None:
    encode = Counted()
    features = FrameFeatures(video(40), encode, 16, 4)
    for first in (0, 8, 16, 24):
        span = range(first, first + 16)
        np.testing.assert_array_equal(features.read(span)[0][:, 0], list(span))
    assert encode.seen == list(range(40))
    for first in (16, 8, 0):  # and backwards
        span = range(first, first + 16)
        np.testing.assert_array_equal(features.read(span)[0][:, 0], list(span))
    assert sorted(encode.seen) == sorted([*range(40), *range(24)])


@pytest.mark.parametrize("room", [4, 30])
@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_frames_are_encoded_among_their_neighbours(room: int, chunk: int) -> None:
    wanted = [sum(range(max(0, i - 2), min(30, i + 3))) for i in range(30)]
    features = FrameFeatures(video(30), Counted(2), room, chunk, reach=2)
    found = [features.read(range(t, t + 4))[1] for t in range(0, 26, 4)]
    np.testing.assert_array_equal(torch.cat(found), wanted[:28])


# --- memory -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [("auto", 0.5), ("4GB", 4e9), ("300 MB", 3e8), ("50%", 0.5), (0.25, 0.25), ("2GiB", 2e9)],
)
def test_memory_is_bytes_or_a_share(text, value) -> None:
    assert parse_memory(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["much", "-1GB", "0", "200%", 3, "4.4.4GB", ""])
def test_memory_that_makes_no_sense(text) -> None:
    with pytest.raises(pt.PointtrackError, match="memory is"):
        parse_memory(text)


@settings(max_examples=100, deadline=None)
@given(
    budget=st.integers(2_000, 10**7),
    need=st.builds(
        Need, st.integers(1, 50), st.integers(1, 99), st.integers(1, 50), st.integers(0, 500)
    ),
)
def test_shares_keep_within_the_budget(budget, need) -> None:
    try:
        shares = share_out(budget, need, 10, 4, "toy")
    except pt.PointtrackError:
        assert budget < need.least + need.encoding + 10 * (need.frame + need.point)
        return
    assert shares.frames >= 10
    assert shares.points_frames >= 10
    assert 1 <= shares.encoded <= 4
    if shares.frames > 10:
        assert need.least + shares.frames * need.frame + shares.encoded * need.encoding <= budget


def test_too_little_memory_is_one_sentence() -> None:
    with pytest.raises(pt.PointtrackError, match=r"1 MB of memory are too little for .*about \d+"):
        share_out(10**6, Need(1, 1, 1, 10**8), 1, 1, "toy")


# --- devices ------------------------------------------------------------------------------------


def test_devices_that_are_not_there() -> None:
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(pt.PointtrackError, match=r"there is no device 'cuda:99' here; there are: "):
        pick_device("cuda:99")


class Toy(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = torch.nn.Linear(8, 8)
        self.head = torch.nn.Linear(8, 8)


def test_half_precision_is_for_the_heavy_parts_and_stays_inside() -> None:
    with pytest.raises(pt.PointtrackError, match="float16 needs a GPU"):
        place(Toy(), GPU, "float16", False)
    toy, x = Toy(), torch.linspace(0, 1, 8)
    single = toy.encoder(x), toy.head(x)
    place(toy, GPU, "bfloat16", False)
    half = toy.encoder(x), toy.head(x)
    assert half[0].dtype == torch.float32
    assert not torch.equal(half[0], single[0])
    torch.testing.assert_close(half[0], single[0], atol=0.02, rtol=0.02)
    assert torch.equal(half[1], single[1])
