"""Arrangements: four to seven things side by side, each drawn by lot and standing where it happens to stand.

A composition has its things in fixed places, so that knowing what is there is almost knowing where. Here nothing but
the places tells who stands beside whom: pieces come in any order, at any distance and depth, and one may come twice.
"""

from __future__ import annotations

from sgob_tasks.sandbox.painter.pieces import LOWEST, Standing, draw_row, drawn_by_lot
from sgob_tasks.sandbox.painter.stage import Stage

FEWEST, MOST = 4, 7
"""Things in an arrangement; what somebody rides, wears or holds counts."""

HORIZONS = (0.66, 0.74)
"""Between which shares of the height the ground begins."""

NEAR, FAR = 1.15, 0.8
"""Sizes in the foreground and at the horizon, to those of the compositions."""


def arrange(stage: Stage, horizon: float) -> None:
    """Draw an arrangement on a stage whose ground begins at ``horizon`` (share of the height)."""
    rng, row = stage.rng, []
    for piece in drawn_by_lot(rng, rng.randint(FEWEST, MOST)):
        y = rng.uniform(0.3, 0.5) if piece.aloft else rng.uniform(horizon + 0.04, LOWEST)
        depth = 0.5 if piece.aloft else (y - horizon) / (LOWEST - horizon)
        tall = rng.uniform(piece.smallest, piece.largest) * (FAR + (NEAR - FAR) * depth)
        row.append(Standing(piece, y, tall, rng.getrandbits(32)))
    draw_row(stage, row)
