"""What time does to a painting, as augmentation: yellowed varnish, faded contrast, craquelure, stains, grain.

The looks, not the chemistry: each effect is one table, one map or one addition in Pillow's C code, so that all together
take a few milliseconds per picture. Geometry is never touched: boxes and masks stay as they are.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

from sgob_tasks.detection.pictures import Pixels

Table = npt.NDArray[np.float64]
"""``[256, 3]``: the new value of each old one, per channel."""

_TILE = 512
"""Side in pixels of the prepared crack patterns."""

_TILES = 4
_VARNISH = np.array([0.04, 0.14, 0.42])
"""Share of red, green and blue light that a fully yellowed varnish takes."""

_FADED_TO = np.array([132.0, 122.0, 104.0])
"""The warm grey that shadows and lights drift towards."""


def varnish(table: Table, amount: float) -> Table:
    """Yellow: the light is filtered, blue most."""
    result: Table = table * (1 - amount * _VARNISH)
    return result


def fade(table: Table, amount: float) -> Table:
    """Take contrast away: all values move towards a warm grey by up to a half."""
    result: Table = table + (_FADED_TO - table) * (amount / 2)
    return result


def apply_table(picture: Image.Image, table: Table) -> Image.Image:
    """Replace the values of an RGB picture."""
    values = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return picture.point(values.T.ravel().tolist())


@functools.lru_cache(maxsize=_TILES)
def crack_tile(number: int) -> Image.Image:
    """Return a pattern of fine cracks: 0 on a crack, 255 off it; the same for the same number, made once.

    Cracks are the borders between the cells of scattered points, as paint layers tear: a pixel is on one where the
    nearest point is hardly nearer than the second nearest. Their strength varies, so that they break off.
    """
    rng = np.random.default_rng([0xC4AC, number])
    cell = (14, 20, 28, 40)[number % _TILES]
    grid = _TILE // cell + 3
    y, x = np.mgrid[:_TILE, :_TILE].astype(np.float32)
    points = (np.indices((grid, grid)).transpose(1, 2, 0) - 1 + rng.random((grid, grid, 2))) * cell
    row, column = (y // cell).astype(np.intp) + 1, (x // cell).astype(np.intp) + 1
    nearest = np.full((_TILE, _TILE), np.inf, np.float32)
    second = nearest.copy()
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            point = points[row + down, column + right]
            distance = np.hypot(y - point[..., 0], x - point[..., 1]).astype(np.float32)
            second = np.minimum(second, np.maximum(nearest, distance))
            nearest = np.minimum(nearest, distance)
    line = np.clip(1.2 - (second - nearest), 0, 1)
    strength = np.asarray(_soft_noise(rng, _TILE, _TILE, 9), np.float32) / 255
    return Image.fromarray((255 * (1 - line * np.clip(2.2 * strength - 0.5, 0, 1))).astype(np.uint8))


def _soft_noise(rng: np.random.Generator, width: int, height: int, knots: int) -> Image.Image:
    """Return smooth random values from 0 to 255 that vary over a ``knots``-th of the picture."""
    coarse = rng.integers(0, 256, (knots, knots), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def cracks(width: int, height: int, amount: float, rng: np.random.Generator) -> Image.Image:
    """Return a map of light left by cracks, 255 where there is none: a turned cut of a prepared pattern, scaled."""
    tile = crack_tile(int(rng.integers(_TILES)))
    side = min(_TILE, int(rng.uniform(0.5, 1.0) * max(width, height, 64)))
    cut_width, cut_height = max(1, side * width // max(width, height)), max(1, side * height // max(width, height))
    left, top = int(rng.integers(_TILE - cut_width + 1)), int(rng.integers(_TILE - cut_height + 1))
    cut = tile.crop((left, top, left + cut_width, top + cut_height))
    if rng.random() < 0.5:
        cut = cut.transpose(Image.Transpose.ROTATE_180)
    faint = 1 - 0.7 * amount
    return cut.resize((width, height), Image.Resampling.BILINEAR).point(
        [round(255 - (255 - v) * (1 - faint)) for v in range(256)]
    )


def stains(width: int, height: int, amount: float, rng: np.random.Generator) -> Image.Image:
    """Return a map of light left by dirt and damp: soft dark patches on a ground that stays as it is."""
    noise = _soft_noise(rng, width, height, int(rng.integers(4, 8)))
    return noise.point([255 - round(max(0, v - 140) / 115 * 150 * amount) for v in range(256)])


def grain(picture: Image.Image, amount: float, rng: np.random.Generator) -> Image.Image:
    """Add grey noise of up to ``24 * amount`` steps, as of a coarse canvas or an old photograph."""
    width, height = picture.size
    noise = Image.frombytes("L", (width, height), rng.bytes(width * height))
    reach = 24 * amount
    scaled = noise.point([round(reach + (v / 127.5 - 1) * reach) for v in range(256)])
    return ImageChops.add(picture, Image.merge("RGB", (scaled,) * 3), 1, -round(reach))


def content_box(pixels: Pixels) -> tuple[int, int, int, int] | None:
    """Return the part of a square that is not padding (zeros) as ``(left, top, right, bottom)``; None if all is."""
    return Image.fromarray(pixels).getbbox()
