"""Scenes made and rendered by Blender, in PointOdyssey's on-disk format."""
