"""What masks add to boxes: whether two things really touch, and which of them is in front."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from sgob_tasks.context.scene_graph.geometry import clean
from sgob_tasks.context.scene_graph.things import Thing
from sgob_tasks.context.time_context import Box
from sgob_tasks.detection.masks import Mask, decode_mask
from sgob_tasks.errors import InputError

LONGEST_PX = 256
"""Masks are compared at no more than this many pixels a side: contact does not need more."""


@dataclass(frozen=True)
class Contact:
    """How two masks meet.

    Attributes:
        touch: whether some pixels of one are next to pixels of the other.
        front: share of the first thing among their pixels where the boxes overlap, 0 to 1; None where neither has any.
    """

    touch: bool
    front: float | None


def small_mask(thing: Thing) -> tuple[Mask, float] | None:
    """Return a thing's mask, made small, and the scale; None where it has no mask.

    Raises:
        InputError: the mask is no COCO run-length code.
    """
    if thing.mask is None:
        return None
    size = thing.mask.get("size") if isinstance(thing.mask, Mapping) else None
    if not _is_size(size):
        raise InputError("detections", f"mask of thing {thing.id}", thing.mask, "must be a run-length code with a size")
    height, width = size  # type: ignore[misc]  # checked above
    mask = decode_mask(dict(thing.mask), width, height, f"mask of thing {thing.id}")
    scale = min(1.0, LONGEST_PX / max(width, height))
    if scale < 1.0:
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = Image.fromarray(mask * np.uint8(255)).resize(small, Image.Resampling.BOX)
        mask = (np.asarray(picture) >= 64).astype(np.uint8)
    return mask, scale


def _is_size(size: Any) -> bool:
    return (
        isinstance(size, list | tuple) and len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size)
    )


def contact(first: tuple[Mask, float], second: tuple[Mask, float], boxes: tuple[Box, Box]) -> Contact | None:
    """Compare two masks of one picture; None where they are of different sizes."""
    (a, scale), (b, _) = first, second
    if a.shape != b.shape:
        return None
    left, top, right, bottom = _both(boxes, scale, a.shape, around=3)
    if left >= right or top >= bottom:
        return Contact(False, None)
    near, there = a[top:bottom, left:right], b[top:bottom, left:right]
    grown = np.asarray(Image.fromarray(near).filter(ImageFilter.MaxFilter(5)))
    touch = bool((grown & there).any())
    left, top, right, bottom = _both(boxes, scale, a.shape, around=0)
    if left >= right or top >= bottom:
        return Contact(touch, None)
    pixels = int(a[top:bottom, left:right].sum()), int(b[top:bottom, left:right].sum())
    return Contact(touch, pixels[0] / sum(pixels) if sum(pixels) else None)


def _both(boxes: tuple[Box, Box], scale: float, shape: tuple[int, ...], around: int) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of what two boxes share, grown by some pixels and cut to the picture."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = (clean(box) for box in boxes)
    left, top = max(ax, bx) * scale, max(ay, by) * scale
    right, bottom = min(ax + aw, bx + bw) * scale, min(ay + ah, by + bh) * scale
    return (
        max(int(left) - around, 0),
        max(int(top) - around, 0),
        min(math.ceil(right) + around, shape[1]),
        min(math.ceil(bottom) + around, shape[0]),
    )
