"""Dot products of templates with what lies around points, without a cost volume.

Interpolation and dot product are both linear, so the product is taken with whole pixels and
interpolated afterwards: one read of ``(n + 1)`` squared pixels in place of ``n`` squared
interpolated ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pointtrack.networks.blocks.portions import portions
from pointtrack.networks.blocks.sampling import (
    Order,
    Outside,
    gather,
    interpolate,
    patch_index,
    patch_inside,
)

CHUNK = 1 << 22  # numbers gathered at a time: what stays in the cache is read once


def local_correlation(
    maps: Tensor,
    which: Tensor,
    xy: Tensor,
    templates: Tensor,
    radius: int,
    outside: Outside = "edge",
    order: Order = "yx",
) -> Tensor:
    """Compare templates with the windows around points.

    Parameters
    ----------
    maps
        ``(F, h, w, C)``.
    which
        ``(P, M)``: number of each point's map.
    xy
        ``(P, M, 2)`` indices of the map: P tracks with M positions each.
    templates
        ``(P, K, C)``: K templates of each track, which all its positions share.
    radius
        Of the window, in pixels of the map.
    outside
        What lies outside the map.
    order
        Of the window's axes.

    Returns
    -------
    Tensor
        ``(P, M, n, n, K)`` dot products, ``n = 2 radius + 1``.
    """
    num_tracks, num_positions = xy.shape[:2]
    side = 2 * radius + 2
    if num_tracks == 0:
        return xy.new_zeros(0, num_positions, side - 1, side - 1, templates.shape[1])
    parts = []
    for part in portions(num_tracks, num_positions * side * side * maps.shape[-1], CHUNK):
        index, fraction = patch_index(maps.shape[1:3], which[part], xy[part], radius, order)
        pixels = gather(maps, index.flatten(1))  # p M*side*side C
        products = pixels @ templates[part].mT  # p M*side*side K
        products = products.view(*index.shape, -1)
        if outside == "zeros":
            inside = patch_inside(maps.shape[1:3], xy[part], radius, order)
            products = products * inside[..., None]
        parts.append(interpolate(products, fraction))
    return torch.cat(parts)
