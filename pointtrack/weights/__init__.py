"""What is known of every model: its card. Weights themselves join with the trained models."""

from pointtrack.weights.cards import ModelCard

__all__ = ["ModelCard"]
