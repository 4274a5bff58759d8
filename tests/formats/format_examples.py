"""Tracks to write and read back, and what it means that they are the same."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from pointtrack.queries import Queries
from pointtrack.tracks import Tracks

COMMON_RATES = [Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)]
RATES = [*COMMON_RATES, Fraction(15, 2), Fraction(1, 3)]
NASTY_NAMES = [
    'a,b"c',
    "new\nline",
    "carriage\rreturn",
    "ünï – 点",
    " spaced ",
    "{[$\\]}",
    "",
    "'''",
]

names = st.one_of(
    st.sampled_from(NASTY_NAMES),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
)


@st.composite
def tracks(draw, *, default_names=False, rates=RATES, covered=False, sized=None):
    """Tracks with gaps, hidden points, odd names and any first frame.

    ``covered``: every point, and the first and the last frame, has a visible position, which
    formats that keep only visible positions need to give the same range back.
    """
    n, t = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    xy = rng.uniform(-50, 2000, (n, t, 2)).astype(np.float32)
    xy[rng.random((n, t)) < draw(st.sampled_from([0.0, 0.3, 0.9]))] = np.nan
    visible = rng.random((n, t)) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    if covered:
        for place in ((slice(None), 0), (0, t - 1)):
            xy[place] = rng.uniform(0, 100, xy[place].shape)
            visible[place] = True
    fps, start = draw(st.sampled_from(rates)), draw(st.integers(0, 1000))
    sized = draw(st.booleans()) if sized is None else sized
    radius = rng.gamma(2, 1, (n, t)).astype(np.float32)
    radius[rng.random((n, t)) < 0.2] = np.nan
    own_names = () if default_names else tuple(draw(st.lists(names, min_size=n, max_size=n)))
    return Tracks(
        xy,
        visible,
        rng.random((n, t), np.float32),
        size=(1280, 720) if sized else (0, 0),
        fps=fps,
        start=start,
        names=own_names,
        queries=draw(st.sampled_from([None, _queries(n)])),
        radius=draw(st.sampled_from([None, radius])),
    )


def _queries(n):
    rows = np.array([[i, 10.25 * i, 0.1 + i] for i in range(n)] + [[7, 3, 0.3]], np.float32)
    return Queries(rows, np.array([*range(n), 0]), tuple(f"q{i}" for i in range(n)))


def example(start=0):
    """Three points over five frames of a 100 x 50 video, with a gap and hidden frames."""
    xy = np.array(
        [
            [[0, 0], [1, 2], [2.5, 4.25], [3, 6], [4, 8]],
            [[99, 49], [98, 48], [np.nan, np.nan], [96, 46], [95, 45]],
            [[10, 20], [10.1, 20.2], [10.2, 20.4], [10.3, 20.6], [10.4, 20.8]],
        ],
        np.float32,
    )
    visible = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 1, 0], [1, 0, 0, 1, 1]], bool)
    confidence = np.where(visible, np.float32(0.75), np.float32(0.125))
    return Tracks(
        xy, visible, confidence, size=(100, 50), fps=Fraction(30000, 1001), start=start,
        names=("corner", "far, corner", 'the "third"'), queries=_queries(3),
    )  # fmt: skip


def assert_same_positions(found, wanted, atol=0.0):
    assert found.frames == wanted.frames
    np.testing.assert_allclose(found.xy, wanted.xy, rtol=0, atol=atol, equal_nan=True)
    np.testing.assert_array_equal(found.visible, wanted.visible)


def assert_same_radii(found, wanted):
    assert (found.radius is None) == (wanted.radius is None)
    if wanted.radius is not None:
        np.testing.assert_array_equal(found.radius, wanted.radius)


def assert_same(found, wanted):
    """Everything is the same to the last bit, queries too."""
    assert_same_positions(found, wanted)
    np.testing.assert_array_equal(found.confidence, wanted.confidence)
    assert_same_radii(found, wanted)
    np.testing.assert_array_equal(found.times, wanted.times)
    assert (found.size, found.fps, found.start) == (wanted.size, wanted.fps, wanted.start)
    assert found.names == wanted.names
    assert (found.queries is None) == (wanted.queries is None)
    if wanted.queries is not None:
        np.testing.assert_array_equal(found.queries.txy, wanted.queries.txy)
        np.testing.assert_array_equal(found.queries.point, wanted.queries.point)
        assert found.queries.names == wanted.queries.names
