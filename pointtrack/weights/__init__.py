"""What is known of every model, and how its weights are fetched and read.

Reading and downloading are in modules of their own, which load PyTorch only when they are used.
"""

from pointtrack.weights.cards import ModelCard, OfficialFile, PublishedProtocol
from pointtrack.weights.published import PUBLISHED

__all__ = ["PUBLISHED", "ModelCard", "OfficialFile", "PublishedProtocol"]
