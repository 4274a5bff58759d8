"""Exact tracks from a rendered clip's depth, segments, normals and object poses.

Greff et al., "Kubric: A Scalable Dataset Generator" (CVPR 2022); Doersch et al., "TAP-Vid"
(NeurIPS 2022) trained on tracks made this way from MOVi-E. NumPy only, no TensorFlow:
``scene`` holds a clip's truth and its cameras, ``sampling`` chooses points, ``following`` finds
them in every frame, ``dense`` follows every pixel of a frame.
"""

from __future__ import annotations

from pointtrack.datasets.kubric.dense import DenseTracks, dense_tracks
from pointtrack.datasets.kubric.following import SceneTracks, follow_pixels, sample_tracks
from pointtrack.datasets.kubric.sampling import Window, allocate, draw_pixels, random_window
from pointtrack.datasets.kubric.scene import Scene

__all__ = [
    "DenseTracks",
    "Scene",
    "SceneTracks",
    "Window",
    "allocate",
    "dense_tracks",
    "draw_pixels",
    "follow_pixels",
    "random_window",
    "sample_tracks",
]
