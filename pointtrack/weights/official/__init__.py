"""Official checkpoints: their tensors under their published names, put into our networks."""

from pointtrack.weights.official.loading import load_official
from pointtrack.weights.official.recipes import Recipe, Recipes, renamed

__all__ = ["Recipe", "Recipes", "load_official", "renamed"]
