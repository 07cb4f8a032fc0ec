"""Augmentation of training pictures: mirror, zoom, shift, stretch and colour. All of it keeps every object whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from sgob_tasks.detection.pictures import Pixels

Boxes = npt.NDArray[np.float64]
Masks = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Augmentation:
    """How far pictures are changed.

    Attributes:
        mirror: probability of a mirror image.
        zoom: smallest and largest factor of size.
        stretch: largest change of the aspect ratio, as a share.
        colour: largest change of brightness, contrast and each channel, as a share.
    """

    mirror: float = 0.5
    zoom: tuple[float, float] = (0.75, 1.35)
    stretch: float = 0.12
    colour: float = 0.15


def mirror(pixels: Pixels, boxes: Boxes, masks: Masks) -> tuple[Pixels, Boxes, Masks]:
    """Mirror left and right.

    Args:
        pixels: ``[S, S, 3]``.
        boxes: ``[N, (y1, x1, y2, x2)]`` in pixels.
        masks: ``[N, m, m]`` relative to the boxes.
    """
    side = pixels.shape[1]
    y1, x1, y2, x2 = boxes.T
    return pixels[:, ::-1], np.stack([y1, side - x2, y2, side - x1], axis=-1), masks[:, :, ::-1]


def _shift(low: float, high: float, scale: float, side: int, rng: np.random.Generator) -> float:
    """Choose a shift for which ``[low, high] * scale + shift`` stays inside ``[0, side]``; it must fit."""
    first = -low * scale
    return float(rng.uniform(first, max(first, side - high * scale)))  # rounding may leave less than no room


def rescale(
    pixels: Pixels, boxes: Boxes, zoom: float, stretch: float, rng: np.random.Generator
) -> tuple[Pixels, Boxes]:
    """Zoom and shift the square such that all boxes stay whole; the zoom is reduced where they would not.

    Args:
        pixels: ``[S, S, 3]``.
        boxes: ``[N, (y1, x1, y2, x2)]`` in pixels.
        zoom: factor of size.
        stretch: width grows and height shrinks by the root of it.
        rng: chooses the shift.
    """
    side = pixels.shape[0]
    y1, x1, y2, x2 = _hull(boxes, side)
    scale_y = min(zoom / np.sqrt(stretch), side / (y2 - y1))
    scale_x = min(zoom * np.sqrt(stretch), side / (x2 - x1))
    top, left = _shift(y1, y2, scale_y, side, rng), _shift(x1, x2, scale_x, side, rng)
    inverse = (1 / scale_x, 0.0, -left / scale_x, 0.0, 1 / scale_y, -top / scale_y)
    moved = Image.fromarray(pixels).transform((side, side), Image.Transform.AFFINE, inverse, Image.Resampling.BILINEAR)
    return np.asarray(moved), _scaled(boxes, scale_y, scale_x, top, left)


def _hull(boxes: Boxes, side: int) -> tuple[float, float, float, float]:
    """Return the smallest box around all boxes; the middle third where there is none."""
    if not len(boxes):
        return side / 3, side / 3, 2 * side / 3, 2 * side / 3
    y1, x1 = boxes[:, :2].min(axis=0)
    y2, x2 = boxes[:, 2:].max(axis=0)
    return float(y1), float(x1), float(y2), float(x2)


def _scaled(boxes: Boxes, scale_y: float, scale_x: float, top: float, left: float) -> Boxes:
    moved: Boxes = boxes * np.array([scale_y, scale_x, scale_y, scale_x]) + np.array([top, left, top, left])
    return moved


def recolour(pixels: Pixels, amount: float, rng: np.random.Generator) -> Pixels:
    """Change brightness, contrast and the channels' gains, each by up to ``amount``."""
    gain = rng.uniform(1 - amount, 1 + amount, 3) * rng.uniform(1 - amount, 1 + amount)
    offset = 255 * rng.uniform(-amount, amount) / 2
    steps = np.arange(256, dtype=np.float64)[:, None]
    table = np.clip(steps * gain + offset, 0, 255).astype(np.uint8)
    return np.stack([table[pixels[..., channel], channel] for channel in range(3)], axis=-1)


def augment(
    pixels: Pixels, boxes: Boxes, masks: Masks, options: Augmentation, rng: np.random.Generator
) -> tuple[Pixels, Boxes, Masks]:
    """Apply a random mixture of all.

    Args:
        pixels: ``[S, S, 3]``.
        boxes: ``[N, (y1, x1, y2, x2)]`` in pixels.
        masks: ``[N, m, m]`` relative to the boxes.
        options: how far.
        rng: the source of chance.
    """
    if rng.random() < options.mirror:
        pixels, boxes, masks = mirror(pixels, boxes, masks)
    zoom = float(np.exp(rng.uniform(*np.log(options.zoom))))
    stretch = float(np.exp(rng.uniform(-1, 1) * np.log1p(options.stretch)))
    pixels, boxes = rescale(np.ascontiguousarray(pixels), boxes, zoom, stretch, rng)
    return recolour(pixels, options.colour, rng), boxes, masks
