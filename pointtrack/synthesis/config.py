"""What a procedural clip shall be like: sizes, cast and effects, and presets by name."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size
from pointtrack.synthesis.limits import check_number, check_range, check_size, check_whole

Range = tuple[int, int]

_CHANCES = (
    "deform",
    "textureless",
    "repeated",
    "light",
    "shadows",
    "vignette",
    "fog",
    "smoke",
    "defocus",
    "blur",
    "motion_blur",
    "noise",
    "compression",
)


@dataclass(frozen=True)
class ProceduralConfig:
    """How procedural clips are made.

    Numbers from `deform` on are chances in [0, 1]: how often a clip (or a layer) has the
    property; how strong it then is, is drawn. 0 turns it off.

    Attributes
    ----------
    frames, size, points
        Length, (width, height) and number of tracks.
    scenery, objects, thin, creatures, occluders
        Least and greatest number of resting things, moving things, moving thin things
        (sticks, rings, strings), jointed things, and things near the camera.
    speed, camera
        Factors on how fast things and the camera move; 1 is everyday video, 0 is rest (bending
        aside).
    deform
        Layers that bend as they move.
    textureless, repeated
        Layers without texture, and with one that repeats.
    light, shadows, vignette, fog, smoke
        Changing light, cast shadows, dark corners, haze by distance, drifting smoke.
    defocus, blur, motion_blur, noise, compression
        Layers out of focus; clips with lens blur, motion blur, sensor noise, JPEG blocks.
    smoke_density
        Greatest opacity of smoke, in [0, 1].
    textures
        A folder of pictures to take textures from; default: all are generated.

    Raises
    ------
    PointtrackError
        When a number is out of range; the message names it.
    """

    frames: int = 24
    size: Size = (256, 256)
    points: int = 256
    scenery: Range = (0, 3)
    objects: Range = (2, 6)
    thin: Range = (0, 2)
    creatures: Range = (0, 1)
    occluders: Range = (0, 1)
    speed: float = 1.0
    camera: float = 1.0
    deform: float = 0.45
    textureless: float = 0.12
    repeated: float = 0.15
    light: float = 0.5
    shadows: float = 0.5
    vignette: float = 0.25
    fog: float = 0.15
    smoke: float = 0.15
    defocus: float = 0.2
    blur: float = 0.15
    motion_blur: float = 0.15
    noise: float = 0.6
    compression: float = 0.3
    smoke_density: float = 0.7
    textures: str | None = None

    def __post_init__(self) -> None:
        check_whole("frames", self.frames, 1)
        check_whole("points", self.points, 1)
        object.__setattr__(self, "size", check_size(self.size))
        for name in ("scenery", "objects", "thin", "creatures", "occluders"):
            object.__setattr__(self, name, check_range(name, getattr(self, name)))
        for name in ("speed", "camera"):
            check_number(name, getattr(self, name), 10)
        for name in (*_CHANCES, "smoke_density"):
            check_number(name, getattr(self, name), 1)


def without_effects(config: ProceduralConfig) -> ProceduralConfig:
    """The same cast and motion, but every pixel is what its layer's texture says."""
    names = set(_CHANCES) - {"deform", "textureless", "repeated"}
    changes: dict[str, Any] = dict.fromkeys(names, 0.0)
    return replace(config, **changes)


_EASY = ProceduralConfig(
    scenery=(0, 1),
    objects=(1, 3),
    thin=(0, 0),
    creatures=(0, 0),
    occluders=(0, 0),
    speed=0.5,
    camera=0.5,
    deform=0.15,
    textureless=0.0,
    repeated=0.0,
    light=0.2,
    shadows=0.2,
    vignette=0.1,
    fog=0.0,
    smoke=0.0,
    defocus=0.0,
    blur=0.0,
    motion_blur=0.0,
    noise=0.3,
    compression=0.1,
)

PRESETS: dict[str, ProceduralConfig] = {
    "default": ProceduralConfig(),
    "easy": _EASY,
    "hard": ProceduralConfig(
        scenery=(1, 4),
        objects=(4, 9),
        thin=(0, 3),
        creatures=(0, 2),
        occluders=(0, 2),
        speed=1.8,
        camera=1.6,
        deform=0.7,
        textureless=0.2,
        repeated=0.25,
        light=0.8,
        shadows=0.8,
        vignette=0.4,
        fog=0.3,
        smoke=0.35,
        defocus=0.35,
        blur=0.3,
        motion_blur=0.4,
        noise=0.9,
        compression=0.5,
        smoke_density=0.95,
    ),
    "textureless": ProceduralConfig(
        objects=(2, 5), textureless=0.85, repeated=0.05, shadows=0.7, light=0.7
    ),
    "thin": ProceduralConfig(
        objects=(0, 2), thin=(4, 9), creatures=(0, 2), occluders=(0, 2), defocus=0.1
    ),
}


def preset(name: str, **changes: Any) -> ProceduralConfig:
    """A preset by name, with some fields changed: ``preset("hard", frames=8)``.

    Raises
    ------
    PointtrackError
        When there is no such preset or field, or a value is out of range.
    """
    if name not in PRESETS:
        raise PointtrackError(f"there is no preset {name!r}; there are: {', '.join(PRESETS)}")
    known = {field.name for field in fields(ProceduralConfig)}
    unknown = sorted(changes.keys() - known)
    if unknown:
        raise PointtrackError(f"a procedural clip has no setting {unknown[0]!r}")
    return replace(PRESETS[name], **changes)
