"""Made videos with exact tracks: procedural scenes."""

from pointtrack.synthesis.config import PRESETS, ProceduralConfig, preset, without_effects
from pointtrack.synthesis.procedural import SyntheticClip, generate, make_scene
from pointtrack.synthesis.scene import ClipScene

__all__ = [
    "PRESETS",
    "ClipScene",
    "ProceduralConfig",
    "SyntheticClip",
    "generate",
    "make_scene",
    "preset",
    "without_effects",
]
