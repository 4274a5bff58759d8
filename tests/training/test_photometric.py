from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from takes import noise_take

from pointtrack.errors import PointtrackError
from pointtrack.training.colours import colour_matrix, then
from pointtrack.training.photometric import PhotometricConfig, recolour
from pointtrack.training.recipes import RECIPES
from pointtrack.training.sample import Take

REFERENCE = (40, 30)
ALONE = {
    "jitter": PhotometricConfig(jitter=1),
    "each_frame": PhotometricConfig(jitter=1, each_frame=True),
    "grey": PhotometricConfig(grey=1),
    "channels": PhotometricConfig(channels=1),
    "gamma": PhotometricConfig(gamma=1),
    "fade": PhotometricConfig(fade=1),
    "blur": PhotometricConfig(blur=1, reference=REFERENCE, blur_deviation=(1, 2)),
    "motion_blur": PhotometricConfig(motion_blur=1, reference=REFERENCE),
    "sharpen": PhotometricConfig(sharpen=1),
    "noise": PhotometricConfig(noise=1),
    "compress": PhotometricConfig(compress=1, quality=(50, 70)),
}


def plain(value: int, frames: int = 3, size: tuple[int, int] = (40, 30)) -> Take:
    take = noise_take(0, size, frames)
    return replace(take, video=np.full_like(take.video, value))


def apply(matrix: np.ndarray, *rgb: float) -> np.ndarray:
    return matrix[:, :3] @ rgb + matrix[:, 3]


@pytest.mark.parametrize("name", ALONE)
def test_looks_change_and_tracks_do_not(name: str) -> None:
    take = noise_take(1)
    before = take.video.copy()
    done = recolour(take, ALONE[name], np.random.default_rng(0))
    assert np.array_equal(take.video, before)
    assert not np.array_equal(done.video, before)
    assert done.video.dtype == np.uint8
    assert done.video.shape == before.shape
    assert done.xy is take.xy
    assert np.array_equal(done.visible, take.visible)
    assert np.array_equal(done.valid, take.valid)


def test_nothing_to_do_costs_no_copy() -> None:
    take = noise_take(1)
    assert recolour(take, PhotometricConfig(), np.random.default_rng(0)) is take


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_lots_give_the_same_looks(name: str) -> None:
    config = RECIPES[name][0].photometric
    results = [recolour(noise_take(2), config, np.random.default_rng(9)) for _ in range(2)]
    assert np.array_equal(results[0].video, results[1].video)
    assert np.array_equal(results[0].visible, results[1].visible)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_points_under_erased_pixels_are_not_visible(seed: int) -> None:
    """On noise an erased rectangle is flat; every other point keeps its visibility."""
    take = noise_take(seed, (64, 48), points=60)
    config = PhotometricConfig(
        reference=(64, 48), erase=1, erase_frame=0.7, erase_count=(1, 3), erase_side=(3, 20)
    )
    done = recolour(take, config, np.random.default_rng(seed))
    changed = (done.video != take.video).any(axis=3)
    flat = np.stack([cv2.dilate(c.astype(np.uint8), np.ones((3, 3))) for c in changed])
    assert not changed[0].any()
    for n, t in np.argwhere(take.visible):
        x, y = np.round(take.xy[n, t]).astype(int)
        if done.visible[n, t]:  # by chance, noise has the mean's colour in rare pixels
            assert changed[t, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].mean() < 1
        else:
            assert flat[t, y, x]


def test_what_an_eraser_leaves_is_flat_and_its_mean() -> None:
    take = noise_take(4, frames=2)
    whole = PhotometricConfig(
        reference=REFERENCE, erase=1, erase_frame=1, erase_count=(1, 1), erase_side=(300, 300)
    )
    done = recolour(take, whole, np.random.default_rng(0))
    assert np.array_equal(done.video[0], take.video[0])
    assert (done.video[1] == np.round(take.video[1].mean(axis=(0, 1)))).all()
    assert not done.visible[:, 1].any()
    assert np.array_equal(done.visible[:, 0], take.visible[:, 0])


def test_replaced_rectangles_hide_points_and_are_not_flat() -> None:
    take = noise_take(4, frames=8)
    config = PhotometricConfig(
        reference=REFERENCE, replace=1, replace_frame=1, replace_count=(1, 1), replace_side=(20, 20)
    )
    done = recolour(take, config, np.random.default_rng(1))
    changed = (done.video != take.video).any(axis=3)
    lost = take.visible & ~done.visible
    assert lost.any()
    for n, t in np.argwhere(lost):
        x, y = np.round(take.xy[n, t]).astype(int)
        assert changed[t, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].any()
    t = 1 + int(np.argmax(changed[1:].sum(axis=(1, 2))))
    assert done.video[t][changed[t]].std() > 20


def test_rectangles_are_as_frequent_as_asked_for() -> None:
    take = noise_take(0, frames=401)
    config = PhotometricConfig(reference=REFERENCE, erase=1, erase_frame=0.3)
    done = recolour(take, config, np.random.default_rng(0))
    changed = (done.video != take.video).any(axis=(1, 2, 3))
    assert 0.2 < changed[1:].mean() < 0.4


def test_lengths_follow_the_size_of_the_picture() -> None:
    def erased(size: tuple[int, int]) -> float:
        take = noise_take(0, size, frames=40)
        config = PhotometricConfig(reference=(64, 48), erase=1, erase_frame=1, erase_side=(2, 20))
        done = recolour(take, config, np.random.default_rng(0))
        return float((done.video[1:] != take.video[1:]).any(axis=3).mean())

    assert erased((128, 96)) == pytest.approx(erased((64, 48)), rel=0.15)


def test_colours_by_hand() -> None:
    assert np.allclose(colour_matrix(1, 1, 1, 0, 0, 99), np.eye(3, 4))
    assert np.allclose(apply(colour_matrix(1.2, 1, 1, 0, 0, 99), 10, 20, 30), [12, 24, 36])
    assert np.allclose(apply(colour_matrix(1, 1, 1, 0, 7, 99), 10, 20, 30), [17, 27, 37])
    assert np.allclose(apply(colour_matrix(1, 2, 1, 0, 0, 100), 90, 100, 120), [80, 100, 140])
    # Contrast is about the mean as it is after the change of brightness.
    assert np.allclose(apply(colour_matrix(0.5, 3, 1, 0, 10, 80), 80, 80, 80), [50, 50, 50])
    grey = apply(colour_matrix(1, 1, 0, 0, 0, 99), 50, 100, 150)
    assert np.allclose(grey, 0.299 * 50 + 0.587 * 100 + 0.114 * 150)


def test_one_change_after_another() -> None:
    first, second = colour_matrix(1.2, 1, 0.5, 0.1, 3, 99), colour_matrix(0.7, 1.5, 2, 0, -5, 60)
    after = apply(second, *apply(first, 30, 90, 150))
    assert np.allclose(apply(then(first, second), 30, 90, 150), after)


def test_a_turn_of_hue_keeps_grey_and_luma_and_goes_from_red_to_green() -> None:
    matrix = colour_matrix(1, 1, 1, 1 / 3, 0, 99)
    assert np.allclose(apply(matrix, 70, 70, 70), 70)
    turned = apply(matrix, 200, 40, 40)
    assert turned.argmax() == 1
    luma = [0.299, 0.587, 0.114]
    assert np.dot(turned, luma) == pytest.approx(np.dot([200, 40, 40], luma))
    assert np.allclose(matrix[:, :3] @ matrix[:, :3] @ matrix[:, :3], np.eye(3), atol=2e-3)


def test_hues_agree_with_opencv_for_small_turns() -> None:
    colours = np.array([[180, 120, 110], [110, 180, 130], [120, 110, 170]], np.uint8)[None]
    hls = cv2.cvtColor(colours, cv2.COLOR_RGB2HSV).astype(int)
    hls[..., 0] = (hls[..., 0] + 9) % 180  # OpenCV's circle has 180 steps
    expected = cv2.cvtColor(hls.astype(np.uint8), cv2.COLOR_HSV2RGB)[0]
    forth, back = (colour_matrix(1, 1, 1, turn / 180, 0, 99) for turn in (9, -9))
    for colour, wanted in zip(colours[0], expected, strict=True):
        # Not the same: OpenCV's keeps the brightest channel, ours keeps luma.
        assert np.abs(apply(forth, *colour) - wanted).max() < 25
        assert np.abs(apply(back, *colour) - wanted).max() > 25


def test_a_clip_changes_as_one_unless_each_frame_is_asked_for() -> None:
    take = plain(120, frames=6)
    same = recolour(take, ALONE["jitter"], np.random.default_rng(0)).video
    own = recolour(take, ALONE["each_frame"], np.random.default_rng(0)).video
    assert (same == same[:1]).all()
    assert len(np.unique(own[:, 0, 0], axis=0)) > 3


def test_grey_has_three_equal_channels() -> None:
    done = recolour(noise_take(3), ALONE["grey"], np.random.default_rng(0)).video.astype(int)
    assert np.ptp(done, axis=3).max() <= 1


@given(st.integers(0, 10_000), st.floats(0.05, 0.9))
def test_fading_leaves_a_share_of_the_texture_and_all_of_what_is_coarse(seed, share) -> None:
    take = noise_take(seed, (96, 80), frames=2)
    coarse = 128 + 60 * np.sin(np.arange(96) / 96 * np.pi)[None, None, :, None]
    video = np.clip(coarse + (take.video.astype(float) - 128) / 6, 0, 255).astype(np.uint8)
    config = PhotometricConfig(
        fade=1, fade_share=(share, share), reference=(96, 80), fade_scale=(12, 12)
    )
    done = recolour(replace(take, video=video), config, np.random.default_rng(seed)).video

    def texture(frames: np.ndarray) -> float:
        return np.std([f - cv2.blur(f, (9, 9)) for f in frames.astype(np.float32)])

    assert share * 0.9 - 0.02 < texture(done) / texture(video) < 1.01
    columns = np.abs(done.mean((0, 1, 3)) - video.mean((0, 1, 3)))
    assert columns[24:-24].max() < 8  # at the edges a blur sees one side only


def test_texture_fades_as_a_whole_or_in_patches() -> None:
    take = noise_take(3, (96, 80), frames=2)
    config = PhotometricConfig(fade=1, fade_share=(0.1, 0.1))
    left = []
    for seed in range(12):
        done = recolour(take, config, np.random.default_rng(seed)).video.astype(np.float32)
        parts = [done[0, y : y + 20, x : x + 24] for y in (0, 20, 40, 60) for x in (0, 24, 48, 72)]
        left.append([part.std() / take.video.std() for part in parts])
    evenly = [max(parts) < 0.2 for parts in left]
    patchy = [min(parts) < 0.2 < 0.7 < max(parts) for parts in left]
    assert any(evenly)
    assert any(patchy)


def test_noise_has_the_deviation_asked_for_and_differs_by_frame() -> None:
    config = PhotometricConfig(noise=1, noise_deviation=(6, 6))
    take = plain(120, frames=4, size=(80, 60))
    noise = recolour(take, config, np.random.default_rng(0)).video.astype(float) - 120
    assert noise.std() == pytest.approx(6, rel=0.03)
    assert abs(noise.mean()) < 0.1
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("name", ["blur", "motion_blur", "sharpen", "compress"])
def test_what_works_on_neighbours_moves_nothing(name: str) -> None:
    """The centre of light of a symmetric spot stays where it is."""
    take = plain(0, frames=1, size=(41, 31))
    y, x = np.mgrid[:31, :41]
    spot = 200 * np.exp(-((x - 20) ** 2 + (y - 15) ** 2) / 18)
    take = replace(take, video=np.round(spot).astype(np.uint8)[None, ..., None].repeat(3, 3))
    for seed in range(5):
        done = recolour(take, ALONE[name], np.random.default_rng(seed)).video[0, ..., 1]
        light = done.astype(float)
        centre = [(light * x).sum() / light.sum(), (light * y).sum() / light.sum()]
        assert np.allclose(centre, [20, 15], atol=0.1)


def test_sharpening_adds_contrast_and_blur_takes_it() -> None:
    take = noise_take(0)
    rng = np.random.default_rng
    assert recolour(take, ALONE["sharpen"], rng(0)).video.std() > take.video.std()
    assert recolour(take, ALONE["blur"], rng(0)).video.std() < 0.8 * take.video.std()


def test_jpeg_keeps_red_red() -> None:
    take = plain(0)
    red = take.video.copy()
    red[..., 0] = 200
    done = recolour(replace(take, video=red), ALONE["compress"], np.random.default_rng(0)).video
    assert np.abs(done.astype(int) - red).max() < 12


@pytest.mark.parametrize(
    "wrong",
    [
        {"jitter": 2}, {"brightness": -0.1}, {"hue": 0.7}, {"erase_side": (0, 5)},
        {"quality": (50, 101)}, {"noise_deviation": (5, 1)}, {"blur_deviation": 2},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(PointtrackError, match=next(iter(wrong))):
        PhotometricConfig(**wrong)  # type: ignore[arg-type]
