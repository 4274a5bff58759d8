"""Torch modules only, one file a model: no I/O, no resizing, no coordinates of the user."""
