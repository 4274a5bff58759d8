"""Smooth random motion: curves over time, a camera, and planes in front of it.

The world is right-handed like the picture: x right, y down, z away from the camera, which
rests at the origin. A layer is a plane with coordinates in [-1, 1]; where its points appear
in the picture is a homography a moment, so rigid, affine and perspective motion and the
camera's parallax come out of one product of matrices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointtrack.geometry import Size

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A smooth function of time with D values: drift, swings and hops around an anchor.

    Attributes
    ----------
    value : ndarray
        ``(D,)``, taken at the time `anchor`.
    velocity : ndarray
        ``(D,)`` per frame.
    amplitude, frequency, phase : ndarray
        ``(K, D)``; frequency in radians per frame.
    hop : ndarray
        ``(D,)`` height of hops, which touch down at the frequency ``frequency[0]``.
    anchor : float
        Time in frames.
    """

    value: Array
    velocity: Array
    amplitude: Array
    frequency: Array
    phase: Array
    hop: Array
    anchor: float

    def at(self, times: Array) -> Array:
        """Values at times in frames, ``(M,)``, as ``(M, D)``."""
        return self._plain(times) - self._plain(np.array([self.anchor])) + self.value

    def _plain(self, times: Array) -> Array:
        angle = times[:, None, None] * self.frequency + self.phase  # M K D
        swing = (self.amplitude * np.sin(angle)).sum(axis=1)
        hops = self.hop * np.abs(np.sin(angle[:, 0]))
        return times[:, None] * self.velocity + swing - hops


def constant(*values: float) -> Curve:
    """A curve that rests."""
    value = np.array(values)
    none, rest = np.zeros((1, len(values))), np.zeros(len(values))
    return Curve(value, rest, none, none, none, rest, 0.0)


def swinging(
    rng: np.random.Generator,
    value: Array,
    reach: Array | float,
    speed: Array | float,
    periods: tuple[float, float] = (14.0, 90.0),
    anchor: float = 0.0,
    waves: int = 2,
) -> Curve:
    """A curve that swings about, at most ``reach`` and ``speed`` (per frame) in each wave."""
    dims = len(value)
    period = np.exp(rng.uniform(math.log(periods[0]), math.log(periods[1]), (waves, dims)))
    frequency = 2 * np.pi / period
    amplitude = np.minimum(reach * rng.uniform(0.3, 1, (waves, dims)), speed / frequency)
    rest = np.zeros(dims)
    phase = rng.uniform(0, 2 * np.pi, (waves, dims))
    return Curve(value, rest, amplitude, frequency, phase, rest, anchor)


def rotations(angles: Array) -> Array:
    """Rotation matrices of angles about x, then y, then z: ``(M, 3)`` to ``(M, 3, 3)``."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles).T, np.sin(angles).T
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that moves.

    Attributes
    ----------
    focal
        Focal length over the picture's shorter side.
    position, angles, zoom
        Curves of 3, 3 and 1 values; zoom is the logarithm of a factor on `focal`.
    """

    size: Size
    focal: float
    position: Curve
    angles: Curve
    zoom: Curve

    def matrices(self, times: Array) -> tuple[Array, Array]:
        """World to picture: ``(M, 3, 3)`` for directions, and positions ``(M, 3)``.

        A world point X appears at the homogeneous pixel ``matrix @ (X - position)``, whose
        third number is its depth.
        """
        width, height = self.size
        intrinsic = np.zeros((len(times), 3, 3))
        length = self.focal * min(self.size) * np.exp(self.zoom.at(times)[:, 0])
        intrinsic[:, 0, 0] = intrinsic[:, 1, 1] = length
        intrinsic[:, 0, 2], intrinsic[:, 1, 2] = (width - 1) / 2, (height - 1) / 2
        intrinsic[:, 2, 2] = 1
        turned = rotations(self.angles.at(times)).transpose(0, 2, 1)
        return intrinsic @ turned, self.position.at(times)


@dataclass(frozen=True)
class Plane:
    """A plane that moves in the world.

    Attributes
    ----------
    half
        Half its side in world units: coordinates -1 and 1 are the edges.
    position, angles, stretch
        Curves of 3 values each; stretch is (log scale of x, log scale of y, shear).
    """

    half: float
    position: Curve
    angles: Curve
    stretch: Curve

    def homographies(self, camera: Camera, times: Array) -> Array:
        """Plane to picture, ``(M, 3, 3)``; the third homogeneous number is the depth."""
        matrix, eye = camera.matrices(times)
        stretch = self.stretch.at(times)
        shape = np.zeros((len(times), 3, 2))
        shape[:, 0, 0], shape[:, 1, 1] = np.exp(stretch[:, 0]), np.exp(stretch[:, 1])
        shape[:, 0, 1] = stretch[:, 2] * shape[:, 1, 1]
        frame = np.empty((len(times), 3, 3))
        frame[:, :, :2] = self.half * (rotations(self.angles.at(times)) @ shape)
        frame[:, :, 2] = self.position.at(times) - eye
        return matrix @ frame


def hinge(joint: Array, scale: float, angle: Array) -> Array:
    """A limb on its parent's plane: ``(M, 3, 3)`` from limb to parent coordinates.

    The limb's point (-0.8, 0) is held at ``joint`` (2,) of the parent, and the limb turns
    about it by ``angle`` (M,) radians; it is ``scale`` times the parent's size.
    """
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, 0, 0], matrix[:, 0, 1] = cos, -sin
    matrix[:, 1, 0], matrix[:, 1, 1] = sin, cos
    matrix[:, 0, 2], matrix[:, 1, 2] = joint[0] + 0.8 * cos, joint[1] + 0.8 * sin
    matrix[:, 2, 2] = 1
    return matrix
