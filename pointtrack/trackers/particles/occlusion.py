"""Where flow runs into itself: occlusion labels, and flow made sharp at motion boundaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.flow import ConsistentFlow, DenseFlow, Flow, bilinear
from pointtrack.trackers.particles.channels import Channels, derivatives
from pointtrack.trackers.particles.settings import Settings
from pointtrack.video.blurring import blurred

_STEP = 2  # the filter looks at every second pixel of every second line around


@dataclass(frozen=True, eq=False)
class Motion:
    """Flow from one frame to another, and which pixels of the first are covered in the second.

    Attributes
    ----------
    flow : ndarray
        ``(H, W, 2)`` float32 pixels.
    occlusion : ndarray
        ``(H, W)`` float32 in [0, 1]; occluded above 0.5.
    """

    flow: NDArray[np.float32]
    occlusion: NDArray[np.float32]

    def at(self, xy: NDArray[Any]) -> NDArray[np.float32]:
        """Flow at points ``(K, 2)``, read bilinearly."""
        return bilinear(self.flow, xy, outside=None)

    def hides(self, xy: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether the pixel nearest to each point ``(K, 2)`` is occluded."""
        height, width = self.occlusion.shape
        column = np.clip(np.round(xy[:, 0]).astype(np.int64), 0, width - 1)
        row = np.clip(np.round(xy[:, 1]).astype(np.int64), 0, height - 1)
        return self.occlusion[row, column] > 0.5


def motion(
    flow: NDArray[np.float32], left: Channels, right: Channels, settings: Settings
) -> Motion:
    """Calm a dense flow ``(H, W, 2)``, label occlusions, filter it at motion boundaries."""
    flow = calm(np.asarray(flow, np.float32), left, settings)
    hidden = occlusion(flow, left, right, settings)
    for _ in range(settings.filter_rounds):
        flow = sharpen(flow, hidden, left, settings)
        hidden = occlusion(flow, left, right, settings)
    return Motion(flow, hidden)


def occlusion(
    flow: NDArray[np.float32], left: Channels, right: Channels, settings: Settings
) -> NDArray[np.float32]:
    """How surely each pixel is occluded, ``(H, W)`` in [0, 1].

    Flow that converges, and a grey level that is not found where the flow leads, speak for an
    occlusion: ``1 - exp(-min(div, 0)^2 / 2 sd^2) exp(-e^2 / 2 se^2)``. What leaves the picture
    is occluded.
    """
    height, width = flow.shape[:2]
    divergence = derivatives(flow[..., 0])[0] + derivatives(flow[..., 1])[1]
    converging = np.maximum(-divergence, 0) / settings.divergence_sigma
    # A ridge of one pixel that a particle steps over lets it be pushed along by the edge.
    converging = cv2.dilate(converging, np.ones((3, 3), np.uint8))
    x = np.arange(width, dtype=np.float32) + flow[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + flow[..., 1]
    found = cv2.remap(right.grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    differing = (left.grey - found) / settings.difference_sigma
    result = 1 - np.exp(-0.5 * (converging**2 + differing**2))
    outside = (x < -0.5) | (y < -0.5) | (x > width - 0.5) | (y > height - 0.5)
    result[outside] = 1
    return np.asarray(result, np.float32)


def calm(flow: NDArray[np.float32], picture: Channels, settings: Settings) -> NDArray[np.float32]:
    """Flow with its flat parts filled in from the textured ones around them.

    Where there is no texture a patch-based flow is noise, whose divergence would be taken for
    occlusions. The papers' own flow smooths more where the picture is flat; this makes up for
    it with any flow: a mean over a wide Gaussian in which pixels weigh by their texture.
    """
    gx, gy = derivatives(picture.grey)
    texture = cv2.GaussianBlur(gx**2 + gy**2, (0, 0), settings.flat_reach / 3)
    sure = np.asarray(texture / (texture + settings.flat_gradient**2), np.float32)[..., None]
    # The constant keeps the mean defined where there is no texture at all.
    sums = blurred(np.dstack([flow * (sure + 1e-4), sure + 1e-4]), settings.flat_reach)
    return np.asarray(sure * flow + (1 - sure) * sums[..., :2] / sums[..., 2:], np.float32)


def sharpen(
    flow: NDArray[np.float32],
    hidden: NDArray[np.float32],
    picture: Channels,
    settings: Settings,
) -> NDArray[np.float32]:
    """Flow near motion boundaries and occlusions, averaged over pixels of the same surface.

    A pixel counts by its distance, by how alike its flow and grey level are, and by how
    surely it is seen. The rest of the flow stays as it is.
    """
    rows, columns = np.nonzero(_boundary(flow, hidden, settings))
    if len(rows) == 0:
        return flow
    radius = max(_STEP, int(2.5 * settings.filter_sigma) // _STEP * _STEP)
    width = flow.shape[1] + 2 * radius
    edge = ((radius, radius), (radius, radius))
    u, v = (np.pad(flow[..., c], edge, "edge").ravel() for c in (0, 1))
    grey = np.pad(picture.grey, edge, "edge").ravel()
    seen = np.pad(1 - hidden, edge).ravel()  # zero beyond the picture: weighs nothing
    centre = (rows + radius) * width + columns + radius  # M
    own = u[centre], v[centre], grey[centre]
    total, sum_u, sum_v = (np.zeros(len(centre), np.float32) for _ in range(3))
    for dy in range(-radius, radius + 1, _STEP):
        for dx in range(-radius, radius + 1, _STEP):
            place = centre + (dy * width + dx)
            there_u, there_v = u[place], v[place]
            apart = (dx * dx + dy * dy) / settings.filter_sigma**2
            moving = ((there_u - own[0]) ** 2 + (there_v - own[1]) ** 2) * np.float32(
                settings.filter_motion**-2
            )
            unlike = (grey[place] - own[2]) ** 2 * np.float32(settings.filter_colour**-2)
            weight = seen[place] * np.exp(np.float32(-0.5) * (moving + unlike + np.float32(apart)))
            total += weight
            sum_u += weight * there_u
            sum_v += weight * there_v
    sure = total > 1e-3  # nothing like it is seen around: it keeps its flow
    result = flow.copy()
    result[rows[sure], columns[sure], 0] = sum_u[sure] / total[sure]
    result[rows[sure], columns[sure], 1] = sum_v[sure] / total[sure]
    return result


def dense(flow: Flow, size: tuple[int, int]) -> NDArray[np.float32]:
    """Any flow as an ``(H, W, 2)`` array, for frames of ``size`` (width, height)."""
    if isinstance(flow, ConsistentFlow):
        return flow.forward
    if isinstance(flow, DenseFlow):
        return flow.flow
    width, height = size
    xs, ys = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([xs, ys], axis=-1).reshape(-1, 2).astype(np.float32)
    return np.asarray(flow.sample(pixels)[0], np.float32).reshape(height, width, 2)


def _boundary(
    flow: NDArray[np.float32], hidden: NDArray[np.float32], settings: Settings
) -> NDArray[np.bool_]:
    gx, gy = derivatives(flow)
    steep = np.sqrt((gx**2 + gy**2).sum(axis=-1)) > settings.boundary_gradient
    side = 2 * (settings.boundary_reach // 2) + 1
    wide = cv2.dilate(steep.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return wide | (hidden > 0.5)
