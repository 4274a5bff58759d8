from __future__ import annotations

import numpy as np
import pytest

from pointtrack.synthesis.blender.animal_gaits import GAITS, move, speed
from pointtrack.synthesis.blender.animals import LEGS, animal_rig, make_animal
from pointtrack.synthesis.blender.breeds import BREEDS
from pointtrack.synthesis.blender.footfalls import Gait, level, tread, way_through
from pointtrack.synthesis.blender.gaits import GESTURES, gesture, walk
from pointtrack.synthesis.blender.implicit import Limb, body
from pointtrack.synthesis.blender.people import Build, draw_build, make_person, person_rig
from pointtrack.synthesis.blender.rig import bend, forward, rotation, skin
from pointtrack.synthesis.blender.solids import edge_uses


def lengths(motion, rig):
    """How long every bone is in every frame."""
    return np.linalg.norm(motion.ends(rig) - motion.heads, axis=2)


def test_a_body_is_closed_and_lies_on_its_limb():
    limb = Limb("bone", (0, 0, 0), (0, 0, 0.5), 0.1, 0.1)
    verts, quads = body([limb], 0.03)
    assert set(np.unique(edge_uses_of(quads))) == {2}
    assert np.abs(limb.distance(verts)).max() < 2e-3


def edge_uses_of(quads):
    edges = np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), 1)
    return np.unique(edges, axis=0, return_counts=True)[1]


def test_a_bodys_faces_look_outwards():
    verts, quads = body([Limb("bone", (0, 0, 0), (0, 0, 0), 0.2, 0.2)], 0.04)
    a, b, c = (verts[quads[:, k]] for k in range(3))
    assert (np.einsum("fi,fi->f", np.cross(b - a, c - a), a) > 0).all()


def test_a_person_has_no_open_edge_and_whole_weights():
    figure = make_person(Build(), step=0.03)
    assert (edge_uses(figure.mesh) % 2 == 0).all()
    assert len(figure.weights) == len(figure.mesh.verts)
    np.testing.assert_allclose(figure.weights.sum(1), 1, atol=1e-6)
    assert figure.mesh.verts[:, 2].min() > -0.02
    assert 1.7 < figure.mesh.verts[:, 2].max() < 1.85


def test_the_rest_pose_leaves_the_skin_where_it_is():
    figure = make_person(Build(), step=0.04)
    turns = np.broadcast_to(np.eye(3), (2, len(figure.rig.names), 3, 3))
    motion = forward(figure.rig, np.repeat(figure.rig.head[:1], 2, 0), turns)
    posed = skin(figure.rig, figure.mesh.verts, figure.weights, motion)
    np.testing.assert_allclose(posed[1], figure.mesh.verts, atol=1e-9)


def test_the_same_seed_draws_the_same_person():
    first, second = (draw_build(np.random.default_rng(5)) for _ in range(2))
    assert first == second
    a, b = (make_person(build, step=0.05) for build in (first, second))
    np.testing.assert_array_equal(a.mesh.verts, b.mesh.verts)


def test_two_bones_reach_a_goal_and_keep_their_lengths():
    rng = np.random.default_rng(0)
    start, goal = rng.normal(0, 1, (50, 3)), rng.normal(0, 1, (50, 3))
    goal = start + (goal - start) / np.linalg.norm(goal - start, axis=1, keepdims=True) * 0.8
    middle = bend(start, goal, 0.5, 0.45, np.tile([0.0, 1.0, 0.3], (50, 1)))
    np.testing.assert_allclose(np.linalg.norm(middle - start, axis=1), 0.5, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(goal - middle, axis=1), 0.45, atol=1e-9)


def test_a_planted_foot_does_not_move():
    way = way_through([(0, 0), (2, 0.5), (4, 0)])
    s = np.linspace(0, way.length, 200)
    steps = tread(way, s, Gait(1.3, 0.62, (0.0, 0.5), 0.07), 1, 0.1, 0.0, level)
    still = steps.planted[1:] & steps.planted[:-1] & (np.diff(steps.phase) > 0)
    assert still.sum() > 80
    assert np.abs(np.diff(steps.sole, axis=0)[still]).max() == 0
    assert steps.sole[~steps.planted, 2].max() > 0.06


@pytest.mark.parametrize("running", [False, True])
def test_a_walkers_feet_stay_put_while_they_stand(running):
    rig, rng = person_rig(Build()), np.random.default_rng(1)
    way = way_through([(0, 0), (2, 0.3), (4, 0)])
    s = np.linspace(0, 3.5 if running else 2.0, 48)
    motion = walk(rig, way, s, rng, running)
    toes = motion.ends(rig)[:, [rig["foot.l"], rig["foot.r"]]]
    assert toes[..., 2].min() > -0.03
    near = (toes[1:, :, 2] < 0.03) & (toes[:-1, :, 2] < 0.03)
    slide = np.linalg.norm(np.diff(toes[..., :2], axis=0), axis=2)
    assert near.sum() > 10
    assert np.median(slide[near]) < 0.01  # the body goes 0.04 or more a frame
    np.testing.assert_allclose(
        lengths(motion, rig), lengths(motion, rig)[:1].repeat(48, 0), atol=1e-9
    )
    assert motion.heads[-1, 0, 0] - motion.heads[0, 0, 0] > 1.8


@pytest.mark.parametrize("kind", GESTURES)
def test_who_gestures_stays_on_the_spot(kind):
    rig, rng = person_rig(Build()), np.random.default_rng(2)
    motion = gesture(rig, np.array([1.0, 2, 0]), 0.5, 24, 24, rng, kind)
    feet = motion.heads[:, [rig["foot.l"], rig["foot.r"]]]
    assert np.ptp(feet, axis=0).max() < 0.01
    assert np.abs(motion.heads[:, 0, :2] - (1, 2)).max() < 0.3


@pytest.mark.parametrize("gait", sorted(GAITS))
def test_an_animal_treads_the_ground(gait):
    breed, rng = BREEDS[0], np.random.default_rng(3)
    rig = animal_rig(breed)
    pace = speed(gait, breed.height)
    s = np.linspace(0, pace * 2, 48)
    motion = move(rig, breed, way_through([(0, 0), (9, 0)]), s, gait, rng)
    paws = motion.heads[:, [rig[f"paw.{leg}"] for leg, _, _ in LEGS]]
    rest = rig.head[rig["paw.fl"], 2]
    assert paws[..., 2].min() > rest - 0.04 * breed.height
    low = (paws[1:, :, 2] < rest + 0.01) & (paws[:-1, :, 2] < rest + 0.01)
    slide = np.linalg.norm(np.diff(paws[..., :2], axis=0), axis=2)
    assert low.sum() > 20
    assert np.median(slide[low]) < 0.2 * pace / 24


def test_all_breeds_can_be_made():
    for breed in BREEDS[::3]:
        figure = make_animal(breed)
        np.testing.assert_allclose(figure.weights.sum(1), 1, atol=1e-6)
        assert figure.mesh.verts[:, 2].min() > -0.05 * breed.height


def test_a_turned_parent_carries_its_children():
    rig = person_rig(Build())
    turns = np.broadcast_to(rotation(2, np.pi / 2), (1, len(rig.names), 3, 3))
    motion = forward(rig, rig.head[:1], turns)
    expected = rig.head @ rotation(2, np.pi / 2).T
    np.testing.assert_allclose(motion.heads[0], expected, atol=1e-12)
