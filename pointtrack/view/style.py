"""`Style`: how an overlay looks, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError
from pointtrack.tracks import Tracks
from pointtrack.view import colours

ColourBy = Literal["position", "identity", "confidence"]

_RANGES: dict[str, tuple[float, float]] = {
    "size": (0.1, 10),
    "desaturate": (0, 1),
    "darken": (0, 1),
    "scale": (0.05, 16),
}


@dataclass(frozen=True)
class Style:
    """How tracks are drawn.

    Attributes
    ----------
    colour : {"position", "identity", "confidence"}
        ``"position"``: by where each point started, on a smooth colour wheel laid over the
        points. ``"identity"``: neighbours in the list get unlike hues. ``"confidence"``:
        vermilion (0) to teal (1), changing along the track.
    trail : int or None
        Past frames that the trail shows; it fades and thins out towards its end. 0 draws
        none, None draws everything since the first frame (fading to a third).
    size : float
        Enlarges (or shrinks) discs and lines; 1 suits any picture from 256 px to 4K, since
        they follow the picture's diagonal. Where points are crowded they get smaller.
    occluded : bool
        Draw occluded points, as hollow rings, and the occluded parts of trails, faintly.
    confidence : bool
        Let the discs of visible points show their confidence by size: a sure point is full,
        an unsure one half as wide. Rings do not, since an occluded point's confidence is
        near zero whatever its position is worth.
    desaturate, darken : float
        How far the picture fades to grey and to black behind the tracks, 0 to 1.
    scale : float
        Size of the output against the video's; more than 1 enlarges small videos.
    caption : bool
        Write the frame number into the lower left corner.

    Raises
    ------
    PointtrackError
        When an option is unknown or out of its range.
    """

    colour: ColourBy = "position"
    trail: int | None = 20
    size: float = 1.0
    occluded: bool = True
    confidence: bool = True
    desaturate: float = 0.25
    darken: float = 0.15
    scale: float = 1.0
    caption: bool = False

    def __post_init__(self) -> None:
        if self.colour not in get_args(ColourBy):
            choices = ", ".join(get_args(ColourBy))
            raise PointtrackError(f"colour must be one of {choices}, found {self.colour!r}")
        trail = self.trail
        if trail is not None and (
            isinstance(trail, bool) or not isinstance(trail, (int, np.integer)) or trail < 0
        ):
            raise PointtrackError(f"trail must be a number of frames or None, found {trail!r}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            # Written so that NaN fails as well.
            if not isinstance(value, (int, float, np.number)) or not low <= value <= high:
                raise PointtrackError(
                    f"{name} must be between {low:g} and {high:g}, found {value!r}"
                )
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(field.default, bool) and not isinstance(value, (bool, np.bool_)):
                raise PointtrackError(f"{field.name} must be True or False, found {value!r}")


def point_colours(tracks: Tracks, colour: ColourBy) -> NDArray[np.uint8]:
    """The colour of every point and frame, as overlays and plots use it.

    Returns
    -------
    ndarray
        ``(N, T, 3)`` uint8 RGB; for ``"position"`` and ``"identity"`` the same at all frames
        of a point (a read-only view).
    """
    if colour == "confidence":
        return colours.by_confidence(tracks.confidence)
    if colour == "identity":
        each = colours.by_identity(len(tracks))
    else:
        each = colours.by_position(starts(tracks), _extent(tracks))
    return np.broadcast_to(each[:, None], (len(tracks), tracks.num_frames, 3))


def starts(tracks: Tracks) -> NDArray[np.float32]:
    """Where each point was first asked for or, when that is not known, first seen, ``(N, 2)``."""
    if tracks.queries is not None and len(tracks.queries) == len(tracks):
        return tracks.queries.xy[tracks.queries.first()]
    if tracks.num_frames == 0:
        return np.full((len(tracks), 2), np.nan, np.float32)
    seen = np.where(tracks.visible.any(axis=1, keepdims=True), tracks.visible, tracks.known)
    return tracks.xy[np.arange(len(tracks)), seen.argmax(axis=1)]


def _extent(tracks: Tracks) -> tuple[int, int]:
    """The picture's size, or what the tracks cover where it is not known."""
    if min(tracks.size) > 0:
        return tracks.size
    known = tracks.xy[tracks.known]
    width, height = known.max(axis=0) if len(known) else (0, 0)
    return max(int(width) + 1, 1), max(int(height) + 1, 1)
