"""Small random videos for property tests, with errors that often fall right on a threshold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray


class Video(NamedTuple):
    """The arguments of ``tapvid_metrics``, in order."""

    query_points: NDArray  # N 3
    gt_tracks: NDArray  # N T 2
    gt_occluded: NDArray  # N T
    pred_tracks: NDArray  # N T 2
    pred_occluded: NDArray  # N T


@st.composite
def videos(draw: st.DrawFn) -> Video:
    num_tracks, num_frames = draw(st.integers(1, 5)), draw(st.integers(2, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    hidden_share = draw(st.sampled_from([0.0, 0.3, 0.6, 1.0]))
    shape = (num_tracks, num_frames)
    truth = random.integers(0, 256, (*shape, 2)).astype(np.float64)
    sizes = random.choice([0, 0.5, 1, 1.5, 2, 3, 4, 5, 8, 9, 16, 20], (*shape, 1))
    along = random.integers(0, 2, (*shape, 1))
    offset = np.concatenate([sizes * along, sizes * (1 - along)], axis=-1)
    time = random.integers(0, num_frames, num_tracks)
    query = np.concatenate([time[:, None], truth[np.arange(num_tracks), time][:, ::-1]], axis=1)
    return Video(
        query.astype(np.float64),
        truth,
        random.random(shape) < hidden_share,
        truth + offset,
        random.random(shape) < 0.4,
    )
