"""Anchors: the boxes that the region proposal network corrects."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sgob_tasks.detection.boxes import normalise
from sgob_tasks.detection.config import DetectorConfig


def level_shape(config: DetectorConfig, level: int) -> int:
    """Return the side of the feature map at a pyramid level, in cells."""
    return math.ceil(config.image_size / (1 << level))


def level_anchors(config: DetectorConfig, level: int, sizes: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """Return the anchors of one level as ``[cells * anchors_per_cell, (y1, x1, y2, x2)]`` in pixels.

    Order: rows, columns, sizes, ratios. An anchor of size s and ratio r is s * sqrt(r) wide and s / sqrt(r) high, and
    centred on the cell's first pixel, as in the Matterport implementation.
    """
    root = np.sqrt(np.asarray(config.anchor_ratios))
    heights = np.concatenate([size / root for size in sizes])
    widths = np.concatenate([size * root for size in sizes])
    positions = np.arange(level_shape(config, level), dtype=np.float64) * 2**level
    y, x = np.meshgrid(positions, positions, indexing="ij")
    centres = np.stack([y, x], axis=-1).reshape(-1, 1, 2)
    half = np.stack([heights, widths], axis=-1)[None] / 2
    corners: npt.NDArray[np.float64] = np.concatenate([centres - half, centres + half], axis=-1).reshape(-1, 4)
    return corners


def pyramid_anchors(config: DetectorConfig) -> npt.NDArray[np.float32]:
    """Return all anchors, level after level, as ``[A, (y1, x1, y2, x2)]`` in network coordinates (not clipped)."""
    levels = zip(config.rpn_levels, config.anchor_sizes, strict=True)
    anchors = np.concatenate([level_anchors(config, level, sizes) for level, sizes in levels])
    return normalise(anchors, config.image_size).astype(np.float32)
