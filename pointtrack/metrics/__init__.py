"""Scores of the field's benchmarks, as pure functions on NumPy arrays.

One module a family: ``tapvid``, ``redetection`` (AJ-RD), ``pointodyssey`` (with CoTracker's,
Track-On's, EgoPoints' and PIPs' evaluators), ``pose`` (BADJA, JHMDB), ``breakdown`` (accuracy
by threshold, time and occlusion), ``calibration`` (whether confidence is true), ``statistics``
(means and intervals over videos) and ``visibility`` (PointOdyssey's depth test). ``tapvid3d``
scores tracks in space.
"""

from __future__ import annotations

from pointtrack.formats.pointodyssey import decode_visibility
from pointtrack.metrics.breakdown import (
    DISTANCE_EDGES,
    OCCLUSION_EDGES,
    TIME_EDGES,
    accuracy_by_group,
    accuracy_per_threshold,
    distance_from_query,
    last_occlusion_length,
    pool_groups,
    time_since_query,
)
from pointtrack.metrics.calibration import calibration_error, largest_gap, reliability
from pointtrack.metrics.pointodyssey import (
    FullSequence,
    average_trajectory_error,
    cotracker_metrics,
    egopoints_metrics,
    egopoints_visibility,
    full_sequence_tracks,
    median_per_track,
    pips2_metrics,
    returned_frames,
    surviving,
    trackon_metrics,
)
from pointtrack.metrics.pose import (
    badja_ground_truth,
    badja_hits,
    badja_pck,
    jhmdb_distances,
    jhmdb_pck,
    resized_mask_areas,
)
from pointtrack.metrics.redetection import (
    RedetectionEvents,
    average_jaccard_redetection,
    pool_events,
    redetection_events,
    redetection_scores,
)
from pointtrack.metrics.statistics import VideoMean, bootstrap_interval, mean_over_videos
from pointtrack.metrics.tapvid import (
    PROTOCOL_SIZE,
    THRESHOLDS,
    SampledQueries,
    alltracker_to_protocol,
    annotation_to_protocol,
    evaluated_frames,
    join_directions,
    protocol_to_annotation,
    queries_first,
    queries_strided,
    query_frames,
    tapvid_metrics,
    tapvid_metrics_per_track,
)
from pointtrack.metrics.tapvid3d import (
    TAPVID3D_SCALINGS,
    tapvid3d_intrinsics,
    tapvid3d_metrics,
    tapvid3d_metrics_per_track,
    tapvid3d_total,
)
from pointtrack.metrics.visibility import (
    camera_from_blender,
    depth_buffer_visibility,
    project_points,
)

__all__ = [
    "DISTANCE_EDGES",
    "OCCLUSION_EDGES",
    "PROTOCOL_SIZE",
    "TAPVID3D_SCALINGS",
    "THRESHOLDS",
    "TIME_EDGES",
    "FullSequence",
    "RedetectionEvents",
    "SampledQueries",
    "VideoMean",
    "accuracy_by_group",
    "accuracy_per_threshold",
    "alltracker_to_protocol",
    "annotation_to_protocol",
    "average_jaccard_redetection",
    "average_trajectory_error",
    "badja_ground_truth",
    "badja_hits",
    "badja_pck",
    "bootstrap_interval",
    "calibration_error",
    "camera_from_blender",
    "cotracker_metrics",
    "decode_visibility",
    "depth_buffer_visibility",
    "distance_from_query",
    "egopoints_metrics",
    "egopoints_visibility",
    "evaluated_frames",
    "full_sequence_tracks",
    "jhmdb_distances",
    "jhmdb_pck",
    "join_directions",
    "largest_gap",
    "last_occlusion_length",
    "mean_over_videos",
    "median_per_track",
    "pips2_metrics",
    "pool_events",
    "pool_groups",
    "project_points",
    "protocol_to_annotation",
    "queries_first",
    "queries_strided",
    "query_frames",
    "redetection_events",
    "redetection_scores",
    "reliability",
    "resized_mask_areas",
    "returned_frames",
    "surviving",
    "tapvid3d_intrinsics",
    "tapvid3d_metrics",
    "tapvid3d_metrics_per_track",
    "tapvid3d_total",
    "tapvid_metrics",
    "tapvid_metrics_per_track",
    "time_since_query",
    "trackon_metrics",
]
