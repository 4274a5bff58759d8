"""What a Blender clip shall be like: sizes, render quality, effects, and presets by name.

Nothing here needs Blender: the file is read on both sides of the worker process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size
from pointtrack.synthesis.limits import check_number, check_size, check_whole

Images = Literal["jpg", "png"]
IMAGES: tuple[Images, ...] = ("jpg", "png")

_KINDS = ("indoor", "outdoor", "abstract")
CHANCES = (
    "fog",
    "smoke",
    "motion_blur",
    "depth_of_field",
    "exposure",
    "noise",
    "compression",
)
_FOLDERS = ("textures", "hdris", "motions", "meshes")


@dataclass(frozen=True)
class BlenderConfig:
    """How Blender clips are made.

    Numbers from `fog` to `compression` are chances in [0, 1]: how often a clip has the
    property; how strong it then is, is drawn from the clip's seed. 0 turns it off, 1 on.

    Attributes
    ----------
    preset
        What is staged: ``"indoor"``, ``"outdoor"`` or ``"abstract"``.
    frames, size, fps, points
        Length, (width, height), frames a second and number of tracks.
    views
        Cameras that film the same scene; each view becomes a clip of its own, and all share
        their points in space.
    samples
        Light paths a pixel; the picture is denoised afterwards.
    fog, smoke
        A homogeneous haze through which far points become invisible; a drifting volume.
    motion_blur, depth_of_field
        An open shutter (tracks are those of its centre); a lens of finite aperture.
    exposure, noise, compression
        Done to the finished picture: brightness that changes, sensor noise, JPEG blocks.
    images
        Frames as ``"jpg"`` (PointOdyssey's format) or ``"png"`` (exact).
    textures, hdris, motions, meshes
        Folders of your own pictures, panoramas (.hdr, .exr), motion capture (.bvh) and models
        (.glb, .obj, ...) to take from; default: everything is generated.

    Raises
    ------
    PointtrackError
        When a number is out of range; the message names it.
    """

    preset: str = "indoor"
    frames: int = 24
    size: Size = (256, 256)
    fps: int = 24
    points: int = 256
    views: int = 1
    samples: int = 16
    fog: float = 0.0
    smoke: float = 0.0
    motion_blur: float = 0.0
    depth_of_field: float = 0.0
    exposure: float = 0.0
    noise: float = 0.0
    compression: float = 0.0
    images: Images = "jpg"
    textures: str | None = None
    hdris: str | None = None
    motions: str | None = None
    meshes: str | None = None

    def __post_init__(self) -> None:
        if self.preset not in _KINDS:
            raise PointtrackError(
                f"preset must be one of {', '.join(_KINDS)}, found {self.preset!r}"
            )
        check_whole("frames", self.frames, 1)
        object.__setattr__(self, "size", check_size(self.size))  # JSON gives lists
        check_whole("fps", self.fps, 1, 1000)
        check_whole("points", self.points, 1)
        check_whole("views", self.views, 1, 64)
        check_whole("samples", self.samples, 1, 65536)
        for name in CHANCES:
            check_number(name, getattr(self, name), 1)
        if self.images not in IMAGES:
            raise PointtrackError(f"images must be {' or '.join(IMAGES)}, found {self.images!r}")
        for name in _FOLDERS:
            folder = getattr(self, name)
            if not (folder is None or isinstance(folder, str)):
                raise PointtrackError(f"{name} must be the path of a folder, found {folder!r}")


PRESETS: dict[str, BlenderConfig] = {
    "indoor": BlenderConfig("indoor", fog=0.1, motion_blur=0.2, depth_of_field=0.3),
    "outdoor": BlenderConfig("outdoor", fog=0.3, smoke=0.2, motion_blur=0.2, depth_of_field=0.15),
    "abstract": BlenderConfig("abstract", motion_blur=0.2, depth_of_field=0.2),
}


def blender_preset(name: str, **changes: Any) -> BlenderConfig:
    """A preset by name, with some fields changed: ``blender_preset("indoor", frames=8)``.

    Raises
    ------
    PointtrackError
        When there is no such preset or field, or a value is out of range.
    """
    if name not in PRESETS:
        raise PointtrackError(f"there is no preset {name!r}; there are: {', '.join(PRESETS)}")
    _refuse_unknown(changes)
    return replace(PRESETS[name], **changes)


def from_mapping(values: Mapping[str, Any]) -> BlenderConfig:
    """A config from the JSON of a manifest or of a worker's order; see `to_mapping`."""
    _refuse_unknown(values)
    return BlenderConfig(**values)


def to_mapping(config: BlenderConfig) -> dict[str, Any]:
    """The config as JSON holds it."""
    return {**asdict(config), "size": list(config.size)}


def _refuse_unknown(values: Mapping[str, Any]) -> None:
    unknown = sorted(values.keys() - {field.name for field in fields(BlenderConfig)})
    if unknown:
        raise PointtrackError(f"a Blender clip has no setting {unknown[0]!r}")
