"""Made videos with exact tracks: procedural scenes, and scenes rendered by Blender.

The names below are imported when they are first used: Blender's worker runs where there may be
no PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "PRESETS": "config",
    "ProceduralConfig": "config",
    "preset": "config",
    "without_effects": "config",
    "SyntheticClip": "procedural",
    "generate": "procedural",
    "make_scene": "procedural",
    "ClipScene": "scene",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
