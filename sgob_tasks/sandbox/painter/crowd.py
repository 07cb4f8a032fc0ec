"""Crowds: two or three pieces in front, large and low in the picture, and many further things behind them.

Most of what a detector finds on a painting is staffage, and a caption tells of the few things in front. Here those
behind are drawn by lot from the same pieces as those in front, so that nothing but size and place tells which are
which: they stand farther up, anywhere across, and are as small as their distance makes them.
"""

from __future__ import annotations

from sgob_tasks.sandbox.painter.pieces import LOWEST, PIECES, Piece, Standing, draw_from_afar, draw_row, drawn_by_lot
from sgob_tasks.sandbox.painter.stage import Stage

FRONT_PIECES = (2, 3)
MOST_IN_FRONT = 6
"""Pieces in front, and depicted things that they consist of, at most."""

BEHIND = (12, 14)
"""Fewest and most things behind; with those in front no more than the caption generator looks at, 20."""

HORIZONS = (0.44, 0.52)
"""Between which shares of the height the ground begins: the crowd stands on it."""

FRONT_FROM, BEHIND_FROM, BEHIND_TO = 0.88, 0.02, 0.14
"""Where those in front begin to stand, as a share of the height; and those behind, below the horizon."""

EYES, NEAR = 0.15, 1.2
"""How far above the horizon things would vanish, and sizes at the lowest place, to those of the compositions."""

ON_THE_GROUND: tuple[Piece, ...] = tuple(piece for piece in PIECES if not piece.aloft)
"""Who is in front stands lowest, so all stand."""


def gather(stage: Stage, horizon: float) -> None:
    """Draw a crowd and those in front of it on a stage whose ground begins at ``horizon`` (share of the height)."""
    rng = stage.rng
    vanishing = horizon - EYES

    def standing(piece: Piece, highest: float, lowest: float) -> Standing:
        y = rng.uniform(highest, lowest)
        tall = rng.uniform(piece.smallest, piece.largest) * NEAR * (y - vanishing) / (LOWEST - vanishing)
        return Standing(piece, y, tall, rng.getrandbits(32))

    behind = [
        standing(piece, horizon + BEHIND_FROM, horizon + BEHIND_TO)
        for piece in drawn_by_lot(rng, rng.randint(*BEHIND), ON_THE_GROUND)
    ]
    # One in each strip of the picture, so that they seldom hide each other.
    across = [(place + rng.random()) / len(behind) for place in rng.sample(range(len(behind)), len(behind))]
    draw_from_afar(stage, behind, across)
    stage.all_behind()
    chosen: list[Piece] = []
    for left in reversed(range(rng.randint(*FRONT_PIECES))):  # each of the others takes one thing at least
        room = MOST_IN_FRONT - left - sum(piece.things for piece in chosen)
        chosen.append(rng.choice([piece for piece in ON_THE_GROUND if piece.things <= room]))
    rng.shuffle(chosen)
    draw_row(stage, [standing(piece, FRONT_FROM, LOWEST) for piece in chosen])
