from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pointtrack.errors import QueryError
from pointtrack.geometry import inside
from pointtrack.synthesis import ClipScene, generate, make_scene, preset, without_effects
from pointtrack.synthesis.effects import Effects
from pointtrack.synthesis.layers import Layer
from pointtrack.synthesis.sampling import sample_queries

SIZE = (96, 72)
FRAMES = 6
PLAIN = without_effects(preset("default", frames=FRAMES, size=SIZE, points=128, deform=0.8))
SEEDS = [0, 1, 2, 3]


def look_up(video: NDArray[np.uint8], xy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours at tracks, bilinear: ``(N, T, 3)``."""
    picture = torch.from_numpy(video).float().permute(0, 3, 1, 2)
    place = torch.from_numpy(np.nan_to_num(xy)).transpose(0, 1)[:, :, None]  # T N 1 2
    place = 2 * place / (torch.tensor(SIZE) - 1) - 1
    found = functional.grid_sample(picture, place, padding_mode="border", align_corners=True)
    return found[..., 0].permute(2, 0, 1).numpy()


@pytest.mark.parametrize("seed", SEEDS)
def test_visible_points_keep_their_colour(seed: int) -> None:
    clip = generate(seed, PLAIN)
    rows = np.arange(len(clip.queries))
    t = clip.queries[:, 0].astype(int)
    others = clip.visible.copy()
    others[rows, t] = False
    own = look_up(clip.video, clip.xy)[rows, t][:, None]

    def error(shift: tuple[float, float]) -> float:
        moved = look_up(clip.video, clip.xy + np.float32(shift))
        return float(np.abs(moved - own).mean(axis=2)[others].mean())

    exact = error((0, 0))
    # What is left comes from interpolating a sharp picture twice.
    assert exact < 9
    for shift in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)):
        assert exact < 0.9 * error(shift)


@pytest.mark.parametrize("seed", SEEDS)
def test_pixels_are_drawn_where_the_tracks_say(seed: int) -> None:
    scene = make_scene(seed, PLAIN)
    box = (0, 0, *SIZE)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    pixels = torch.from_numpy(np.stack([x, y], axis=2).reshape(-1, 2)).double()
    for layer in scene.layers:
        for t in range(0, FRAMES, 2):
            moment = scene.moment(torch.tensor([t]))
            _, drawn = layer.grid(moment, box)
            u = drawn.view(-1, 2).double()
            on = u.abs().amax(dim=1) < 1
            p, exact = layer.picture_place(moment.repeat(int(on.sum())), u[on])
            assert exact.all()
            if on.any():
                assert (p - pixels[on]).norm(dim=1).max() < 2e-3


def test_a_track_passes_through_its_query_and_is_seen_there() -> None:
    for seed in SEEDS:
        clip = generate(seed, preset("hard", frames=FRAMES, size=SIZE, points=64))
        rows, t = np.arange(64), clip.queries[:, 0].astype(int)
        assert np.abs(clip.xy[rows, t] - clip.queries[:, 1:]).max() < 1e-3
        assert clip.visible[rows, t].all()


def test_asking_again_from_another_frame_gives_the_same_track() -> None:
    scene = make_scene(1, PLAIN)
    xy, visible, _ = scene.track(sample_queries(scene, 100, np.random.default_rng(0)))
    point, frame = np.nonzero(visible)
    again, _, _ = scene.track(np.column_stack([frame, xy[point, frame]]))
    error = np.linalg.norm(again - xy[point], axis=2).max(axis=1)
    # Beside an edge, half a float32 away, the layer on top may be another.
    assert np.mean(error < 2e-3) > 0.995


@pytest.mark.parametrize("name", ["default", "hard", "thin"])
def test_visibility_agrees_with_the_layer_on_top(name: str) -> None:
    compared = 0
    for seed in range(3):
        config = without_effects(preset(name, frames=FRAMES, size=SIZE))
        scene = make_scene(seed, config)
        queries = sample_queries(scene, 128, np.random.default_rng(seed))
        own = scene.layer_at(queries)
        xy, visible, valid = scene.track(queries)
        top = np.pad(scene.layer_map(), ((0, 0), (2, 2), (2, 2)), mode="edge")
        patches = np.lib.stride_tricks.sliding_window_view(top, (5, 5), axis=(1, 2))
        # Only where one layer fills the 5 x 5 pixels about the point: its edges are soft.
        inner = valid & inside(xy, SIZE)
        point, frame = np.nonzero(inner)
        column, row = np.rint(xy[inner]).astype(int).T.clip(0, np.array(SIZE)[:, None] - 1)
        around = patches[frame, row, column].reshape(len(point), -1)
        clear = around.min(axis=1) == around.max(axis=1)
        compared += int(clear.sum())
        expected = around[:, 0] == own[point]
        assert np.array_equal(visible[inner][clear], expected[clear])
        assert not visible[~inner].any()
    assert compared > 200


def test_some_points_leave_the_picture_and_come_back_and_some_hide_and_come_out() -> None:
    left = hid = 0
    for seed in range(5):
        scene = make_scene(seed, preset("default", frames=24, size=SIZE, motion_blur=0))
        xy, visible, _ = scene.track(sample_queries(scene, 64, np.random.default_rng(seed)))
        left += sum(map(_interrupted, inside(xy, SIZE)))
        hid += sum(map(_interrupted, visible | ~inside(xy, SIZE)))
    assert left > 5
    assert hid > 20


def _interrupted(row: NDArray[np.bool_]) -> bool:
    seen = np.flatnonzero(row)
    return len(seen) > 0 and not row[seen[0] : seen[-1]].all()


def test_every_kind_of_layer_gets_points() -> None:
    scene = make_scene(4, preset("thin", frames=FRAMES, size=SIZE))
    queries = sample_queries(scene, 256, np.random.default_rng(0))
    share = np.bincount(scene.layer_at(queries), minlength=len(scene.layers)) / 256
    thin = [i for i, layer in enumerate(scene.layers) if layer.name == "thin"]
    assert share[thin].sum() > 0.1
    assert share.max() < 0.5


@pytest.mark.parametrize("query", [(0, -0.6, 3), (0, 3, SIZE[1]), (FRAMES, 3, 3)])
def test_a_query_outside_is_refused(query: tuple[float, float, float]) -> None:
    with pytest.raises(QueryError):
        make_scene(0, PLAIN).track([query])


# -- scenes by hand, where the answer is known ----------------------------------------------


def flat(colour: float, cover: float, forward: torch.Tensor, **more: bool) -> Layer:
    pixels = torch.full((4, 8, 8), colour * cover)
    pixels[3] = cover
    return Layer("flat", pixels, forward, endless=True, **more)


def still(frames: int) -> torch.Tensor:
    """Planes at depth 1 whose edges are 50 pixels from (20, 20)."""
    matrix = torch.tensor([[50.0, 0, 20], [0, 50, 20], [0, 0, 1]]).double()
    return matrix.repeat(frames, 1, 1)


def by_hand(*layers: Layer) -> ClipScene:
    frames = len(layers[0].forward)
    return ClipScene(list(layers), Effects(np.ones((frames, 3))), (40, 40), frames, 1, 0)


@pytest.mark.parametrize(("opacity", "seen"), [(0.5, True), (0.7, True), (0.8, False)])
def test_smoke_hides_only_when_it_is_thick(opacity: float, seen: bool) -> None:
    smoke = flat(1.0, opacity, still(2), solid=False)
    scene = by_hand(flat(0.2, 1.0, still(2)), smoke)
    xy, visible, valid = scene.track([[0, 10, 10]])
    assert valid.all()
    assert (visible == seen).all()
    assert np.allclose(xy, 10)
    expected = round(255 * (0.2 * (1 - opacity) + opacity))
    assert np.abs(scene.render().astype(int) - expected).max() <= 1


def test_a_point_behind_the_camera_is_not_valid() -> None:
    forward = still(3)
    forward[1, 2, 2] = -1.0
    _, _, valid = by_hand(flat(0.5, 1.0, forward)).track([[0, 10, 10]])
    assert valid.tolist() == [[True, False, True]]


def test_the_nearer_of_two_layers_is_followed_and_hides_the_other() -> None:
    moving = still(4)
    moving[:, 0, 2] += torch.arange(4) * 9.0
    disc = torch.zeros(4, 64, 64)
    disc[:, 28:36, 28:36] = 1  # 12.5 pixels wide
    scene = by_hand(flat(0.5, 1.0, still(4)), Layer("disc", disc, moving))
    xy, visible, _ = scene.track([[0, 20, 20], [3, 20, 20], [0, 38, 20]])
    assert scene.layer_at([[0, 20, 20], [3, 20, 20]]).tolist() == [1, 0]
    assert np.allclose(xy[0, :, 0], [20, 29, 38, 47])
    assert visible.tolist() == [
        [True, True, True, False],
        [False, True, True, True],
        [True, True, False, True],
    ]


def test_motion_blur_keeps_the_tracks_of_the_sharp_clip() -> None:
    stiff = replace(PLAIN, deform=0.0)
    sharp, blurred = make_scene(5, stiff), make_scene(5, replace(stiff, motion_blur=1.0))
    queries = sample_queries(sharp, 64, np.random.default_rng(0))
    for one, other in zip(sharp.track(queries), blurred.track(queries), strict=True):
        assert np.allclose(one, other, atol=1e-4, equal_nan=True)
    difference = np.abs(sharp.render().astype(int) - blurred.render())
    assert difference.max() > 10  # edges that move
    assert difference.mean() < 30
