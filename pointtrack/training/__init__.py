"""Feeding and training the networks: samplers, augmentations, shards, losses."""
