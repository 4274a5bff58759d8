"""A moving pinhole camera: from points in space to pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics and pose of a camera in T frames.

    Attributes
    ----------
    intrinsics : ndarray
        ``(T, 3, 3)`` float64, in pixels with the centre of the top-left pixel at ``(0, 0)``:
        the principal point of an ideal camera is ``((W - 1) / 2, (H - 1) / 2)``.
    extrinsics : ndarray
        ``(T, 4, 4)`` float64, from the world to the camera: x right, y down, z forward.

    Raises
    ------
    FormatError
        When the shapes do not fit together or a number is not finite.
    """

    intrinsics: NDArray[np.float64]
    extrinsics: NDArray[np.float64]

    def __post_init__(self) -> None:
        inner = np.asarray(self.intrinsics, np.float64)
        outer = np.asarray(self.extrinsics, np.float64)
        if inner.ndim != 3 or inner.shape[1:] != (3, 3) or outer.shape != (len(inner), 4, 4):
            raise FormatError(
                f"intrinsics have shape {inner.shape} and extrinsics {outer.shape}, "
                "expected (T, 3, 3) and (T, 4, 4)"
            )
        if not (np.isfinite(inner).all() and np.isfinite(outer).all()):
            raise FormatError("the camera's matrices hold a number that is not finite")
        object.__setattr__(self, "intrinsics", inner)
        object.__setattr__(self, "extrinsics", outer)

    def __len__(self) -> int:
        """Number of frames, T."""
        return len(self.intrinsics)

    def to_camera(self, xyz: NDArray[np.floating], frame: int) -> NDArray[np.float64]:
        """World points ``(..., 3)`` as a frame's camera sees them: x right, y down, z forward."""
        pose = self.extrinsics[frame]
        return np.asarray(xyz, np.float64) @ pose[:3, :3].T + pose[:3, 3]

    def project(
        self, xyz: NDArray[np.floating], frame: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixels ``(..., 2)`` and depths z ``(...)`` of world points ``(..., 3)`` in a frame.

        A point in the camera's own plane has no pixel: NaN.
        """
        seen = self.to_camera(xyz, frame)
        depth = seen[..., 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = seen / np.where(depth == 0, np.nan, depth)[..., None]
        return (flat @ self.intrinsics[frame].T)[..., :2], depth
