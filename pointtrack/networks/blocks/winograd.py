"""3 x 3 convolutions with a half to a quarter of the multiplications, for inference on a CPU.

Winograd's F(m x n, 3 x 3) (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks,
CVPR 2016): every m x n cells of the output are made of (m + 2) x (n + 2) cells of the input,
which are transformed, multiplied with the transformed kernel channel by channel, and transformed
back. All three are matrix products.

A CPU's plain convolution already runs at the speed of its multiplications, so fewer of them is
what there is to gain. On a GPU the libraries choose such algorithms themselves.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

STRIP = 1 << 20  # bytes of transformed input at a time: they stay in the cache

# Rows and columns of a tile. Larger ones multiply less and round off more: beside the plain sum,
# (2, 2) half as much, (4, 2) as much, (4, 4) nearly twice as much.
Tile = tuple[int, int]

# Where polynomials are evaluated, by m. For 4, 5/8 and 3/2 round off half as much as the usual 1
# and 2; all their powers are exact in binary.
POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.625, -0.625, 1.5, -1.5)}


def _matrices(points: tuple[float, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Toom and Cook's transforms of the input, the kernel and the output along one axis.

    ``(m + 2, m + 2)``, ``(m + 2, 3)`` and ``(m, m + 2)``, float64. The last point is infinity.
    """
    tile = len(points) - 1
    at = torch.tensor(points, dtype=torch.float64)
    apart = (at[:, None] - at).fill_diagonal_(1).prod(1, keepdim=True)
    powers = at[:, None] ** torch.arange(max(tile, 3))
    kernel = torch.cat([powers[:, :3] / apart, at.new_tensor([[0, 0, 1]])])
    output = torch.cat([powers[:, :tile], F.one_hot(torch.tensor([tile - 1]), tile)])
    others = [[p for p in points if p != point] for point in points]
    given = [_polynomial(roots, tile + 2) for roots in (*others, points)]
    return torch.stack(given), kernel, output.T


def _polynomial(roots: Sequence[float], size: int) -> Tensor:
    """Coefficients of the product of all ``x - root``, lowest power first, filled with zeros."""
    made = torch.zeros(size, dtype=torch.float64)
    made[0] = 1
    for root in roots:
        made = made.roll(1) - root * made
    return made


# Both axes at once, so that a tile is a row of (m + 2) (n + 2) numbers.
_ALONG = {tile: _matrices(points) for tile, points in POINTS.items()}
_TRANSFORMS = {
    (m, n): tuple(torch.kron(*pair) for pair in zip(_ALONG[m], _ALONG[n], strict=True))
    for m, n in itertools.product(POINTS, repeat=2)
}


def transformed(weight: Tensor, tile: Tile) -> Tensor:
    """A kernel ``(out, in, 3, 3)`` as `convolve` takes it, ``(m + 2, n + 2, in, out)``."""
    outputs, inputs = weight.shape[:2]
    rows = weight.double().permute(2, 3, 1, 0).reshape(9, -1)
    made = (_TRANSFORMS[tile][1] @ rows).to(weight.dtype)
    return made.view(tile[0] + 2, tile[1] + 2, inputs, outputs)


def convolve(maps: Tensor, kernel: Tensor) -> Tensor:
    """Convolve ``(F, h, w, in)`` with a `transformed` kernel; one zero around: ``(F, h, w, out)``.

    On the CPU, without gradients.
    """
    frames, height, width, inputs = maps.shape
    tall, wide, _, outputs = kernel.shape
    m, n = tall - 2, wide - 2
    given, _, back = (matrix.to(maps.dtype) for matrix in _TRANSFORMS[m, n])
    rows, columns = -(-height // m), -(-width // n)
    below, right = rows * m + 1 - height, columns * n + 1 - width
    padded = F.pad(maps, (0, 0, 1, right, 1, below))
    frame, line, cell, _ = padded.stride()
    tiles = padded.as_strided(
        (tall, wide, frames, rows, columns, inputs),
        (line, cell, frame, m * line, n * cell, 1),
    )
    made = maps.new_empty(frames, rows, m, columns, n, outputs)
    # The whole kernel is read for every strip: a large one must be worth it.
    strip = max(STRIP, kernel.nbytes // 2)
    step = max(1, strip // (4 * tall * wide * frames * columns * max(inputs, outputs)))
    for first in range(0, rows, step):
        part = slice(first, first + step)
        seen = given @ tiles[:, :, :, part].reshape(tall * wide, -1)
        product = torch.bmm(seen.view(tall * wide, -1, inputs), kernel.flatten(0, 1))
        values = (back @ product.flatten(1)).view(m, n, frames, -1, columns, outputs)
        made[:, part] = values.permute(2, 3, 0, 4, 1, 5)
    return made.view(frames, rows * m, columns * n, outputs)[:, :height, :width]
