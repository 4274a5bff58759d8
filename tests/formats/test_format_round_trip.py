"""Whatever a format promises to carry comes back as it was."""

import json

import numpy as np
import pytest
from format_examples import (
    COMMON_RATES,
    RATES,
    assert_same,
    assert_same_positions,
    assert_same_radii,
    example,
    tracks,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pointtrack import formats
from pointtrack.errors import FormatError
from pointtrack.formats.common import fps_from_text, fps_from_times
from pointtrack.tracks import Tracks

quick = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module")
def round_trip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")

    def go(wanted, name, **options):
        formats.write(wanted, folder / "a", name)
        return formats.read(folder / "a", name, **options)

    return go


@pytest.mark.parametrize("name", ["npz", "json", "parquet"])
@given(wanted=tracks())
@quick
def test_the_complete_formats_keep_everything(round_trip, name, wanted):
    assert_same(round_trip(wanted, name), wanted)


@pytest.mark.parametrize("name", ["npz", "json", "parquet", "csv"])
def test_uneven_frame_times_are_kept(round_trip, name):
    wanted = Tracks(
        example().xy, example().visible, times=np.array([0.0, 0.04, 0.081, 0.2, 0.21]), start=3
    )
    np.testing.assert_array_equal(round_trip(wanted, name).times, wanted.times)


@given(wanted=tracks())
@quick
def test_csv_keeps_all_but_the_queries(round_trip, wanted):
    found = round_trip(wanted, "csv")
    assert_same_positions(found, wanted)
    np.testing.assert_array_equal(found.confidence, wanted.confidence)
    assert_same_radii(found, wanted)
    np.testing.assert_allclose(found.times, wanted.times, rtol=1e-12)
    assert found.names == wanted.names
    assert found.size == wanted.size
    if wanted.times[-1] > 0:  # a single frame at time 0 has no rate
        assert found.fps == wanted.fps


@given(wanted=tracks(sized=True))
@quick
def test_tapvid_keeps_positions_names_size_and_rate(round_trip, wanted):
    found = round_trip(wanted, "tapvid")
    assert found.start == 0
    assert not found.known[:, : wanted.start].any()
    clipped = found.clip(wanted.start, wanted.frames[-1])
    assert_same_positions(clipped, wanted, atol=1e-4)
    assert (found.names, found.size, found.fps) == (wanted.names, wanted.size, wanted.fps)


@given(wanted=tracks(sized=True))
@quick
def test_nuke_keeps_positions_names_size_and_rate(round_trip, wanted):
    found = round_trip(wanted, "nuke")
    assert_same_positions(found, wanted, atol=2e-4)
    assert (found.names, found.size, found.fps) == (wanted.names, wanted.size, wanted.fps)


@given(wanted=tracks(default_names=True, covered=True))
@quick
def test_mot_keeps_hidden_positions_and_the_confidence_of_visible_ones(round_trip, wanted):
    found = round_trip(wanted, "mot")
    assert_same_positions(found, wanted, atol=2e-4)
    seen = wanted.visible
    np.testing.assert_allclose(found.confidence[seen], wanted.confidence[seen], atol=2e-6)
    assert not found.confidence[~seen].any()


@given(wanted=tracks(default_names=True, covered=True))
@quick
def test_napari_keeps_visible_positions(round_trip, wanted):
    found = round_trip(wanted, "napari")
    assert found.names == wanted.names
    assert_same_positions(found, _only_visible(wanted))


@given(wanted=tracks(covered=True, sized=True, rates=COMMON_RATES))
@quick
def test_after_effects_keeps_visible_positions_size_and_rate(round_trip, wanted):
    found = round_trip(wanted, "aftereffects")
    assert_same_positions(found, _only_visible(wanted), atol=2e-4)
    assert (found.size, found.fps) == (wanted.size, wanted.fps)


def _only_visible(wanted):
    return Tracks(np.where(wanted.visible[..., None], wanted.xy, np.nan), wanted.visible,
                  start=wanted.start)  # fmt: skip


@pytest.mark.parametrize("name", ["mot", "napari"])
def test_ids_of_others_survive_a_round_trip(round_trip, name):
    numbered = Tracks(example().xy, example().visible, names=("3", "7", "21"))
    assert round_trip(numbered, name).names == ("3", "7", "21")


@given(st.sampled_from(RATES), st.integers(0, 10**6), st.integers(2, 50))
def test_the_rate_is_exact_from_exact_times(fps, start, length):
    frames = start + np.arange(length)
    assert fps_from_times(frames, frames / float(fps)) == fps


def test_the_rate_is_near_from_rounded_times():
    frames = np.arange(300)
    found = fps_from_times(frames, np.round(frames / 29.97, 3))
    assert float(found) == pytest.approx(29.97, abs=0.01)


@pytest.mark.parametrize("times", [[0.0], [0.0, 0.0], [0.0, np.nan], [1.0, 0.5], []])
def test_times_that_tell_no_rate(times):
    assert fps_from_times(np.arange(len(times)), np.array(times)) is None


@pytest.mark.parametrize(
    ("text", "numerator", "denominator"),
    [("25", 25, 1), ("29.97", 30000, 1001), ("23.976", 24000, 1001), ("59.94006", 60000, 1001),
     ("2997/100", 2997, 100), ("12.5", 25, 2)],
)  # fmt: skip
def test_rates_as_programs_write_them(text, numerator, denominator):
    found = fps_from_text(text)
    assert (found.numerator, found.denominator) == (numerator, denominator)


@pytest.mark.parametrize("text", ["", "fast", "0", "-25", "nan", "inf", "1/0", "1e99"])
def test_no_rates(text):
    with pytest.raises(FormatError, match="frame rate"):
        fps_from_text(text)


def test_json_is_strict_and_writes_unknown_as_null(tmp_path):
    formats.write(example(), tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text()
    content = json.loads(text, parse_constant=lambda constant: pytest.fail(constant))
    assert content["tracks"][1]["xy"][2] is None
    assert content["tracks"][2]["xy"][1] == [10.1, 20.2]
    assert content["fps"] == "30000/1001"


def test_npz_refuses_a_name_it_would_shorten(tmp_path):
    named = Tracks(example().xy, example().visible, names=("a\0", "b", "c"))
    with pytest.raises(FormatError, match="NUL"):
        formats.write(named, tmp_path / "a.npz")


def test_npz_is_plain_numpy(tmp_path):
    formats.write(example(start=4), tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        assert archive["fps"].tolist() == [30000, 1001]
        assert archive["size"].tolist() == [100, 50]
        assert int(archive["start"]) == 4
        assert archive["names"].tolist() == list(example().names)
        assert archive["xy"].dtype == np.float32
