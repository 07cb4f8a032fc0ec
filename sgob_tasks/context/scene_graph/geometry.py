"""How two boxes lie to each other, in numbers that do not change when the picture is scaled or shifted.

All functions take COCO boxes ``(x, y, width, height)`` and take every box, also an empty or inverted one: sides below
``LEAST_SIDE`` count as that long. ``y`` grows downwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sgob_tasks.context.time_context import Box

LEAST_SIDE = 1e-6


def clean(box: Box) -> Box:
    """Return a box with finite corners and sides of at least ``LEAST_SIDE``."""
    x, y, width, height = (float(value) if math.isfinite(value) else 0.0 for value in box)
    return x, y, max(width, LEAST_SIDE), max(height, LEAST_SIDE)


def ramp(value: float, low: float, high: float) -> float:
    """Return 0 up to ``low``, 1 from ``high``, and what lies between on a straight line; downwards if low > high."""
    share = (value - low) / (high - low)
    return min(max(share, 0.0), 1.0)


@dataclass(frozen=True)
class Lie:
    """How box A lies to box B.

    Attributes:
        over_x: share of A's width that B's columns cover, 0 to 1.
        over_y: share of A's height that B's rows cover, 0 to 1.
        inside: share of A's area that B covers, 0 to 1.
        covers: share of B's area that A covers, 0 to 1.
        x: A's centre in B's width: 0 at B's left edge, 1 at its right.
        y: A's centre in B's height: 0 at B's top, 1 at its foot.
        top: A's top in B's height.
        foot: A's foot in B's height.
        gap: distance between the boxes, 0 where they touch, in the smaller box's diagonal.
        size: A's area in B's areas.
        tall: A's height in B's heights.
        wide: A's width in B's widths.
    """

    over_x: float
    over_y: float
    inside: float
    covers: float
    x: float
    y: float
    top: float
    foot: float
    gap: float
    size: float
    tall: float
    wide: float


def lie(first: Box, second: Box) -> Lie:
    """Measure how the first box lies to the second."""
    ax, ay, aw, ah = clean(first)
    bx, by, bw, bh = clean(second)
    both_x = min(ax + aw, bx + bw) - max(ax, bx)
    both_y = min(ay + ah, by + bh) - max(ay, by)
    over_x, over_y = max(both_x, 0.0) / aw, max(both_y, 0.0) / ah
    gap = math.hypot(max(-both_x, 0.0), max(-both_y, 0.0)) / min(math.hypot(aw, ah), math.hypot(bw, bh))
    return Lie(
        over_x=min(over_x, 1.0),
        over_y=min(over_y, 1.0),
        inside=min(over_x * over_y, 1.0),
        covers=min(max(both_x, 0.0) / bw * (max(both_y, 0.0) / bh), 1.0),
        x=(ax + aw / 2 - bx) / bw,
        y=(ay + ah / 2 - by) / bh,
        top=(ay - by) / bh,
        foot=(ay + ah - by) / bh,
        gap=gap,
        size=(aw / bw) * (ah / bh),
        tall=ah / bh,
        wide=aw / bw,
    )


def rise(first: Box, second: Box) -> float:
    """Return how far the first box's centre is above the second's, in their mean height; negative where it is lower."""
    _, ay, _, ah = clean(first)
    _, by, _, bh = clean(second)
    return ((by + bh / 2) - (ay + ah / 2)) / ((ah + bh) / 2)


def slant(box: Box) -> float:
    """Return the longer side in shorter sides: 1 for a square, large for a lance that stands or lies."""
    _, _, width, height = clean(box)
    return max(width, height) / min(width, height)
