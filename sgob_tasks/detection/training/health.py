"""Whether a training still makes sense: ends it with a clear message instead of burning its hours."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sgob_tasks.errors import PermanentError

SMOOTHING = 0.95
WARM_UP_STEPS = 100
PATIENCE_STEPS = 50


class Health:
    """Watches the losses of one job.

    All ranks see the same, summed values, so they all end at the same step.

    Args:
        divergence_factor: how far the smoothed loss may rise above its lowest value; 0 for any.
    """

    def __init__(self, divergence_factor: float) -> None:
        self._factor = divergence_factor
        self._steps, self._sum, self._weight = 0, 0.0, 0.0
        self._lowest, self._above = math.inf, 0

    def check(self, step: int, losses: Mapping[str, float], gradient_norm: float, rate: float) -> None:
        """Look at a step.

        Args:
            step: its number, from 1.
            losses: by name, means over the step's pictures.
            gradient_norm: of all gradients together.
            rate: its learning rate.

        Raises:
            PermanentError: a loss or gradient is no number, or the loss has stayed far above its lowest for many steps.
        """
        shown = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
        total = sum(losses.values())
        if not math.isfinite(total + gradient_norm):
            what = "a gradient" if math.isfinite(total) else "a loss"
            raise PermanentError(
                f"step {step}: {what} is no number ({shown}); the learning rate was {rate:.3g}: lower it or clip_norm"
            )
        self._steps += 1
        self._sum = SMOOTHING * self._sum + (1 - SMOOTHING) * total
        self._weight = SMOOTHING * self._weight + (1 - SMOOTHING)
        smooth = self._sum / self._weight
        self._lowest = min(self._lowest, smooth)
        limit = self._factor * self._lowest
        # (Both: after a short peak the smoothed loss takes long to come down, the loss itself does not.)
        if not self._factor or self._steps <= WARM_UP_STEPS or min(smooth, total) <= limit:
            self._above = 0
            return
        self._above += 1
        if self._above >= PATIENCE_STEPS:
            raise PermanentError(
                f"step {step}: the training diverges: its loss is {smooth:.4g} ({shown}), {smooth / self._lowest:.1f} "
                f"times the lowest, for {PATIENCE_STEPS} steps; the learning rate was {rate:.3g}: lower it"
            )
