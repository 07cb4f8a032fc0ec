"""How the learning rate goes over a training that may be limited by steps, by time, or by both."""

from __future__ import annotations

import math


def progress(step: int, total_steps: int, elapsed_s: float, budget_s: float | None) -> float:
    """Return how much of the training is done, 0 to 1: by steps or by time, whichever is further.

    Args:
        step: steps done.
        total_steps: steps of the whole training.
        elapsed_s: time spent.
        budget_s: time to spend, or None for no limit.
    """
    by_time = 0.0 if budget_s is None else elapsed_s / budget_s
    return min(1.0, max(step / total_steps, by_time))


def learning_rate(base: float, step: int, warmup_steps: int, done: float, floor: float = 0.01) -> float:
    """Return the rate of a step: linear warm-up, then a cosine down to ``floor`` of the base.

    Loshchilov and Hutter, SGDR (arXiv 1608.03983), without restarts.

    Args:
        base: the highest rate.
        step: steps done before this one.
        warmup_steps: steps until the base is reached.
        done: share of the training that is done, 0 to 1.
        floor: share of the base that remains at the end.
    """
    warm = min(1.0, (step + 1) / max(1, warmup_steps))
    return base * warm * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))
