from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError
from pointtrack.trackers.flow import DenseFlow, flow_source
from pointtrack.trackers.flow_chain import FlowChainTracker
from pointtrack.trackers.particle_video import ParticleVideoTracker
from pointtrack.trackers.particles.channels import channels
from pointtrack.trackers.particles.density import free_places, scale_map
from pointtrack.trackers.particles.links import Links, delaunay, link, weights
from pointtrack.trackers.particles.occlusion import calm, dense, occlusion, sharpen
from pointtrack.trackers.particles.optimise import (
    Side,
    conjugate_gradients,
    optimise,
)
from pointtrack.trackers.particles.settings import Settings
from pointtrack.trackers.particles.state import find, smoothed
from pointtrack.trackers.particles.sweep import Known, Sweep
from pointtrack.video import open_video

pytest.importorskip("scipy")

WIDTH, HEIGHT = 128, 96
CENTRE = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
SETTINGS = Settings(spacing=2.5, max_particles=600)
Warp = Callable[[NDArray[Any]], NDArray[Any]]


def texture(
    xy: NDArray[Any], seed: int = 0, tone: float = 0.0, fine: float = 0.25
) -> NDArray[np.uint8]:
    """A colour texture known everywhere, so that moving it makes no interpolation error."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(0, fine, (24, 2))  # radians a pixel
    phase = rng.uniform(0, 2 * np.pi, (24, 3))
    angle = xy @ waves.T  # ... 24
    grey = np.sin(angle[..., None] + phase).mean(axis=-2)  # ... 3
    return np.clip(128 + tone + 250 * grey, 0, 255).astype(np.uint8)


def pixels() -> NDArray[Any]:
    xs, ys = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    return np.stack([xs, ys], axis=-1).astype(np.float64)  # H W 2


@cache
def translating(frames: int = 8, step: tuple[float, float] = (1.3, -0.7)) -> NDArray[np.uint8]:
    return np.stack([texture(pixels() - t * np.array(step)) for t in range(frames)])


def turn(t: int) -> NDArray[Any]:
    """One degree and one per cent a frame."""
    angle = np.deg2rad(t)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return 1.01**t * rotation


@cache
def turning(frames: int = 31) -> NDArray[np.uint8]:
    return np.stack(
        [texture((pixels() - CENTRE) @ np.linalg.inv(turn(t)).T, fine=0.4) for t in range(frames)]
    )


SQUARE = (12, 28, 52, 68)  # left, top, right, bottom edge on frame 0
SPEED = 2


@cache
def square(frames: int = 16) -> NDArray[np.uint8]:
    """A bright textured square that moves right over a still, darker background."""
    result = []
    for t in range(frames):
        x, y = pixels()[..., 0] - SPEED * t, pixels()[..., 1]
        front = (x > SQUARE[0]) & (x < SQUARE[2]) & (y > SQUARE[1]) & (y < SQUARE[3])
        moved = pixels() - (SPEED * t, 0)
        back = texture(pixels(), 1, -50)
        result.append(np.where(front[..., None], texture(moved, 2, 70), back))
    return np.stack(result)


def swept(frames: NDArray[np.uint8], settings: Settings = SETTINGS) -> Sweep:
    sweep = Sweep(flow_source("dis_medium"), settings)
    for t, frame in enumerate(frames):
        sweep.start(frame) if t == 0 else sweep.advance(frame)
    return sweep


def tracker(**options: Any) -> ParticleVideoTracker:
    return ParticleVideoTracker(**{"spacing": 2.5, "max_particles": 600, **options})


def grid(x0: float, x1: float, y0: float, y1: float, n: int = 6) -> NDArray[Any]:
    xs, ys = np.meshgrid(np.linspace(x0, x1, n), np.linspace(y0, y1, n))
    return np.column_stack([np.zeros(n * n), xs.ravel(), ys.ravel()])


# -- the method as a whole -----------------------------------------------------------------


def test_all_particles_follow_a_translating_texture_and_none_is_pruned() -> None:
    frames, step = translating(), np.array([1.3, -0.7])
    sweep = Sweep(flow_source("dis_medium"), SETTINGS)
    sweep.start(frames[0])
    first = sweep.particles
    for frame in frames[1:]:
        sweep.advance(frame)
    expected = first.xy + 7 * step
    # Those that come near the edge on their way are ended there, as they should be.
    inner = ((expected > 4) & (expected < (WIDTH - 5, HEIGHT - 5))).all(axis=1)
    row = sweep.particles.rows(first.ids)
    assert inner.sum() > 100
    assert (row[inner] >= 0).all()
    error = np.linalg.norm(sweep.particles.xy[row[inner]] - expected[inner], axis=1)
    assert error.max() < 0.1


def test_a_turning_and_growing_texture_is_followed_better_than_by_chaining_flow() -> None:
    frames = turning()
    queries = grid(46, 82, 32, 64)
    expected = (queries[:, 1:] - CENTRE) @ turn(30).T + CENTRE
    tracks = tracker().track(frames, queries)
    chained = FlowChainTracker().track(frames, queries)
    drift = np.linalg.norm(tracks.xy[:, 30] - expected, axis=1)
    assert tracks.visible[:, 30].all()
    assert drift.mean() < 0.5
    assert drift.mean() < 0.6 * np.linalg.norm(chained.xy[:, 30] - expected, axis=1).mean()


def test_background_ends_under_the_leading_edge_and_never_jumps_onto_the_square() -> None:
    frames = square()
    queries = grid(56, 100, 32, 64, 7)
    tracks = tracker().track(frames, queries)
    for row, (_, x, _) in enumerate(queries):
        covered = int(np.ceil((x - SQUARE[2]) / SPEED))  # the first frame it is not seen
        seen = np.flatnonzero(tracks.visible[row])[-1] + 1
        if covered <= 13:
            assert abs(seen - covered) <= 2
        if covered > 15:
            assert tracks.visible[row].all()
    # The background is still; the edge may push a particle before it for a frame or two.
    gap = np.linalg.norm(tracks.xy - queries[:, None, 1:], axis=2)
    assert gap[tracks.visible].max() < 3
    assert np.percentile(gap[tracks.visible], 95) < 1
    # What has ended stays with the background, and is not carried off by the square.
    assert gap.max() < 6
    for t, frame in enumerate(frames):
        seen = np.round(tracks.xy[tracks.visible[:, t], t]).astype(int)
        grey = frame[seen[:, 1], seen[:, 0]].mean(axis=1)  # background 78, square 198
        assert (grey < 160).mean() > 0.9


def test_particles_on_the_square_go_with_it() -> None:
    tracks = tracker().track(square(), grid(18, 46, 34, 62))
    moved = tracks.xy[:, -1] - tracks.xy[:, 0]
    assert tracks.visible.all()
    assert np.abs(moved - (15 * SPEED, 0)).max() < 0.5


def test_a_query_is_followed_in_both_directions() -> None:
    frames, step = translating(), np.array([1.3, -0.7])
    tracks = tracker().track(frames, [(4, 60, 50), (7, 70.5, 40.25)])
    for row, (t, place) in enumerate([(4, (60, 50)), (7, (70.5, 40.25))]):
        expected = np.array(place) + (np.arange(8)[:, None] - t) * step
        assert np.abs(tracks.xy[row] - expected).max() < 0.1
    assert tracks.visible.all()
    assert (tracks.confidence > 0.7).all()
    assert np.array_equal(tracks.xy[1, 7], np.array((70.5, 40.25), np.float32))


# -- sessions ------------------------------------------------------------------------------


def test_a_session_takes_points_at_any_time_and_lets_go_of_them() -> None:
    frames, step = translating(), np.array([1.3, -0.7])
    with tracker().session(keep=True) as session:
        first = session.add([(40, 60)])
        session.step(frames[0])
        session.step(frames[1])
        second = session.add([(70, 50), (20, 70)])
        now = session.step(frames[2])
        assert now.ids.tolist() == [*first, *second]
        assert np.allclose(now.xy[1:], [(70, 50), (20, 70)])
        session.remove(second[1])
        now = session.step(frames[3])
        assert now.ids.tolist() == [first[0], second[0]]
        session.correct(first[0], (50, 40))
        now = session.step(frames[4])
        assert np.allclose(now.xy[0], np.array((50, 40)) + step, atol=0.1)
        assert np.allclose(now.xy[1], np.array((70, 50)) + 2 * step, atol=0.1)
        assert session.tracks().num_frames == 5


def test_two_queries_on_one_place_stay_together() -> None:
    tracks = tracker().track(translating(), [(0, 60, 50), (0, 60, 50)])
    assert np.abs(tracks.xy[0] - tracks.xy[1]).max() < 0.1
    assert tracks.visible.all()


def test_memory_does_not_grow_with_the_number_of_frames() -> None:
    def held(sweep: Sweep) -> int:
        particles = sweep.particles
        return sum(a.nbytes for a in vars(particles).values() if isinstance(a, np.ndarray))

    frames = [texture(pixels() - (20 * np.sin(t / 4), 0)) for t in range(45)]
    session = tracker().session()
    session.add(grid(40, 90, 30, 70)[:, 1:])
    sizes = []
    for frame in frames:
        session.step(frame)
        sizes.append(held(session._sweep))
    assert max(sizes[30:]) < 1.25 * max(sizes[5:30])
    assert sizes[0] > 0


def test_a_query_near_the_edge_lives_until_it_leaves_the_picture() -> None:
    tracks = tracker().track(translating(8, (-1.0, 0.0)), [(0, 3.2, 48)])
    assert tracks.visible[0, :3].all()
    assert not tracks.visible[0, 5:].any()


def test_one_frame_and_pictures_without_texture() -> None:
    still = np.full((3, 48, 64, 3), 128, np.uint8)
    tracks = tracker().track(still, [(1, 20, 10)])
    assert np.allclose(tracks.xy, (20, 10))
    assert tracks.visible.all()
    assert tracker().track(still[:1], [(0, 20, 10)]).num_frames == 1


def test_coordinates_are_those_of_the_original_video() -> None:
    small = translating()
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    tracks = tracker(longest=WIDTH).track(large, [(0, 100.5, 80.5)])
    expected = np.array((100.5, 80.5)) + 14 * np.array([1.3, -0.7])
    assert np.abs(tracks.xy[0, 7] - expected).max() < 0.2


# -- all particles -------------------------------------------------------------------------


@cache
def _uncovered() -> Any:
    done: list[tuple[int, int]] = []
    tracks = tracker().particles(square(10), lambda i, n: done.append((i, n)))
    return tracks, done


def test_particles_live_in_one_piece_and_progress_is_told() -> None:
    tracks, done = _uncovered()
    assert done == [(i, 30) for i in range(1, 31)]
    known = tracks.known
    assert (known.sum(axis=1) >= 3).all()
    starts = (np.diff(known.astype(int), axis=1, prepend=0) == 1).sum(axis=1)
    assert (starts == 1).all()
    assert np.array_equal(tracks.visible, known)
    assert (tracks.confidence[known] > 0).all()
    assert (tracks.confidence[~known] == 0).all()


def test_particles_added_late_are_followed_back_to_where_they_were_uncovered() -> None:
    tracks, _ = _uncovered()
    # Background behind the square's trailing edge, seen from the frame on that uncovers it.
    x, y = tracks.xy[:, 9, 0], tracks.xy[:, 9, 1]
    behind = (x > SQUARE[0] + 2) & (x < SQUARE[0] + 14) & (y > SQUARE[1] + 4) & (y < SQUARE[3] - 4)
    rows = np.flatnonzero(behind)
    assert len(rows) >= 3
    for row in rows:
        uncovered = int(np.ceil((x[row] - SQUARE[0]) / SPEED))
        assert abs(np.flatnonzero(tracks.known[row])[0] - uncovered) <= 2
        path = tracks.xy[row, uncovered + 1 :]
        assert np.nanmax(np.linalg.norm(path - path[-1], axis=1)) < 0.5


def test_particles_follow_the_truth_in_the_whole_video() -> None:
    tracks = tracker().particles(open_video(translating()))
    first = np.argmax(tracks.known, axis=1)
    start = tracks.xy[np.arange(len(tracks)), first]
    t = np.arange(8)
    expected = start[:, None] + (t - first[:, None])[..., None] * np.array([1.3, -0.7])
    error = np.linalg.norm(tracks.xy - expected, axis=2)
    assert np.nanmedian(error) < 0.03
    assert np.nanpercentile(error, 99) < 0.15


# -- optimisation --------------------------------------------------------------------------


def _settling(seed: int = 0, shaken: float = 0.05) -> tuple[Any, ...]:
    """Particles after five frames, some of them put 3 px aside before the next."""
    frames, step = translating(), np.array([1.3, -0.7])
    sweep = swept(frames[:6])
    particles = sweep.particles
    inner = ((particles.xy > 8) & (particles.xy < (WIDTH - 9, HEIGHT - 9))).all(axis=1)
    particles = particles.select(inner)
    moves = np.tile(step, (len(particles), 1))
    aim = particles.xy + moves
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(particles)) < shaken
    angle = rng.uniform(0, 2 * np.pi, wrong.sum())
    aim[wrong] += 3 * np.column_stack([np.cos(angle), np.sin(angle)])
    links = link(aim, Links.none(), particles.motion, moves, SETTINGS)
    side = Side(particles.xy, moves, links)
    look = particles.appearance(6, SETTINGS)
    picture = channels(frames[6], SETTINGS)
    return aim, picture, look, [side], particles.xy + step, wrong


def test_particles_put_aside_come_back() -> None:
    aim, picture, look, sides, truth, wrong = _settling()
    assert wrong.sum() >= 5
    free = np.ones(len(aim), bool)
    done = optimise(aim, picture, look, sides, free, SETTINGS)
    error = np.linalg.norm(done.xy - truth, axis=1)
    assert error[wrong].max() < 0.5
    assert error.max() < 0.5


@pytest.mark.parametrize("seed", range(3))
def test_the_energy_never_rises(seed: int) -> None:
    aim, picture, look, sides, _, _ = _settling(seed, shaken=0.4)
    done = optimise(aim, picture, look, sides, np.ones(len(aim), bool), SETTINGS)
    assert len(done.totals) > 2
    totals = np.array(done.totals)
    assert (totals[1:] <= 1.01 * totals[:-1]).all()
    assert totals[-1] < 0.7 * totals[0]


def test_particles_that_are_not_free_stay() -> None:
    aim, picture, look, sides, _, wrong = _settling()
    done = optimise(aim, picture, look, sides, wrong, SETTINGS)
    assert np.array_equal(done.xy[~wrong], aim[~wrong])
    assert (np.linalg.norm(done.xy[wrong] - aim[wrong], axis=1) > 1).all()


def test_a_side_without_a_particle_asks_nothing_of_it() -> None:
    aim, picture, look, (side,), truth, _ = _settling(shaken=0)
    place = side.place.copy()
    place[::3] = np.nan
    there = np.isfinite(place[:, 0])
    kept = there[side.links.pairs].all(axis=1)
    links = Links(side.links.pairs[kept], side.links.weight[kept])
    free = np.ones(len(aim), bool)
    results = [
        optimise(aim, picture, look, [Side(place, flow, links)], free, SETTINGS)
        for flow in (side.flow, np.where(there[:, None], side.flow, 1e6))
    ]
    assert np.array_equal(results[0].xy, results[1].xy)
    assert np.median(np.linalg.norm(results[0].xy - truth, axis=1)) < 0.05


def test_conjugate_gradients_solve_what_a_direct_solver_does() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(12, 12))
    matrix = root @ root.T + np.eye(12)
    right = rng.normal(size=(6, 2))
    found = conjugate_gradients(
        lambda x: (matrix @ x.ravel()).reshape(6, 2),
        lambda r: (r.ravel() / matrix.diagonal()).reshape(6, 2),
        right,
        np.zeros((6, 2)),
        100,
        1e-10,
    )
    assert np.allclose(found.ravel(), np.linalg.solve(matrix, right.ravel()), atol=1e-7)


# -- links ---------------------------------------------------------------------------------


def test_links_across_a_motion_boundary_weigh_nothing_after_three_frames() -> None:
    fast = 4
    frames = square(2 * 4)[::2]  # four pixels a frame
    sweep = swept(frames)
    pairs, weight = sweep._links.pairs, sweep._links.weight
    xy, slot = sweep.particles.xy, 3 % SETTINGS.memory
    moving = sweep.particles.motion[:, slot, 0] > fast / 2
    known = np.isfinite(sweep.particles.motion[:, 1:4, 0]).all(axis=1)
    x = xy[:, 0] - fast * 3
    clear = (np.abs(x - SQUARE[0]) > 3) & (np.abs(x - SQUARE[2]) > 3)
    sure = (known & clear)[pairs].all(axis=1)
    across = sure & (moving[pairs[:, 0]] != moving[pairs[:, 1]])
    assert across.sum() >= 3
    assert np.median(weight[across]) < 0.05
    assert np.percentile(weight[across], 90) < 0.1
    assert np.median(weight[sure & ~across]) > 0.95


def test_young_pairs_are_judged_by_the_flow() -> None:
    motions = np.full((3, 4, 2), np.nan, np.float32)
    motions[:2, :2] = [[[1, 0], [1, 0]], [[1, 0], [2, 0]]]
    flow = np.array([[0, 0], [9, 9], [0, 0]], float)
    weight = weights(np.array([[0, 1], [0, 2]]), motions, flow, SETTINGS)
    assert weight == pytest.approx([np.exp(-0.5 / (2 * 1.5**2)), 1])


def test_delaunay_takes_lines_doubles_and_few_points() -> None:
    assert delaunay(np.empty((0, 2))).shape == (0, 2)
    assert delaunay(np.zeros((1, 2))).shape == (0, 2)
    assert delaunay(np.array([[0, 0], [3, 4.0]])).tolist() == [[0, 1]]
    line = delaunay(np.array([[0, 0], [2, 2], [1, 1], [3, 3.0]]))
    assert line.tolist() == [[0, 2], [1, 2], [1, 3]]
    double = delaunay(np.array([[0, 0], [9, 0], [0, 9], [9, 9.5], [9, 9.5]]))
    assert [3, 4] in double.tolist()
    near = [{i for pair in double.tolist() if k in pair for i in pair} - {3, 4} for k in (3, 4)]
    assert near[0] == near[1] == {1, 2}


def test_a_link_stays_while_its_ends_are_near_and_alike() -> None:
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 40, (60, 2))
    still, past = np.zeros((60, 2)), np.zeros((60, 4, 2), np.float32)
    now = {tuple(pair) for pair in delaunay(xy)}
    every = [(i, j) for i in range(60) for j in range(i + 1, 60) if (i, j) not in now]
    length = np.array([np.linalg.norm(xy[i] - xy[j]) for i, j in every])
    near, far = every[int(length.argmin())], every[int(length.argmax())]
    before = Links(np.array([near, far]), np.ones(2))
    pairs = link(xy, before, past, still, SETTINGS).pairs.tolist()
    assert list(near) in pairs
    assert list(far) not in pairs
    weak = replace(before, weight=np.full(2, 0.01))
    assert list(near) not in link(xy, weak, past, still, SETTINGS).pairs.tolist()


# -- occlusion and flow --------------------------------------------------------------------


def _step_flow() -> NDArray[np.float32]:
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[SQUARE[1] : SQUARE[3] + 1, SQUARE[0] : SQUARE[2] + 1, 0] = SPEED
    return flow


def test_occlusion_is_where_flow_converges_or_the_looks_differ_or_the_picture_ends() -> None:
    left, right = (channels(frame, SETTINGS) for frame in square()[:2])
    hidden = occlusion(_step_flow(), left, right, SETTINGS) > 0.5
    middle = (SQUARE[1] + SQUARE[3]) // 2
    assert hidden[middle, SQUARE[2] : SQUARE[2] + 2].all()
    assert not hidden[middle, SQUARE[0] + 4 : SQUARE[2] - 4].any()
    assert not hidden[:10].any()
    out = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    out[..., 0] = 3.0
    beyond = occlusion(out, left, left, SETTINGS)
    assert (beyond[:, -3:] == 1).all()


def test_the_filter_makes_blurred_flow_sharp_along_the_pictures_edge() -> None:
    frame = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    frame[:, 64:] = 200
    sharp = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    sharp[:, 64:, 0] = 2
    wrong = sharp.copy()
    wrong[:, 61:64, 0] = [0.2, 0.8, 1.6]  # the object's flow spills over the background
    none = np.zeros((HEIGHT, WIDTH), np.float32)
    found = sharpen(wrong, none, channels(frame, SETTINGS), SETTINGS)
    assert np.abs(found - sharp).sum() < 0.75 * np.abs(wrong - sharp).sum()
    assert np.array_equal(found[:, :40], wrong[:, :40])


def test_flow_without_texture_is_taken_from_around() -> None:
    frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    frame[:, :40] = translating()[0][:, :40]
    flow = np.zeros((HEIGHT, WIDTH, 2), np.float32)
    flow[:, :40] = 2
    flow[:, 52:] = np.random.default_rng(0).normal(0, 3, (HEIGHT, WIDTH - 52, 2))
    found = calm(flow, channels(frame, SETTINGS), SETTINGS)
    assert np.abs(found[:, 5:35] - 2).max() < 0.05
    assert found[:, 60:].std() < 0.3


class _Sparse:
    """A flow that knows points only."""

    def sample(self, xy: NDArray[Any]) -> Any:
        return 2 * xy, np.zeros(len(xy)), np.zeros(len(xy))


def test_any_flow_is_made_dense() -> None:
    field = dense(_Sparse(), (5, 4))
    assert field.shape == (4, 5, 2)
    assert field[3, 2].tolist() == [4, 6]
    known = np.ones((4, 5, 2), np.float32)
    assert dense(DenseFlow(known, known[..., 0], known[..., 0]), (5, 4)) is known


# -- density -------------------------------------------------------------------------------


def test_every_place_has_a_particle_within_its_scale() -> None:
    frame = square()[0].copy()
    frame[:40, 70:] = 100  # a flat part, where particles lie far apart
    sweep = Sweep(flow_source("dis_medium"), SETTINGS)
    sweep.start(frame)
    scale = scale_map(frame, SETTINGS)
    xy = sweep.particles.xy
    places = pixels()[3:-3, 3:-3].reshape(-1, 2)
    gap = np.linalg.norm(places[:, None] - xy[None], axis=2).min(axis=1)
    assert (gap <= scale[3:-3, 3:-3].ravel() + 1).all()
    apart = np.linalg.norm(xy[:, None] - xy[None], axis=2) + 1e9 * np.eye(len(xy))
    row, column = xy[:, 1].astype(int), xy[:, 0].astype(int)
    assert (apart.min(axis=1) > scale[row, column] - 3).all()
    assert scale[:30, 90:].mean() > 3 * scale[50:].mean()


def test_density_holds_after_frames_away_from_occlusions() -> None:
    sweep = swept(translating())
    scale = scale_map(translating()[-1], SETTINGS)
    places = pixels()[8:-8, 8:-8].reshape(-1, 2)
    gap = np.linalg.norm(places[:, None] - sweep.particles.xy[None], axis=2).min(axis=1)
    assert (gap <= scale[8:-8, 8:-8].ravel() + 1).all()


def test_the_number_of_particles_is_kept_to() -> None:
    few = swept(square()[:2], replace(SETTINGS, max_particles=80))
    many = swept(square()[:2], SETTINGS)
    assert 30 < len(few.particles) <= 80 < len(many.particles)


def test_no_place_is_free_beside_a_particle_or_the_edge() -> None:
    scale = np.full((20, 30), 100, np.float32)
    assert free_places(scale, np.array([[15.0, 10.0]]), 2, 9).shape == (0, 2)
    assert len(free_places(scale, np.empty((0, 2)), 2, 9)) == 1
    near = free_places(np.ones((20, 30), np.float32), np.empty((0, 2)), 2, 10**6)
    assert near.min() == 2
    assert near.max() == 27


# -- state and options ---------------------------------------------------------------------


def test_find_takes_ids_in_any_order() -> None:
    assert find(np.array([7, 3, 9]), np.array([9, 4, 7, 100])).tolist() == [2, -1, 0, -1]
    assert find(np.empty(0, np.int64), np.array([1])).tolist() == [-1]


def test_looks_are_weighted_by_a_gaussian_in_time() -> None:
    values = np.array([[[1.0], [5.0], [np.nan]]])
    weight = np.exp(-0.5 * np.array([1, 2]) ** 2 / 9)
    expected = (weight * (1, 5)).sum() / weight.sum()
    assert smoothed(values, np.array([1, 2, 3]), 3)[0, 0] == pytest.approx(expected)


def test_known_particles_are_not_moved_and_enter_where_they_begin() -> None:
    frames = translating()
    sweep = Sweep(flow_source("dis_medium"), SETTINGS, first_id=100)
    sweep.start(frames[0], Known(np.array([5]), np.array([[40.0, 40.0]])))
    sweep.advance(frames[1], Known(np.array([5, 8]), np.array([[44.0, 44.0], [70.0, 50.0]])))
    rows = sweep.particles.rows(np.array([5, 8]))
    assert sweep.particles.xy[rows].tolist() == [[44, 44], [70, 50]]
    assert np.delete(sweep.particles.ids, rows).min() >= 100


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"spacing": 0}, "spacing"),
        ({"spacing": float("nan")}, "spacing"),
        ({"max_particles": 0}, "max_particles"),
        ({"flow_weight": -1}, "flow_weight"),
        ({"distortion_weight": -1}, "distortion_weight"),
        ({"prune_energy": 0}, "prune_energy"),
        ({"longest": 4}, "working size"),
        ({"flow": "magic"}, "flow"),
    ],
)
def test_options_are_checked(options: dict[str, Any], named: str) -> None:
    with pytest.raises(PointtrackError, match=named):
        ParticleVideoTracker(**options)


def test_a_missing_scipy_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy.sparse", None)
    with pytest.raises(PointtrackError, match=r"pointtrack\[classic\]"):
        ParticleVideoTracker()
