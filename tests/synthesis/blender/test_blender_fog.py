from __future__ import annotations

import numpy as np

from pointtrack.synthesis.blender.fog import FogLaw

EVERYWHERE = ((-1e6,) * 3, (1e6,) * 3)


def test_light_falls_off_with_the_way() -> None:
    share = FogLaw(0.1, *EVERYWHERE).transmittance((0, 0, 0), [[10.0, 0, 0], [0, 0, 0], [3, 4, 0]])
    assert np.allclose(share, np.exp([-1, 0, -0.5]))


def test_only_the_way_inside_the_box_counts() -> None:
    law = FogLaw(0.5, (0, 0, 0), (2, 2, 2))
    points = [[5, 1, 1.0], [1, 1, 1], [-3, 1, 1], [5, 5, 1]]
    share = law.transmittance((-1, 1, 1), points)
    # The last way enters at x = 0 and leaves at y = 2: from 1/6 to 1/4 of the way.
    last = np.linalg.norm([6, 4]) / 12
    assert np.allclose(share, np.exp(-0.5 * np.array([2, 1, 0, last])))


def test_a_way_along_a_face_or_an_axis() -> None:
    law = FogLaw(1.0, (0, 0, 0), (1, 1, 1))
    assert np.allclose(law.transmittance((0.5, 0.5, 5), [[0.5, 0.5, -5]]), np.exp(-1))
    assert np.allclose(law.transmittance((0.5, 3, 5), [[0.5, 3, -5]]), 1)
