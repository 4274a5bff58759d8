"""Dense tracking: every pixel of a frame, in every other frame."""

from pointtrack.trackers.dense.base import DenseFrame, DenseTracker
from pointtrack.trackers.dense.run import DEFAULT_DENSE, dense_tracker, track_dense

__all__ = ["DEFAULT_DENSE", "DenseFrame", "DenseTracker", "dense_tracker", "track_dense"]
