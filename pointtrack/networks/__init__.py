"""Torch modules only, one file a model: no I/O, no resizing, no coordinates of the user.

`build` makes a network by the name of its variant, with random weights::

    network = build("raft_large")
"""

from pointtrack.networks.registry import build, variants

__all__ = ["build", "variants"]
