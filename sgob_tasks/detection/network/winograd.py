"""3x3 convolutions with a quarter of the multiplications, for CPUs.

Winograd's minimal filtering, Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (arXiv 1509.09308),
F(4 x 4, 3 x 3): a tile of 4 x 4 results comes from 6 x 6 cells and needs 36 products in place of 144. cuDNN chooses it
on GPUs by itself; TensorFlow on CPUs never does. Rounding differs from the direct sum by about 1e-4 of the results'
standard deviation at most, so training and export keep the direct sum, and finding on CPUs asks for this one
(:func:`preferred`).

The products are matrix products, for which CPUs have their fastest code. What is won is easily lost by moving the tiles
between memory and processor: hence strips of a picture that stay in the processor's cache from the first sum to the
last, and no strided slices, which TensorFlow copies number by number.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import tensorflow as tf

TILE = 4
"""Rows and columns of results a tile."""

WINDOW = TILE + 2
"""Rows and columns of cells that a tile is computed from."""

KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
"""Sums of three weights in a row (G)."""

LARGEST_DIRECT = 2047
"""Of fewer results a channel the direct sum is about as fast."""

NARROWEST = 256
"""With fewer channels the sums cost as much as the products save."""

TILES_A_STRIP = 512
"""Tiles that are computed together: 18 MB between the sums with 256 channels."""

_preferred: ContextVar[bool] = ContextVar("winograd_preferred", default=False)


@contextmanager
def preferred(wanted: bool = True) -> Iterator[None]:
    """Let layers that are traced in this context use Winograd's convolution where :func:`pays` says so."""
    token = _preferred.set(wanted)
    try:
        yield
    finally:
        _preferred.reset(token)


def pays(x: Any, kernel: Any) -> bool:
    """Return whether the convolution is wanted here (:func:`preferred`) and faster than the direct sum.

    It does not depend on the batch size: a picture is computed in the same way in any batch.

    Args:
        x: ``[B, H, W, C]``.
        kernel: ``[h, w, C, O]``.
    """
    if not _preferred.get() or tuple(kernel.shape[:2]) != (3, 3) or x.dtype != tf.float32:
        return False
    height, width, channels = x.shape[1:]
    if height is None or width is None or min(channels, kernel.shape[3]) < NARROWEST:
        return False
    return bool(height * width > LARGEST_DIRECT)


def convolve(x: Any, kernel: Any, bias: Any, *, activate: bool, then: tuple[Any, Any] | None = None) -> Any:
    """Return the 3x3 convolution with a border of zeros, with what follows it.

    Args:
        x: ``[B, H, W, C]``; all but B known.
        kernel: ``[3, 3, C, O]``.
        bias: ``[O]``.
        activate: apply a ReLU.
        then: kernel ``[O, P]`` and bias ``[P]`` of a 1x1 convolution after that.

    Returns:
        ``[B, H, W, O]``, or ``[B, H, W, P]``.
    """
    found = _convolve(x, kernel, bias, then, activate)
    return tf.ensure_shape(found, [*x.shape[:3], kernel.shape[3] if then is None else then[0].shape[1]])


# One graph for all convolutions of a shape, kept as a function of its own where TensorFlow (from 2.12 on) can do that:
# dozens of copies, each of a hundred operations and more, would take it longer to optimise than a picture takes.
_APART = {"experimental_attributes": {"_noinline": True}}


@tf.function(  # type: ignore[untyped-decorator]
    autograph=False, **(_APART if "experimental_attributes" in inspect.signature(tf.function).parameters else {})
)
def _convolve(x: Any, kernel: Any, bias: Any, then: tuple[Any, Any] | None, activate: bool) -> Any:
    height, width, channels = x.shape[1:]
    down, across = -(-height // TILE), -(-width // TILE)
    strips = -(-down * across // TILES_A_STRIP)
    rows = -(-down // strips)
    strips = -(-down // rows)
    matrices = _transformed(kernel)
    # One cell before; after, up to a whole tile beyond the last one, so that the cells can be told off in tiles.
    ends = ((strips * rows + 1) * TILE - 1 - height, (across + 1) * TILE - 1 - width)
    padded = tf.pad(x, [[0, 0], [1, ends[0]], [1, ends[1]], [0, 0]])
    window = [1, (rows + 1) * TILE, (across + 1) * TILE, channels]
    strip_shape = [rows * TILE, across * TILE, kernel.shape[3] if then is None else then[0].shape[1]]

    def strip(number: Any) -> Any:
        cells = tf.slice(padded, [number // strips, number % strips * rows * TILE, 0, 0], window)
        tiles = _entered(tf.reshape(cells, window[1:]), rows, across)
        products = [[tf.matmul(tiles[b][a], matrices[a][b]) for a in range(WINDOW)] for b in range(WINDOW)]
        results = tf.nn.bias_add(_left(products, rows, across), bias)
        if activate:
            results = tf.nn.relu(results)
        if then is not None:
            results = tf.matmul(tf.reshape(results, [-1, kernel.shape[3]]), then[0]) + then[1]
        return tf.reshape(results, strip_shape)

    if strips == 1 and x.shape[0] == 1:
        results = strip(0)
    else:
        numbers, of_strip = tf.range(tf.shape(x)[0] * strips), tf.TensorSpec(strip_shape, x.dtype)
        results = tf.map_fn(strip, numbers, parallel_iterations=1, fn_output_signature=of_strip)
    results = tf.reshape(results, [-1, strips * rows * TILE, across * TILE, strip_shape[-1]])
    return results[:, :height, :width]


def _transformed(kernel: Any) -> list[list[Any]]:
    """Return the kernel ``[3, 3, C, O]`` as the 6 x 6 matrices ``[C, O]`` that tiles are multiplied by."""
    both = np.kron(np.array(KERNEL), np.array(KERNEL)).astype(np.float32)
    matrices = tf.matmul(tf.constant(both), tf.reshape(kernel, [9, -1]))
    matrices = tf.unstack(tf.reshape(matrices, [WINDOW * WINDOW, *kernel.shape[2:]]))
    return [matrices[row * WINDOW : (row + 1) * WINDOW] for row in range(WINDOW)]


def _entered(cells: Any, rows: int, across: int) -> list[list[Any]]:
    """Return the sums of the cells of a strip's tiles, ``[tiles, C]`` each: by column, then row of the window."""
    channels = cells.shape[-1]
    lines = tf.reshape(cells, [rows + 1, TILE, (across + 1) * TILE, channels])
    sums = enter(*(lines[a // TILE : a // TILE + rows, a % TILE] for a in range(WINDOW)))
    columns = tf.reshape(tf.stack(sums), [WINDOW, rows, across + 1, TILE, channels])
    sums = enter(*(columns[:, :, b // TILE : b // TILE + across, b % TILE] for b in range(WINDOW)))
    return [tf.unstack(tf.reshape(column, [WINDOW, rows * across, channels])) for column in sums]


def _left(products: Sequence[Sequence[Any]], rows: int, across: int) -> Any:
    """Return the results ``[rows * TILE, across * TILE, O]`` from the products, by column, then row."""
    columns = tf.stack(leave(*(tf.stack(column) for column in products)), 2)
    lines = tf.stack(leave(*tf.unstack(columns)))
    lines = tf.reshape(lines, [TILE, rows, across * TILE, lines.shape[-1]])
    return tf.reshape(tf.transpose(lines, [1, 0, 2, 3]), [rows * TILE, across * TILE, lines.shape[-1]])


def enter(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Return the six sums of six cells in a row (the paper's B transposed), with what they share computed once."""
    even, odd = e - 4.0 * c, d - 4.0 * b
    near, twice = e - c, 2.0 * (d - b)
    return 4.0 * a - 5.0 * c + e, even + odd, even - odd, near + twice, near - twice, 4.0 * b - 5.0 * d + f


def leave(a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> tuple[Any, Any, Any, Any]:
    """Return four results from the six products of a row (A transposed)."""
    plus, minus, far, across = b + c, b - c, d + e, d - e
    return a + plus + far, minus + 2.0 * across, plus + 4.0 * far, minus + 8.0 * across + f
