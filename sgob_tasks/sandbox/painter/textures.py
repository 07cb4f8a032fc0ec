"""Grain, clouds, canvas and cracks: made once per size, used a little shifted in every picture."""

from __future__ import annotations

import random
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

FloatArray = npt.NDArray[np.float32]

POOL = 4
"""Different textures of each kind."""


def _field(generator: np.random.Generator, size: tuple[int, int], cells: tuple[int, int]) -> FloatArray:
    """Return smooth noise in -1..1, float32 ``[height, width]``, with ``cells`` bumps across and down."""
    coarse = generator.uniform(-1, 1, (cells[1], cells[0])).astype(np.float32)
    smooth = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32)


@lru_cache(maxsize=64)
def _clouds(size: tuple[int, int], index: int) -> FloatArray:
    generator = np.random.default_rng([11, index])
    wide = (
        _field(generator, size, (4, 5))
        + 0.5 * _field(generator, size, (9, 13))
        + 0.25 * _field(generator, size, (24, 32))
    )
    return np.asarray(wide / 1.4, dtype=np.float32)


@lru_cache(maxsize=64)
def _strokes(size: tuple[int, int], index: int) -> FloatArray:
    generator = np.random.default_rng([12, index])
    width, height = size
    slanted = _field(generator, (width, height), (max(4, width // 22), max(8, height // 4)))
    fine = _field(generator, (width, height), (max(4, width // 5), max(4, height // 3)))
    return np.asarray(1.0 + 0.06 * slanted + 0.045 * fine, dtype=np.float32)


@lru_cache(maxsize=64)
def _canvas(size: tuple[int, int], index: int) -> FloatArray:
    generator = np.random.default_rng([13, index])
    width, height = size
    weave = generator.uniform(0.985, 1.015, (height, 1)) * generator.uniform(0.985, 1.015, (1, width))
    return np.asarray(weave + generator.normal(0, 0.012, (height, width)), dtype=np.float32)


@lru_cache(maxsize=64)
def _cracks(size: tuple[int, int], index: int) -> FloatArray:
    """Return craquelure as a factor: the borders between the cells of a Voronoi diagram."""
    generator = np.random.default_rng([14, index])
    width, height = size
    seeds = generator.uniform(0, 1, (300, 2)) * [width, height]
    bend = 3.0 * _field(generator, size, (20, 16))
    x = np.arange(width, dtype=np.float32)[None, :] + bend
    y = np.arange(height, dtype=np.float32)[:, None] + bend[::-1]
    first = np.full((height, width), np.inf, dtype=np.float32)
    second = first.copy()
    for sx, sy in seeds.astype(np.float32):
        distance = np.hypot(x - sx, (y - sy) * 1.25)
        second = np.minimum(second, np.maximum(first, distance))
        first = np.minimum(first, distance)
    return (1.0 - 0.24 * np.clip(1.0 - (second - first) / 0.9, 0, 1)).astype(np.float32)


def _pick(rng: random.Random, field: FloatArray) -> FloatArray:
    if rng.random() < 0.5:
        field = field[:, ::-1]
    if rng.random() < 0.5:
        field = field[::-1]
    return field


def clouds(rng: random.Random, size: tuple[int, int]) -> FloatArray:
    """Return soft noise in about -1..1."""
    return _pick(rng, _clouds(size, rng.randrange(POOL)))


def strokes(rng: random.Random, size: tuple[int, int]) -> FloatArray:
    """Return brush strokes, a factor around 1."""
    return _pick(rng, _strokes(size, rng.randrange(POOL)))


def canvas(rng: random.Random, size: tuple[int, int]) -> FloatArray:
    """Return woven canvas, a factor around 1."""
    return _pick(rng, _canvas(size, rng.randrange(POOL)))


def cracks(rng: random.Random, size: tuple[int, int]) -> FloatArray:
    """Return craquelure, a factor up to 1."""
    return _pick(rng, _cracks(size, rng.randrange(POOL)))


@lru_cache(maxsize=16)
def vignette(size: tuple[int, int]) -> FloatArray:
    """Return the darkening towards the corners, a factor from 1 in the middle."""
    width, height = size
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    return (1.0 - 0.2 * np.clip((x**2 + y**2) / 2, 0, 1) ** 1.5).astype(np.float32)
