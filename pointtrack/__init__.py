"""pointtrack follows any point of a video through time.

>>> import pointtrack as pt
>>> tracks = pt.track("clip.mp4", pt.grid(20))  # doctest: +SKIP
"""

from pointtrack.dense import DenseTracks
from pointtrack.errors import (
    FormatError,
    PointtrackError,
    QueryError,
    VideoError,
    VideoWarning,
    WeightsError,
)
from pointtrack.queries import Queries, corners, grid, points, random, read_queries, sift
from pointtrack.trackers import DEFAULT_MODEL, Session, Step, Tracker, load, models
from pointtrack.trackers.dense import track_dense
from pointtrack.trackers.quick import track
from pointtrack.tracks import Tracks
from pointtrack.video import LiveVideo, Video, open_video, video_writer, write_video
from pointtrack.view import Style, contact_sheet, draw, draw_dense, plot_tracks
from pointtrack.weights import ModelCard

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_MODEL",
    "DenseTracks",
    "FormatError",
    "LiveVideo",
    "ModelCard",
    "PointtrackError",
    "Queries",
    "QueryError",
    "Session",
    "Step",
    "Style",
    "Tracker",
    "Tracks",
    "Video",
    "VideoError",
    "VideoWarning",
    "WeightsError",
    "contact_sheet",
    "corners",
    "draw",
    "draw_dense",
    "grid",
    "load",
    "models",
    "open_video",
    "plot_tracks",
    "points",
    "random",
    "read_queries",
    "sift",
    "track",
    "track_dense",
    "video_writer",
    "write_video",
]
