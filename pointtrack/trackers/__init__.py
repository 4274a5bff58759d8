"""Trackers by name."""

from pointtrack.trackers.base import Progress, Tracker
from pointtrack.trackers.registry import DEFAULT_MODEL, load, models
from pointtrack.trackers.session import Session, Step

__all__ = ["DEFAULT_MODEL", "Progress", "Session", "Step", "Tracker", "load", "models"]
