"""Drawing lots for a scene: which layers there are, what they look like, how they move.

Lengths that concern the eye are shares of the picture's shorter side, depths are world units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pointtrack.synthesis import shapes
from pointtrack.synthesis.config import ProceduralConfig, Range
from pointtrack.synthesis.deform import random_field
from pointtrack.synthesis.layers import Layer, Shadow
from pointtrack.synthesis.motion import Array, Curve, Plane, constant, hinge, rotations, swinging
from pointtrack.synthesis.painting import blurred, rounded_off, soft_copy
from pointtrack.synthesis.paths import random_camera, random_path, random_turning
from pointtrack.synthesis.photographs import random_cutting
from pointtrack.synthesis.textures import random_texture, spectral_noise

_FAR = 10.0  # depth of the background
_LARGEST_TEXTURE = 1024


@dataclass(frozen=True)
class Mood:
    """What all layers of one clip share."""

    fog: float  # how much a unit of depth hides
    fog_colour: Array  # 3
    light: Array | None  # M 3: shading over time
    sun: Array | None  # M 2: pixels from a thing to its shadow
    sun_strength: float


class Casting:
    """Makes the layers of one clip.

    Parameters
    ----------
    rng
        All lots are drawn from it.
    times
        ``(M,)`` moments in frames.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        config: ProceduralConfig,
        times: Array,
        device: torch.device,
    ):
        self.rng, self.config, self.times, self.device = rng, config, times, device
        self.short = min(config.size)
        self.aspect = (config.size[0] / self.short, config.size[1] / self.short)
        self.camera = random_camera(rng, config)
        self.mood = self._mood()

    def layers(self) -> list[Layer]:
        """All layers, back to front; the first fills the picture."""
        rng, config = self.rng, self.config
        layers = [self._background()]
        if rng.random() < 0.3:
            layers.append(self._floor())
        layers += [self._scenery(z) for z in self._depths(config.scenery, 5, 8.5)]
        jobs = [(z, self._object) for z in self._depths(config.objects, 2.5, 5)]
        jobs += [(z, self._thin) for z in self._depths(config.thin, 2.5, 5)]
        jobs += [(z, self._creature) for z in self._depths(config.creatures, 2.5, 5)]
        for z, make in sorted(jobs, key=lambda job: -job[0]):
            layers += make(z)
        layers += [self._occluder(z) for z in self._depths(config.occluders, 1.4, 2.2)]
        for chance, dark in ((config.smoke, False), (0.35 * config.shadows, True)):
            if rng.random() < chance:
                layers.insert(int(rng.integers(1, len(layers) + 1)), self._veil(dark))
        return layers

    def _depths(self, count: Range, near: float, far: float) -> list[float]:
        number = self.rng.integers(count[0], count[1] + 1)
        return sorted(self.rng.uniform(near, far, number).tolist(), reverse=True)

    # -- kinds of layers -----------------------------------------------------------------------

    def _background(self) -> Layer:
        rng = self.rng
        tilt = rng.normal(0, 0.25, 2).clip(-0.5, 0.5)
        plane = Plane(1.0, constant(0, 0, _FAR), constant(*tilt, rng.uniform(-3.1, 3.1)), _STIFF)
        forward, texels = self._fill(plane)
        pixels = self._paint(self._texture(texels), None, _FAR, self._focus(0.5, 2.5))
        lattice = self._field(0.35, 0.5)
        return Layer("background", pixels, forward, lattice, endless=True)

    def _floor(self) -> Layer:
        rng = self.rng
        below = constant(0, rng.uniform(0.7, 1.2), 4.5)
        lean = constant(-rng.uniform(1.0, 1.25), 0, rng.normal(0, 0.05))
        plane = Plane(3.0, below, lean, constant(0.7, 0, 0))
        texels = self._texels(1.6)
        cover = shapes.coverage(torch.ones(texels, texels, device=self.device))
        pixels = self._paint(self._texture(texels), cover, 4.5, 0.8)
        return Layer("floor", pixels, self._forward(plane))

    def _scenery(self, depth: float) -> Layer:
        makers = (*shapes.SOLID, *shapes.THIN)
        radius = self.rng.uniform(0.15, 0.5)
        plane = self._plane(radius, depth, moving=False)
        return self._thing("scenery", makers, radius, depth, plane)

    def _object(self, depth: float) -> list[Layer]:
        radius = float(np.clip(np.exp(self.rng.normal(math.log(0.17), 0.45)), 0.06, 0.45))
        plane = self._plane(radius, depth, moving=True)
        return [self._thing("object", shapes.SOLID, radius, depth, plane, self._field())]

    def _thin(self, depth: float) -> list[Layer]:
        radius = self.rng.uniform(0.15, 0.5)
        plane = self._plane(radius, depth, moving=True)
        return [self._thing("thin", shapes.THIN, radius, depth, plane, self._field())]

    def _creature(self, depth: float) -> list[Layer]:
        """A body with limbs that swing, some of them with a joint more."""
        rng = self.rng
        radius = rng.uniform(0.09, 0.2)
        body = self._plane(radius, depth, moving=True)
        skin = self._texture(self._texels(radius))
        layers = []
        count = int(rng.integers(2, 6))
        for turn in rng.uniform(0, 6.3) + np.arange(count) * 2 * np.pi / count:
            joint = 0.55 * np.array([np.cos(turn), np.sin(turn)])
            pose = self._hinge(joint, rng.uniform(0.6, 1.1), turn)
            layers.append(
                self._thing("limb", (shapes.limb,), radius, depth, body, None, pose, skin)
            )
            if rng.random() < 0.5:
                lower = pose @ self._hinge(np.array([0.65, 0]), rng.uniform(0.6, 1), 0)
                layers.insert(
                    0, self._thing("limb", (shapes.limb,), radius, depth, body, None, lower, skin)
                )
        makers = (shapes.blob, shapes.slab, shapes.polygon)
        return [*layers, self._thing("body", makers, radius, depth, body, None, None, skin)]

    def _hinge(self, joint: Array, scale: float, angle: float) -> Array:
        speed = 0.12 * self.config.speed
        curve = swinging(self.rng, np.array([angle]), 0.7, speed, (8, 40))
        return hinge(joint, scale, curve.at(self.times)[:, 0])

    def _occluder(self, depth: float) -> Layer:
        radius = self.rng.uniform(0.35, 0.8)
        plane = self._plane(radius, depth, moving=self.rng.random() < 0.3)
        return self._thing("occluder", shapes.NEAR, radius, depth, plane, focus=self._focus(0.5, 3))

    def _veil(self, dark: bool) -> Layer:
        """Smoke, or the shadow of something outside the picture."""
        rng, config = self.rng, self.config
        drift = swinging(rng, np.array([0.0, 0, _FAR / 2]), np.array([4.0, 3, 0]), 0.12)
        plane = Plane(1.0, drift, constant(0, 0, rng.uniform(-3.1, 3.1)), _STIFF)
        forward, texels = self._fill(plane)
        texels = max(32, texels // 4)
        level = spectral_noise(rng, texels, self.device, rng.uniform(1.5, 2.2))
        most = rng.uniform(0.15, 0.5) if dark else rng.uniform(0.3, 1) * config.smoke_density
        sharp = rng.uniform(3, 12) if dark else rng.uniform(0.8, 2)
        cover = most * torch.sigmoid(sharp * (level - rng.uniform(-0.3, 0.7)))
        shade = 0.0 if dark else rng.choice([0.85, 0.85, 0.15])
        tone = torch.tensor(shade + rng.normal(0, 0.03, 3)).float().clamp(0, 1).to(self.device)
        pixels = torch.cat([tone[:, None, None] * cover, cover[None]])
        name = "shade" if dark else "smoke"
        lattice = None if dark else self._field(1.0, 1.0)
        return Layer(name, pixels, forward, lattice, solid=False, endless=True)

    # -- parts of layers -----------------------------------------------------------------------

    def _thing(
        self,
        name: str,
        makers: Sequence[shapes.Maker],
        radius: float,
        depth: float,
        plane: Plane,
        lattice: Tensor | None = None,
        pose: Array | None = None,
        texture: Tensor | None = None,
        focus: float | None = None,
    ) -> Layer:
        rng = self.rng
        texels = self._texels(radius) if texture is None else texture.shape[1]
        maker = makers[int(rng.integers(len(makers)))]
        cover = shapes.coverage(maker(rng, texels, self.device))
        if focus is None:
            focus = 0.0 if maker in shapes.THIN else self._focus(0.4, 1.4)
        if texture is None:
            texture = self._texture(texels)
        shadow = None
        if self.mood.sun is not None and rng.random() < 0.6:
            shift = self.mood.sun * rng.uniform(0.4, 1.6)
            shadow = Shadow(soft_copy(cover), torch.from_numpy(shift), self.mood.sun_strength)
        forward = self._forward(plane, pose)
        if rng.random() < 0.6:
            texture = rounded_off(texture, cover, rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1))
        pixels = self._paint(texture, cover, depth, focus)
        light = None if self.mood.light is None else torch.from_numpy(self.mood.light)
        return Layer(name, pixels, forward, lattice, shading=light, shadow=shadow)

    def _forward(self, plane: Plane, pose: Array | None = None) -> Tensor:
        forward = plane.homographies(self.camera, self.times)
        return torch.from_numpy(forward if pose is None else forward @ pose)

    def _fill(self, plane: Plane) -> tuple[Tensor, int]:
        """Make a plane large enough for all the camera sees: homographies, side in texels."""
        width, height = self.config.size
        corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]).T - 0.5
        corners[2] = 1
        # Of whole frames only, so that motion blur does not change the scene.
        frames = np.arange(self.config.frames, dtype=np.float64)
        places = np.linalg.inv(plane.homographies(self.camera, frames)) @ corners
        if places[:, 2].min() <= 0.02:  # the horizon comes into view: stand it upright
            return self._fill(replace(plane, angles=constant(0, 0, 0)))
        half = 1.1 * float(np.abs(places[:, :2] / places[:, 2:]).max())
        texels = 2 * half * self.camera.focal * self.short / _depth(plane)
        forward = self._forward(replace(plane, half=half))
        return forward, _rounded(texels)

    def _texels(self, radius: float) -> int:
        return _rounded(2.3 * radius * self.short)

    def _texture(self, texels: int) -> Tensor:
        rng, config = self.rng, self.config
        plain = rng.random() < config.textureless
        if config.textures is not None and not plain and rng.random() < 0.85:
            return random_cutting(rng, config.textures, texels, self.device)
        repeated = 0.0 if plain else config.repeated
        return random_texture(rng, texels, self.device, float(plain), repeated)

    def _paint(self, texture: Tensor, cover: Tensor | None, depth: float, focus: float) -> Tensor:
        """Texture, coverage, haze and defocus as premultiplied ``(4, S, S)``."""
        hidden = min(0.8, 1 - math.exp(-self.mood.fog * depth))
        if hidden:
            haze = torch.from_numpy(self.mood.fog_colour).float().to(self.device)
            texture = torch.lerp(texture, haze[:, None, None].expand_as(texture), hidden)
        if cover is None:
            cover = torch.ones_like(texture[0])
        pixels = torch.cat([texture * cover, cover[None]])
        return blurred(pixels, focus) if focus > 0.3 else pixels

    def _focus(self, least: float, most: float) -> float:
        """Defocus in pixels: 0 for most layers."""
        if self.rng.random() >= self.config.defocus:
            return 0.0
        return float(self.rng.uniform(least, most)) * self.short / 128

    def _field(self, share: float = 1.0, strength: float = 1.0) -> Tensor | None:
        rng = self.rng
        if rng.random() >= self.config.deform * share:
            return None
        lattice = random_field(rng, self.times, strength * rng.uniform(0.3, 1))
        return torch.from_numpy(lattice)

    def _plane(self, radius: float, depth: float, moving: bool) -> Plane:
        """A thing's path through the world; it is in the picture at some moment."""
        rng, frames = self.rng, self.config.frames
        anchor = float(rng.uniform(0, frames - 1))
        place = rng.uniform(-0.45, 0.45, 2) * self.aspect
        path = (
            random_path(rng, place, anchor, frames, self.config.speed, radius) if moving else None
        )
        matrix = rotations(self.camera.angles.at(np.array([anchor])))[0]
        eye = self.camera.position.at(np.array([anchor]))[0]
        scale = depth / self.camera.focal
        centre = eye + matrix @ np.array([*(place * scale), depth])
        if path is None:
            position: Curve = constant(*centre)
            angles, stretch = constant(*rng.normal(0, 0.2, 2), rng.normal(0, 0.3)), _STIFF
        else:
            stretched = np.array([scale, scale, 0.35])
            position = replace(
                path,
                value=centre,
                velocity=path.velocity * stretched,
                amplitude=path.amplitude * stretched,
                hop=path.hop * stretched,
            )
            angles, stretch = random_turning(rng, anchor, self.config.speed)
        return Plane(radius * scale, position, angles, stretch)

    def _mood(self) -> Mood:
        rng, config = self.rng, self.config
        light = sun = None
        if rng.random() < config.light:
            light = swinging(rng, rng.normal(0, [0.15, 0.15, 0.1]), 0.2, 0.03).at(self.times)
        if rng.random() < config.shadows:
            heading = rng.uniform(0, 2 * np.pi)
            length = rng.uniform(0.02, 0.1)
            cast = length * np.array([math.cos(heading), math.sin(heading)])
            sun = self.short * swinging(rng, cast, 0.5 * length, 0.004).at(self.times)
        fog = rng.uniform(0.02, 0.11) if rng.random() < config.fog else 0.0
        colour = np.clip(rng.uniform(0.5, 0.95) + rng.normal(0, 0.03, 3), 0, 1)
        return Mood(fog, colour, light, sun, float(rng.uniform(0.2, 0.65)))


_STIFF = constant(0, 0, 0)


def _depth(plane: Plane) -> float:
    return float(plane.position.value[2])


def _rounded(texels: float) -> int:
    """A side that the Fourier transform likes."""
    return min(_LARGEST_TEXTURE, 32 * max(1, math.ceil(texels / 32)))
