"""Checkers of what is measured and made in space: TAPVid-3D's metric, Kubric's tracks."""

from __future__ import annotations

import re

import numpy as np
from metric_checks import RATIO, Checker
from numpy.typing import NDArray
from parity_fixtures import Case

from pointtrack import metrics
from pointtrack.datasets import kubric
from pointtrack.geometry import pixel_to_raster, raster_to_pixel

# --- metrics_tapvid3d ------------------------------------------------------------------------

_SPACE_NAME = re.compile(
    rf"out_(?P<scaling>{'|'.join(sorted(metrics.TAPVID3D_SCALINGS, key=len, reverse=True))})"
    r"(?P<fixed>_fixed)?(?P<tracks>_trackwise)?__(?P<metric>\w+)"
)


def _space_scores(case: Case, scaling: str, fixed: bool, by_track: bool) -> dict:
    """All scores of a file's videos: name to (B,) or (B, N)."""
    score = metrics.tapvid3d_metrics_per_track if by_track else metrics.tapvid3d_metrics
    order = "t n" if "gt_tracks_tn" in case else "n t"
    end = "_tn" if order == "t n" else ""
    names = ("gt_tracks", "gt_occluded", "pred_tracks", "pred_occluded")
    arrays = [case[name + end] for name in names]
    queries = case["queries_xyt"][:, ::-1] if order == "t n" else case["query_points_tyx"]
    intrinsics = case["intrinsics_params"]
    if arrays[0].ndim == 3:
        arrays, queries, intrinsics = [a[None] for a in arrays], queries[None], intrinsics[None]
    videos = [
        score(
            *video,
            scaling=scaling,
            query_points=tyx,
            fixed_thresholds=fixed,
            order=order,
        )
        for *video, tyx in zip(*arrays, intrinsics, queries, strict=True)
    ]
    return {name: np.stack([video[name] for video in videos]) for name in videos[0]}


def check_tapvid3d(case: Case) -> None:
    """TAPVid-3D's scores; each expected array's name says how it was computed."""
    found: dict[tuple, dict] = {}
    for name in sorted(case.expected()):
        parts = _SPACE_NAME.fullmatch(name)
        assert parts is not None, f"{case.path.name}: no idea how to compute {name}"
        # A neighbourhood's scores exist by track only, without a batch axis.
        local = parts["scaling"] == "local_neighborhood"
        key = (parts["scaling"], parts["fixed"] is not None, local or parts["tracks"] is not None)
        if key not in found:
            found[key] = _space_scores(case, *key)
        value = found[key][parts["metric"]]
        case.compare(name, value[0] if local else value, **RATIO)


# --- kubric_tracks ---------------------------------------------------------------------------


def _scene(case: Case) -> kubric.Scene:
    low, high = case["depth_range"].tolist()
    return kubric.Scene(
        depth=case["depth"],
        segments=case["segmentations"],
        normals=case["normal"],
        object_coordinates=case["object_coordinates"],
        boxes=case["bboxes_3d"],
        rotations=case["quaternions"],
        camera_positions=case["cam_positions"],
        camera_rotations=case["cam_quaternions"],
        depth_range=(low, high),
        focal_length=float(case["focal_length"]),
        sensor_width=float(case["sensor_width"]),
        published_aspect=True,
    )


def _source_pixels(case: Case, window: kubric.Window) -> NDArray:
    """Undo the window map: the pixels (Q, 3) (t, row, column) that the reference drew."""
    tyx = case["out_query_points_tyx"].astype(np.float64)
    height, width = case["depth"].shape[1:3]
    raster = tyx[:, :0:-1] / (width, height) * window.size + window[:2]
    column, row = raster_to_pixel(raster).T
    pixels = np.stack([tyx[:, 0], row, column], axis=-1)
    np.testing.assert_allclose(pixels, np.round(pixels), atol=1e-4)
    return np.round(pixels).astype(np.int64)


def _published_divisors(case: Case, pixels: NDArray, tracks: kubric.SceneTracks) -> NDArray:
    """What the reference divides distances by: its own bugs, see the page's section 2.6."""
    scene = _scene(case)
    t, row, _ = pixels.T
    if case["snap_to_occluder"]:
        # Row and column are taken from (t, row) in place of (row, column).
        return scene.distances(scene.depth[t, t, row])
    own = scene.distances(scene.depth[tuple(pixels.T)])
    for segment in np.unique(tracks.segment[tracks.segment > 0]):
        drawn = np.flatnonzero(tracks.segment == segment)
        own[drawn] = own[drawn][np.argsort(t[drawn], kind="stable")]
    return own


def _check_allocation(
    case: Case, scene: kubric.Scene, window: kubric.Window, pixels: NDArray
) -> None:
    """The reference drew as many pixels of each segment as our rule gives to it."""
    stride, num = int(case["sampling_stride"]), int(case["tracks_to_sample"])
    corner = np.array([0, window.top, window.left])
    first = corner + (pixels - corner)[0] % stride
    assert ((pixels - first) % stride == 0).all()
    end = (scene.num_frames, window.bottom, window.right)
    grid = np.ix_(*(np.arange(a, b, stride) for a, b in zip(first, end, strict=True)))
    candidates = scene.segments[grid]
    counts = np.bincount(candidates[candidates >= 0])
    given = kubric.allocate(counts, num, float(case["max_sampled_frac"]))
    drawn = np.bincount(scene.segments[tuple(pixels.T)], minlength=len(given))
    drawn[scene.segments[tuple(pixels[-1])]] -= num - given.sum()  # the filling at the end
    np.testing.assert_array_equal(drawn, given)


def check_kubric_tracks(case: Case) -> None:
    """The tracks of the pixels that the reference drew at random."""
    top, left, bottom, right = case["window_y0x0y1x1"].tolist()
    window = kubric.Window(left, top, right, bottom)
    scene = _scene(case)
    frames = scene.num_frames
    case.compare("mid_intrinsics", np.tile(scene.intrinsics, (frames, 1, 1)), rtol=1e-6)
    case.compare("mid_matrix_world", scene.camera_to_world, atol=1e-6)
    given = kubric.allocate(
        case["mid_counts"], int(case["tracks_to_sample"]), float(case["max_sampled_frac"])
    )
    case.given("mid_counts")  # the helper's argument
    unused = int(case["max_seg_id"]) - len(given)
    case.compare("mid_num_to_sample", np.pad(given, (0, unused)))
    pixels = _source_pixels(case, window)
    followed = scene.without_rims() if case["snap_to_occluder"] else scene
    tracks = kubric.follow_pixels(followed, pixels, window=window)
    _check_allocation(case, followed, window, pixels)
    queries = np.concatenate(
        [tracks.queries[:, :1], pixel_to_raster(tracks.queries[:, 1:])[:, ::-1]], axis=1
    )
    case.compare("out_query_points_tyx", queries, atol=1e-4)
    case.compare("out_target_points_xy", pixel_to_raster(tracks.xy), atol=1e-4)
    case.compare("out_occluded", ~tracks.visible)
    distance = np.linalg.norm(tracks.xyz, axis=-1)  # Q T
    divisors = _published_divisors(case, pixels, tracks)
    case.compare("out_relative_depth", distance / divisors[:, None], rtol=1e-5)


SPACE_CHECKERS: dict[str, Checker] = {
    "metrics_tapvid3d": check_tapvid3d,
    "kubric_tracks": check_kubric_tracks,
}
