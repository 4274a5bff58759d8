from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubric_scenes import FOCAL, World, inverse, quaternion, turned, turning_boxes

from pointtrack.datasets.kubric import (
    Scene,
    Window,
    dense_tracks,
    follow_pixels,
    random_window,
    sample_tracks,
)
from pointtrack.errors import PointtrackError, QueryError

WORLD = turning_boxes()
SCENE = WORLD.render()
FRAMES, HEIGHT, WIDTH = SCENE.depth.shape
seeds = st.integers(0, 2**32 - 1)


def true_points(world: World, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the surface points at pixels are in every frame, (Q, T, 3), and their segments."""
    points, segments = np.empty((len(pixels), len(world.camera), 3)), np.empty(len(pixels), int)
    for index, (t, row, column) in enumerate(pixels):
        ray = world.directions(np.array([column, row]) + 0.5)
        towards = turned(world.camera_rotation[t], ray)
        distance, segment, _, _ = world.cast(t, towards[None])
        here = world.camera[t] + distance[0] * towards
        segments[index], points[index] = segment[0], here
        if segment[0]:
            box = world.boxes[segment[0] - 1]
            local = turned(inverse(box.rotation[t]), here - box.centre[t])
            points[index] = turned(box.rotation, np.broadcast_to(local, (len(points[0]), 3)))
            points[index] += box.centre
    return points, segments


def some_pixels(count: int, seed: int = 0, frame: int | None = None) -> np.ndarray:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, (FRAMES, HEIGHT, WIDTH), (count, 3))
    if frame is not None:
        pixels[:, 0] = frame
    return pixels


def test_points_go_where_their_surfaces_go() -> None:
    pixels = some_pixels(600)
    tracks = follow_pixels(SCENE, pixels)
    points, segments = true_points(WORLD, pixels)
    assert np.bincount(segments).min() > 10
    np.testing.assert_array_equal(tracks.segment, segments)
    for t in range(FRAMES):
        places = WORLD.places(t, points[:, t]) - 0.5
        np.testing.assert_allclose(tracks.xy[:, t], places, atol=1e-3)
        seen = turned(inverse(WORLD.camera_rotation[t]), points[:, t] - WORLD.camera[t])
        np.testing.assert_allclose(tracks.xyz[:, t], seen * (1, -1, -1), atol=1e-4)


def test_visibility_is_that_of_an_exact_ray_away_from_silhouettes() -> None:
    pixels = some_pixels(400, seed=1)
    tracks = follow_pixels(SCENE, pixels)
    points, _ = true_points(WORLD, pixels)
    agreeing = clear = hidden = 0
    for t in range(FRAMES):
        apart = points[:, t] - WORLD.camera[t]
        distance = np.linalg.norm(apart, axis=-1)
        hit, segment, _, _ = WORLD.cast(t, apart / distance[:, None])
        xy = tracks.xy[:, t]
        inside = ((xy >= -0.5) & (xy <= (WIDTH - 0.5, HEIGHT - 0.5))).all(axis=-1)
        seen = inside & (hit > distance - 1e-6)
        low = np.clip(np.floor(xy).astype(int), 0, (WIDTH - 2, HEIGHT - 2))
        around = SCENE.segments[t, low[:, 1, None] + [0, 0, 1, 1], low[:, 0, None] + [0, 1, 0, 1]]
        # Within 2 % of what is in front of it a point may go either way.
        plain = ~inside | (around == segment[:, None]).all(axis=1)
        plain &= seen | ~inside | (hit < 0.98 * distance)
        agreeing += (tracks.visible[:, t] == seen)[plain].sum()
        clear += plain.sum()
        hidden += (~seen & inside & plain).sum()
    assert hidden > 50
    assert clear > 0.8 * FRAMES * len(pixels)
    assert agreeing == clear


@given(seeds, st.booleans(), st.booleans())
def test_a_track_passes_through_its_query_and_is_visible_there(
    seed: int, cut: bool, resized: bool
) -> None:
    random = np.random.default_rng(seed)
    window = random_window(random, SCENE.size) if cut else None
    size = (256, 128) if resized else None
    tracks = sample_tracks(SCENE, 60, random, window=window, size=size, max_fraction=1)
    row, start = np.arange(60), tracks.queries[:, 0].astype(int)
    np.testing.assert_allclose(tracks.xy[row, start], tracks.queries[:, 1:], atol=2e-4)
    assert tracks.visible[row, start].all()
    np.testing.assert_allclose(tracks.relative_distance[row, start], 1)
    width, height = size or SCENE.size
    shown = tracks.xy[tracks.visible]
    assert ((shown >= -0.5 - 1e-4) & (shown <= np.array([width, height]) - 0.5 + 1e-4)).all()


def test_a_window_moves_and_stretches_tracks_and_hides_what_is_outside() -> None:
    window = Window(10, 6, 58, 42)
    pixels = some_pixels(200)
    pixels = pixels[((pixels[:, 1:] >= (6, 10)) & (pixels[:, 1:] < (42, 58))).all(axis=1)]
    whole, part = follow_pixels(SCENE, pixels), follow_pixels(SCENE, pixels, window=window)
    stretched = (whole.xy + 0.5 - (10, 6)) * (72 / 48, 48 / 36) - 0.5
    np.testing.assert_allclose(part.xy, stretched, atol=1e-3)
    inside = ((whole.xy >= (9.5, 5.5)) & (whole.xy <= (57.5, 41.5))).all(axis=-1)
    assert (whole.visible & ~inside).any()
    np.testing.assert_array_equal(part.visible, whole.visible & inside)
    np.testing.assert_array_equal(part.xyz, whole.xyz)


# --- Each rule of occlusion alone ------------------------------------------------------------


def lone_point(**change: Any) -> Scene:
    """Three frames of one box filling a 9 x 9 picture, 4 m ahead; nothing moves."""
    shape = (3, 9, 9)
    corners = np.array([[x, y, z] for x in (-4, 4) for y in (-4, 4) for z in (-4, 4)], float)
    scene = Scene(
        depth=np.full(shape, 4.0),
        segments=np.ones(shape, np.uint8),
        normals=np.tile([0.0, 0.0, 1.0], (*shape, 1)),  # towards the camera
        object_coordinates=np.zeros((*shape, 3)),
        boxes=np.tile(corners, (1, 3, 1, 1)),  # its middle is where the depth says
        rotations=np.tile([1.0, 0, 0, 0], (1, 3, 1)),
        camera_positions=np.tile([0.0, 0.0, 4.0], (3, 1)),
        camera_rotations=np.tile([1.0, 0, 0, 0], (3, 1)),
    )
    return replace(scene, **change)


def seen(scene: Scene, window: Window | None = None) -> list[bool]:
    """When the point at the middle of frame 0 is visible."""
    return follow_pixels(scene, [[0, 4, 4]], window=window).visible[0].tolist()


def test_a_point_in_front_of_everything_stays_visible() -> None:
    assert seen(lone_point()) == [True, True, True]


def test_rule_1_behind_the_camera() -> None:
    scene = lone_point()
    depth = scene.depth.copy()
    depth[1] = 9.0
    # A point of the background, so that no normal matters; mirrored it stays in the middle.
    scene = replace(scene, depth=depth, segments=scene.segments * 0)
    past = np.array([[0, 0, 4.0], [0, 0, -2.0], [0, 0, 3.0]])
    assert seen(replace(scene, camera_positions=past)) == [True, False, True]


@pytest.mark.parametrize(("nearer", "visible"), [(3.95, False), (3.97, True)])
def test_rule_2_all_four_pixels_nearer_than_99_percent(nearer: float, visible: bool) -> None:
    scene = lone_point()
    depth = scene.depth.copy()
    depth[1] = nearer
    assert seen(replace(scene, depth=depth)) == [True, visible, True]
    depth[1, 4, 4] = 4.0  # one of the four is enough
    assert seen(replace(scene, depth=depth)) == [True, True, True]


def test_rule_3_none_of_the_four_pixels_shows_the_segment() -> None:
    scene = lone_point()
    segments = scene.segments.copy()
    segments[1] = 0
    assert seen(replace(scene, segments=segments)) == [True, False, True]
    segments[1, 5, 5] = 1
    moved = scene.camera_positions.copy()
    moved[1, :2] = (-0.1, 0.1)  # the point moves right and down, between (4, 4) and (5, 5)
    assert seen(replace(scene, segments=segments, camera_positions=moved)) == [True, True, True]
    moved[1, :2] = (0.1, 0.1)
    assert seen(replace(scene, segments=segments, camera_positions=moved)) == [True, False, True]


def test_rule_4_the_edge_of_the_window_is_inside() -> None:
    scene = lone_point()
    moved = scene.camera_positions.copy()
    half_pixel = 4 / FOCAL / 9 / 2
    moved[1, 0], moved[2, 0] = half_pixel * (1 - 1e-9), half_pixel * 1.01
    found = follow_pixels(replace(scene, camera_positions=moved), [[0, 4, 4]])
    np.testing.assert_allclose(found.xy[0, :, 0], [4, 3.5, 3.495], atol=1e-5)
    shifted = replace(scene, camera_positions=moved)
    assert seen(shifted, Window(4, 0, 9, 9)) == [True, True, False]
    moved[:, 0] *= -1
    assert seen(shifted, Window(0, 0, 5, 9)) == [True, True, False]
    assert seen(shifted) == [True, True, True]


@pytest.mark.parametrize(("pixel", "window"), [(4, Window(4, 4, 8, 8)), (3, Window(0, 0, 4, 4))])
def test_rule_4_the_very_edge_is_inside(pixel: int, window: Window) -> None:
    even = lone_point(
        **{
            name: getattr(lone_point(), name)[:, :8, :8]
            for name in ("depth", "segments", "normals", "object_coordinates")
        }
    )
    tracks = follow_pixels(even, [[0, pixel, pixel]], window=window)
    edge = -0.5 if pixel == 4 else 7.5  # the middle of the picture, to the last bit
    np.testing.assert_array_equal(tracks.xy, np.full((1, 3, 2), edge))
    assert tracks.visible.all()


def half_turned(**change: Any) -> Scene:
    """The point's box turns its back to the camera at frame 1."""
    turn = quaternion(np.array([0, 1.0, 0]), np.array([0, np.pi, 0.3]))
    return lone_point(rotations=turn[None], **change)


def test_rule_5_an_object_facing_away() -> None:
    assert seen(half_turned()) == [True, False, True]
    scene = half_turned()
    assert seen(replace(scene, segments=scene.segments * 0)) == [True, True, True]


def test_rule_5_does_not_trust_a_normal_that_fails_at_the_query() -> None:
    scene = half_turned()
    assert seen(replace(scene, normals=-scene.normals)) == [True, True, True]


@pytest.mark.parametrize(("rough", "visible"), [(2, False), (3, True)])
def test_rule_5_does_not_trust_a_rough_surface(rough: int, visible: bool) -> None:
    scene = half_turned()
    normals = scene.normals.copy()
    for row, column in [(3, 3), (3, 5), (5, 3), (5, 5)][:rough]:
        normals[0, row, column] = (0.06, 0, 1)
    normals[0, 4, 3:6] = normals[0, 3:6, 4] = (0.5, 0.5, 0)  # only diagonal neighbours count
    normals[0, 4, 4] = (0, 0, 1)
    assert seen(replace(scene, normals=normals)) == [True, visible, True]
    smooth = np.where(normals == 0.06, 0.04, normals)
    assert seen(replace(scene, normals=smooth)) == [True, False, True]


def test_a_corner_of_the_picture_is_rough() -> None:
    corner = follow_pixels(half_turned(), [[0, 0, 0]]).visible[0]
    edge = follow_pixels(half_turned(), [[0, 0, 4]]).visible[0]
    assert corner.tolist() == [True, True, True]  # three neighbours are outside
    assert edge.tolist() == [True, False, True]  # two are


# --- Snapping --------------------------------------------------------------------------------


def test_snapped_queries_step_onto_what_lies_behind() -> None:
    random = np.random.default_rng(0)
    tracks = sample_tracks(SCENE, 2000, random, stride=1, max_fraction=1, snap_to_occluder=True)
    row, start = np.arange(2000), tracks.queries[:, 0].astype(int)
    step = np.round(tracks.queries[:, 1:] - tracks.xy[row, start]).astype(int)
    np.testing.assert_allclose(tracks.queries[:, 1:] - tracks.xy[row, start], step, atol=1e-3)
    assert np.abs(step).max() == 1
    moved = step.any(axis=1)
    column, line = np.round(tracks.queries[:, 1:]).astype(int).T
    there = SCENE.depth[start, line, column]
    own = SCENE.depth[start, line - step[:, 1], column - step[:, 0]]
    assert (own[moved] < 0.95 * there[moved]).all()
    assert 20 < moved.sum() < 500
    assert tracks.visible[row, start].all()
    plain = sample_tracks(SCENE, 300, random, max_fraction=1)
    row, start = np.arange(300), plain.queries[:, 0].astype(int)
    np.testing.assert_allclose(plain.queries[:, 1:], plain.xy[row, start], atol=1e-3)


def test_snapping_moves_half_of_those_that_could_move() -> None:
    depth = np.full((1, 9, 900), 10.0)
    depth[:, :, ::2] = 5.0  # stripes: every step to the left or right goes behind
    scene = replace(
        lone_point(),
        depth=depth,
        segments=np.zeros(depth.shape, np.uint8),
        normals=np.zeros((*depth.shape, 3)),
        object_coordinates=np.zeros((*depth.shape, 3)),
        **{name: getattr(lone_point(), name)[:, :1] for name in ("boxes", "rotations")},
        camera_positions=np.zeros((1, 3)),
        camera_rotations=np.array([[1.0, 0, 0, 0]]),
    )
    tracks = sample_tracks(
        scene, 3000, np.random.default_rng(0), stride=1, max_fraction=1, snap_to_occluder=True
    )
    step = np.abs(np.round(tracks.queries[:, 1:] - tracks.xy[:, 0])).max(axis=1)
    assert 0.28 < step.mean() < 0.38  # two steps of three go sideways, half of these are taken


# --- Wrong arguments -------------------------------------------------------------------------


def test_pixels_that_are_not_there_are_refused() -> None:
    with pytest.raises(QueryError, match="integers"):
        follow_pixels(SCENE, [[0.0, 1.0, 2.0]])
    with pytest.raises(QueryError, match="found one outside"):
        follow_pixels(SCENE, [[0, HEIGHT, 0]])
    rimless = SCENE.without_rims()
    rim = np.argwhere(rimless.segments == -1)[:1]
    with pytest.raises(QueryError, match="belongs to no segment"):
        follow_pixels(rimless, rim)
    with pytest.raises(PointtrackError, match="window"):
        follow_pixels(SCENE, rim, window=Window(0, 0, 100, 10))


# --- Dense -----------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [0, 4])
def test_dense_tracks_are_those_of_every_pixel(frame: int) -> None:
    dense = dense_tracks(SCENE, frame)
    assert dense.xy.shape == (HEIGHT, WIDTH, FRAMES, 2)
    pixels = np.argwhere(np.ones((1, HEIGHT, WIDTH)))
    pixels[:, 0] = frame
    one_by_one = follow_pixels(SCENE, pixels)
    np.testing.assert_allclose(dense.xy.reshape(-1, FRAMES, 2), one_by_one.xy, atol=1e-3)
    np.testing.assert_allclose(dense.xyz.reshape(-1, FRAMES, 3), one_by_one.xyz, atol=1e-4)
    agreeing = dense.visible.reshape(-1, FRAMES) == one_by_one.visible
    assert agreeing.mean() > 0.96
    assert dense.visible[:, :, frame].all()
    grid = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), axis=-1)
    np.testing.assert_allclose(dense.xy[:, :, frame], grid, atol=1e-4)


def test_dense_visibility_is_that_of_an_exact_ray() -> None:
    dense = dense_tracks(SCENE, 0)
    pixels = np.argwhere(np.ones((1, HEIGHT, WIDTH)))[::5]
    points, _ = true_points(WORLD, pixels)
    found = dense.visible.reshape(-1, FRAMES)[::5]
    place = dense.xy.reshape(-1, FRAMES, 2)[::5]
    inside = ((place >= -0.5) & (place <= (WIDTH - 0.5, HEIGHT - 0.5))).all(axis=-1)
    exact = np.empty_like(found)
    for t in range(FRAMES):
        apart = points[:, t] - WORLD.camera[t]
        distance = np.linalg.norm(apart, axis=-1)
        exact[:, t] = WORLD.cast(t, apart / distance[:, None])[0] > distance - 1e-6
    assert (found == (exact & inside)).mean() > 0.96
    assert (~exact & inside).mean() > 0.02


def test_strides_take_some_of_the_pixels() -> None:
    whole, some = dense_tracks(SCENE, 2), dense_tracks(SCENE, 2, stride=5)
    np.testing.assert_array_equal(some.xy, whole.xy[::5, ::5])
    np.testing.assert_array_equal(some.visible, whole.visible[::5, ::5])


def test_what_stands_still_stays_put_in_the_camera_of_the_query() -> None:
    tracks = dense_tracks(SCENE, 3, space="query_camera")
    each = dense_tracks(SCENE, 3)
    np.testing.assert_array_equal(tracks.xy, each.xy)
    still = SCENE.segments[3] == 0
    for t in range(FRAMES):
        np.testing.assert_allclose(tracks.xyz[still, t], each.xyz[still, 3], atol=1e-4)
    assert np.abs(tracks.xyz[~still, 0] - tracks.xyz[~still, 3]).max() > 0.1
    assert np.abs(each.xyz[still, 0] - each.xyz[still, 3]).max() > 0.1


def test_positions_in_the_camera_project_to_the_picture() -> None:
    tracks = dense_tracks(SCENE, 0, stride=3)
    focal = FOCAL * WIDTH
    middle = np.array([WIDTH - 1, HEIGHT - 1]) / 2
    flat = tracks.xyz[..., :2] / tracks.xyz[..., 2:] * focal + middle
    np.testing.assert_allclose(flat, tracks.xy, atol=1e-3)


@pytest.mark.parametrize(("nearer", "visible"), [(3.95, False), (3.97, True)])
def test_dense_points_are_hidden_by_what_is_one_percent_nearer(
    nearer: float, visible: bool
) -> None:
    depth = lone_point().depth.copy()
    depth[1] = nearer
    dense = dense_tracks(lone_point(depth=depth))
    assert dense.visible[4, 4].tolist() == [True, visible, True]


def test_dense_points_behind_the_camera_are_nowhere() -> None:
    past = np.array([[0, 0, 4.0], [0, 0, -20.0], [0, 0, 3.0]])
    tracks = dense_tracks(lone_point(camera_positions=past))
    assert np.isnan(tracks.xy[:, :, 1]).all()
    assert not tracks.visible[:, :, 1].any()
    assert tracks.visible[4, 4].tolist() == [True, False, True]


def test_wrong_frames_strides_and_spaces_are_refused() -> None:
    with pytest.raises(QueryError, match="frame must lie in 0 to 8"):
        dense_tracks(SCENE, 9)
    with pytest.raises(PointtrackError, match="stride"):
        dense_tracks(SCENE, stride=0)
    with pytest.raises(PointtrackError, match="space"):
        dense_tracks(SCENE, space="world")  # type: ignore[arg-type]
