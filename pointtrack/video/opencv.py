"""Keeping OpenCV from printing, in every version of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_SILENT = 0


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Let OpenCV print nothing of its own while the block runs."""
    # Version 5 moved them to cv2.utils.logging.
    place = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
    level = place.getLogLevel()
    place.setLogLevel(_SILENT)
    try:
        yield
    finally:
        place.setLogLevel(level)
