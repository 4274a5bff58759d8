"""Looking at tracks: overlays on the video, contact sheets and plots."""

from pointtrack.view.dense import dense_frames, dense_sheet, draw_dense
from pointtrack.view.evaluation_plots import (
    plot_accuracy_over_occlusion,
    plot_accuracy_over_threshold,
    plot_accuracy_over_time,
    plot_reliability,
    plot_speed_accuracy,
)
from pointtrack.view.overlay import draw, draw_frame, overlay_frames
from pointtrack.view.plots import plot_tracks
from pointtrack.view.sheet import contact_sheet
from pointtrack.view.style import Style, point_colours

__all__ = [
    "Style",
    "contact_sheet",
    "dense_frames",
    "dense_sheet",
    "draw",
    "draw_dense",
    "draw_frame",
    "overlay_frames",
    "plot_accuracy_over_occlusion",
    "plot_accuracy_over_threshold",
    "plot_accuracy_over_time",
    "plot_reliability",
    "plot_speed_accuracy",
    "plot_tracks",
    "point_colours",
]
