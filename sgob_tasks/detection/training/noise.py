"""The gradient noise scale: how large a batch is worth its pictures.

McCandlish, Kaplan, Amodei et al., An Empirical Model of Large-Batch Training (arXiv 1812.06162). With G the gradient
over all data and S the trace of the covariance of one picture's gradient, a batch of B pictures gives a gradient whose
squared norm is |G|^2 + S / B on average. ``S / |G|^2`` is the batch size at which noise and signal are equal: below it
twice the batch saves almost half of the steps, far above it none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SMOOTHING = 0.98

Vector = npt.NDArray[np.float32]


def signal_and_noise(parts: float, whole: float, inverse_size: float, size: float) -> tuple[float, float]:
    """Return unbiased estimates of ``(|G|^2, S)`` from one batch that was gone through in parts (appendix A.1).

    Args:
        parts: mean over the parts of the squared norm of a part's gradient.
        whole: squared norm of the whole batch's gradient.
        inverse_size: mean over the parts of one through a part's number of pictures.
        size: the whole batch's number of pictures.
    """
    noise = (parts - whole) / (inverse_size - 1 / size)
    return whole - noise / size, noise


class NoiseScale:
    """The noise scale of a training, smoothed: both estimates of one step are far from the mean."""

    def __init__(self) -> None:
        self._signal = self._noise = self._weight = 0.0

    def add(self, signal: float, noise: float) -> None:
        """Take note of a step's estimates; what is no number is passed over."""
        if math.isfinite(signal) and math.isfinite(noise):
            self._signal = SMOOTHING * self._signal + (1 - SMOOTHING) * signal
            self._noise = SMOOTHING * self._noise + (1 - SMOOTHING) * noise
            self._weight += 1

    @property
    def value(self) -> float | None:
        """The noise scale in pictures; None before it can be told."""
        known = self._weight >= 10 and self._signal > 0 and self._noise > 0
        return self._noise / self._signal if known else None


@dataclass(frozen=True)
class BatchStatistics:
    """What gradients of one batch size are like.

    Attributes:
        size: pictures of a batch.
        batches: how many were measured, each of other pictures.
        squared_norm: mean of the gradient's squared norm.
        cosine: mean cosine between the gradients of two different batches; 1 less it is the variance of their
            direction.
    """

    size: int
    batches: int
    squared_norm: float
    cosine: float


class GradientTree:
    """Gradients of many batch sizes from those of small batches, each picture used once per size.

    Two neighbours make a batch of twice the size, as in a binary counter: of each size one gradient waits for its
    neighbour, and one sum of directions is kept. Memory grows with the logarithm of the number of batches.

    Args:
        size: pictures of the smallest batch.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._waiting: list[Vector | None] = []
        self.directions: list[Vector] = []
        self.counts: list[float] = []
        self.squared_norms: list[float] = []

    def add(self, gradient: Vector) -> None:
        """Take the mean gradient, ``[P]``, of a smallest batch."""
        level = 0
        while True:
            if level == len(self.counts):
                self._waiting.append(None)
                self.directions.append(np.zeros_like(gradient))
                self.counts.append(0.0)
                self.squared_norms.append(0.0)
            squared = float(np.dot(gradient, gradient))
            self.counts[level] += 1
            self.squared_norms[level] += squared
            if squared > 0:
                self.directions[level] += gradient / np.float32(math.sqrt(squared))
            other, self._waiting[level] = self._waiting[level], None
            if other is None:
                self._waiting[level] = gradient
                return
            gradient = (gradient + other) * np.float32(0.5)
            level += 1

    def statistics(self) -> list[BatchStatistics]:
        """Return the statistics of every size of which there are two batches or more."""
        found = []
        for level, count in enumerate(self.counts):
            if count >= 2:
                # Of all pairs at once: |sum of directions|^2 = n + sum over pairs of their cosine.
                resultant = float(np.dot(self.directions[level], self.directions[level]))
                cosine = (resultant - count) / (count * (count - 1))
                norm = self.squared_norms[level] / count
                found.append(BatchStatistics(self.size << level, int(count), norm, cosine))
        return found


def fit_noise_scale(statistics: Sequence[BatchStatistics]) -> float | None:
    """Return the noise scale in pictures from squared norms against batch size; None where it cannot be told.

    A straight line ``|G|^2 + S / B`` through the means, each weighted with its number of batches and relative to its
    size.
    """
    if len(statistics) < 2:
        return None
    norms = np.array([entry.squared_norm for entry in statistics])
    weights = np.sqrt([entry.batches for entry in statistics]) / np.maximum(norms, np.finfo(float).tiny)
    inverse = np.array([1 / entry.size for entry in statistics])
    system = np.stack([np.ones_like(inverse), inverse], axis=1) * weights[:, None]
    (signal, noise), *_ = np.linalg.lstsq(system, norms * weights, rcond=None)
    return float(noise / signal) if signal > 0 and noise > 0 else None
