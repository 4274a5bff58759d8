"""Blender script ``.py``: run in Blender, it gives a movie clip the tracks. Written only.

Either open the video in the Movie Clip Editor, load the script in the Text Editor and run
it, or let Blender load both: ``blender --python a.blender.py -- video.mp4``.

Blender's markers are normalised: (0, 0) is the outer corner of the picture's *bottom*-left
pixel, (1, 1) of its top-right pixel, so the centre of the top-left pixel of a 100 x 50
video is (0.005, 0.99). Clip frames count from 1. A known but hidden position is a muted
marker. Blender holds a marker until the next one, so a muted marker also stands before and
after every run of known positions. Points without any position are left out; confidence and
queries are lost.
"""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np

from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.formats.common import (
    DEFAULT_FPS,
    UNKNOWN_SIZE,
    need_size,
    need_tracks,
    write_text,
)
from pointtrack.geometry import Size, flip_y, pixel_to_normalised
from pointtrack.tracks import Tracks

FIRST_FRAME = 1

Marker = tuple[int, float, float, int]

_SCRIPT = '''\
"""Gives a movie clip {count} tracks; made by pointtrack for a video of {width} x {height}.

Run it in Blender with the video open in the Movie Clip Editor, or start
    blender --python THIS_FILE -- VIDEO
"""

import json
import sys

import bpy

# Name, then markers: clip frame, x, y (0 to 1 from the bottom left), muted or not.
TRACKS = json.loads(r\'\'\'
{data}
\'\'\')


def find_clip():
    if "--" in sys.argv[:-1]:
        return bpy.data.movieclips.load(sys.argv[-1])
    if len(bpy.data.movieclips) == 0:
        raise RuntimeError("open the video in the Movie Clip Editor first")
    space = getattr(bpy.context, "space_data", None)
    return getattr(space, "clip", None) or bpy.data.movieclips[0]


def add_track(clip, name, markers):
    track = clip.tracking.tracks.new(name=name, frame=markers[0][0])
    for frame, x, y, muted in markers:
        marker = track.markers.insert_frame(frame, co=(x, y))
        marker.mute = bool(muted)


clip = find_clip()
for name, markers in TRACKS:
    add_track(clip, name, markers)
print("pointtrack: added", len(TRACKS), "tracks to", clip.name)
'''


class Blender:
    """Write Blender scripts; see the module."""

    name = "blender"
    suffixes: tuple[str, ...] = (".py", ".blender.py")
    summary = "script that gives a Blender movie clip the tracks (written only)"
    can_read = False
    can_write = True

    def read(
        self, path: PathLike, size: Size = UNKNOWN_SIZE, fps: Fraction = DEFAULT_FPS
    ) -> Tracks:
        """Refuse: a script cannot be read back."""
        raise FormatError(f"cannot read {path}: Blender scripts can only be written")

    def write(self, tracks: Tracks, path: PathLike) -> None:
        """Write a script that makes one Blender track a point."""
        need_tracks(tracks, path)
        width, height = need_size(tracks, path)
        rows = []
        for i, name in enumerate(tracks.names):
            markers = _markers(tracks, i)
            if markers:
                text = json.dumps([name, markers], separators=(",", ":"))
                # The data stand between three apostrophes.
                rows.append(text.replace("'", "\\u0027"))
        if not rows:
            raise FormatError(f"cannot write {path}: no point has a position in any frame")
        data = "[\n" + ",\n".join(rows) + "\n]"
        write_text(path, _SCRIPT.format(count=len(rows), width=width, height=height, data=data))


def _markers(tracks: Tracks, i: int) -> list[Marker]:
    """Blender's markers of one point, ascending in frame."""
    # flip_y of normalised coordinates is that of a picture of height 1.
    places = flip_y(pixel_to_normalised(tracks.xy[i].astype(np.float64), tracks.size), (1, 1))
    known, visible = tracks.known[i], tracks.visible[i]
    markers: dict[int, Marker] = {}
    for column in np.flatnonzero(known).tolist():
        frame = column + tracks.start + FIRST_FRAME
        x, y = (round(value, 9) for value in places[column].tolist())
        if frame - 1 not in markers and frame > FIRST_FRAME:
            markers[frame - 1] = (frame - 1, x, y, 1)
        markers[frame] = (frame, x, y, int(not visible[column]))
        if column + 1 == len(known) or not known[column + 1]:
            markers[frame + 1] = (frame + 1, x, y, 1)
    return [markers[frame] for frame in sorted(markers)]
