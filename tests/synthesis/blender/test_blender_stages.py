from __future__ import annotations

import numpy as np
import pytest

from pointtrack.synthesis.blender import coats, furniture, paint, plants, prints, solids
from pointtrack.synthesis.blender.camera_paths import MOVES, NEAREST, Limits, draw_shot, reflect
from pointtrack.synthesis.blender.cloth import drape
from pointtrack.synthesis.blender.fog import FogLaw
from pointtrack.synthesis.blender.footfalls import way_through
from pointtrack.synthesis.blender.skies import paint_sky

PAINTERS = (
    *paint.ANYTHING,
    *prints.PICTURES,
    prints.rug,
    prints.ball_print,
    paint.grass,
    paint.soil,
)


def rng(seed=0):
    return np.random.default_rng(seed)


CLOSED = {
    "box": solids.box((1, 2, 3)),
    "bevelled box": solids.box((1, 2, 3), 0.1),
    "ball": solids.ball(0.5),
    "cylinder": solids.cylinder(0.3, 1),
    "tube": solids.tube([(0, 0, 0), (0, 0.3, 1), (1, 0, 2)], [0.1, 0.2, 0.1]),
    "lump": solids.lump(rng(), (1, 1, 1)),
    "vase": furniture.vase(rng(), 0.3),
    "chair": furniture.chair(rng()),
    "sofa": furniture.sofa(rng(), 2.0),
    "rock": plants.rock(rng(), 1.0),
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_solid_is_closed_and_looks_outwards(name):
    mesh = CLOSED[name]
    assert (solids.edge_uses(mesh) == 2).all()
    assert mesh.uv.shape == (*mesh.faces.shape, 2)
    a, b, c = (mesh.verts[mesh.faces[:, k]] for k in range(3))
    d = mesh.verts[np.where(mesh.faces[:, 3] < 0, mesh.faces[:, 2], mesh.faces[:, 3])]
    volume = np.einsum("fi,fi->f", a, np.cross(b, c)) + np.einsum("fi,fi->f", a, np.cross(c, d))
    assert volume.sum() > 0


def test_a_boxs_volume_and_base():
    mesh = solids.box((1, 2, 3))
    assert mesh.verts[:, 2].min() == 0
    np.testing.assert_allclose(np.ptp(mesh.verts, axis=0), (1, 2, 3))


def test_joined_meshes_keep_their_slots():
    first, second = solids.box((1, 1, 1)), solids.with_slot(solids.ball(1, 8), 2)
    both = solids.join([first, second])
    assert both.faces.max() == len(both.verts) - 1
    assert set(both.slot) == {0, 2}
    assert (solids.edge_uses(both) == 2).all()


def test_a_plant_in_the_wind_keeps_its_foot():
    mesh = plants.tree(rng(), 3.0)
    path = plants.swayed(mesh, rng(1), 5, 24, 0.1)
    assert path.shape == (5, len(mesh.verts), 3)
    foot = mesh.verts[:, 2] <= 0
    np.testing.assert_allclose(path[:, foot], np.repeat(mesh.verts[foot][None], 5, 0), atol=0.05)
    assert np.abs(path - mesh.verts).max() > 0.03


@pytest.mark.parametrize("painter", PAINTERS, ids=lambda painter: painter.__name__)
def test_a_painter_is_seeded_and_stays_in_range(painter):
    first, again, other = painter(rng(3)), painter(rng(3)), painter(rng(4))
    assert first.shape == (paint.SIZE, paint.SIZE, 3)
    np.testing.assert_array_equal(first, again)
    assert first.min() >= 0
    assert first.max() <= 1
    assert np.abs(first - other).mean() > 1e-3


def test_coats_are_seeded_and_patterned():
    base = coats.FURS[0]
    for kind in ("plain", "patches", "stripes", "rosettes", "dots", "tabby", "wool", "saddle"):
        first, again = (coats.fur(rng(2), kind, base) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert first.std(axis=(0, 1)).max() > 0.02


def test_noise_repeats_without_a_seam():
    field = paint.noise(rng(), 128, 4, 1.5)
    inner = np.abs(np.diff(field, axis=1)).mean()
    assert np.abs(field[:, 0] - field[:, -1]).mean() < 1.6 * inner


def test_the_sky_is_brighter_than_the_ground_and_the_sun_is_up():
    sky = paint_sky(rng(5), np.array([0.2, 0.2, 0.1]))
    half = len(sky.panorama) // 2
    assert sky.panorama[: half // 2].mean() > sky.panorama[half + 20 :].mean()
    assert sky.sun[2] > 0.1
    assert np.linalg.norm(sky.sun) == pytest.approx(1)


@pytest.mark.parametrize("move", MOVES)
def test_cameras_keep_their_limits(move):
    limits = Limits((-9.0, -9.0), (9.0, 9.0), (0.5, 3.0), (3.0, 5.0))
    subject = np.linspace((-0.5, 0, 1), (0.5, 0, 1), 24)
    for seed in range(20):
        shot = draw_shot(rng(seed), 24, 24, subject, limits, move)
        assert shot.eye.shape == shot.look.shape == (24, 3)
        assert shot.eye[:, 2].min() >= 0.5
        assert shot.eye[:, 2].max() <= 3.0
        assert np.abs(shot.eye[:, :2]).max() <= 9
        far = np.linalg.norm(shot.eye[:, :2] - subject[:, :2], axis=1)
        assert far.min() > (NEAREST - 0.1) * far[0]
        assert np.linalg.norm(np.diff(shot.eye, axis=0), axis=1).max() < 0.2  # calm


def test_reflection_folds_values_back():
    np.testing.assert_allclose(reflect(np.array([0.0, 1.2, -0.3, 2.1]), 0, 1), [0, 0.8, 0.3, 0.1])


def test_a_way_is_measured_by_its_length():
    way = way_through([(0, 0), (3, 0), (3, 4)])
    steps = np.diff(way.at(np.linspace(0, way.length, 50)), axis=0)
    assert np.linalg.norm(steps, axis=1).max() == pytest.approx(way.length / 49, rel=0.02)
    np.testing.assert_allclose(way.at(way.length + 1.0), (3, 5), atol=1e-6)


def test_cloth_hangs_from_its_pins_and_hardly_stretches():
    shape = (10, 12)
    flat = solids.sheet((1.1, 0.9), (11, 9))
    verts = np.c_[flat.verts[:, 0], np.zeros(120), flat.verts[:, 1]]
    pinned = np.zeros(shape, bool)
    pinned[-1] = True
    path = drape(verts, shape, pinned.ravel(), 6, 24, warm=10)
    assert path.shape == (6, 120, 3)
    np.testing.assert_array_equal(
        path[:, pinned.ravel()], np.repeat(verts[pinned.ravel()][None], 6, 0)
    )
    down = path.reshape(6, 10, 12, 3)
    stretch = np.linalg.norm(np.diff(down, axis=1), axis=3) / 0.1
    assert stretch.min() > 0.85
    assert stretch.max() < 1.15


def test_cloth_comes_to_rest_on_the_floor():
    flat = solids.sheet((0.9, 0.9), (9, 9))
    path = drape(
        flat.verts + np.array([0, 0, 0.1]), (10, 10), np.zeros(100, bool), 12, 24, 0, floor=0.0
    )
    assert path[..., 2].min() >= -1e-9
    assert path[-1, :, 2].max() < 0.02


def test_fog_takes_light_by_the_way_inside_it():
    law = FogLaw(0.5, (-1, -1, -1), (1, 1, 1))
    points = np.array([[0.0, 0, 0.5], [0, 0, 5], [3, 0, 0], [0.5, 0.5, 0.5]])
    inside = np.array([0.5, 1.0, 1.0, np.sqrt(0.75)])
    np.testing.assert_allclose(law.transmittance((0, 0, 0), points), np.exp(-0.5 * inside))
    far = law.transmittance((-5, 0, 0), np.array([[5.0, 0, 0], [-3, 0, 0], [-5, 4, 0]]))
    np.testing.assert_allclose(far, [np.exp(-1), 1, 1])
