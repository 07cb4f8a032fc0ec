"""The gradient noise scale, on gradients whose noise is known."""

from __future__ import annotations

import numpy as np
import pytest

from sgob_tasks.detection.training.noise import GradientTree, NoiseScale, fit_noise_scale, signal_and_noise

DIMENSIONS = 400
GRADIENT = np.full(DIMENSIONS, 0.1, np.float32)  # |G|^2 = 4
SIGMA = 1.0  # trace of the covariance of one picture: 400; the noise scale is 100 pictures


def picture_gradients(count: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, SIGMA, (count, DIMENSIONS))
    return (GRADIENT + noise).astype(np.float32)


def test_signal_and_noise_are_found_in_the_parts_of_batches() -> None:
    scale = NoiseScale()
    signals, noises = [], []
    for step in range(300):
        whole = picture_gradients(24, step)
        parts = [whole[:8], whole[8:16], whole[16:]]
        squared = np.mean([np.sum(part.mean(0) ** 2) for part in parts])
        signal, noise = signal_and_noise(squared, float(np.sum(whole.mean(0) ** 2)), 1 / 8, 24)
        signals.append(signal)
        noises.append(noise)
        scale.add(signal, noise)
    assert np.mean(signals) == pytest.approx(4, rel=0.05)
    assert np.mean(noises) == pytest.approx(400, rel=0.02)
    assert scale.value == pytest.approx(100, rel=0.25)


def test_the_noise_scale_waits_until_it_can_be_told() -> None:
    scale = NoiseScale()
    for _ in range(9):
        scale.add(1.0, 2.0)
    scale.add(float("nan"), 2.0)
    assert scale.value is None
    scale.add(1.0, 2.0)
    assert scale.value == pytest.approx(2.0)
    negative = NoiseScale()
    for _ in range(20):
        negative.add(-1.0, 2.0)
    assert negative.value is None


def test_a_tree_measures_every_batch_size() -> None:
    tree = GradientTree(4)
    for gradient in picture_gradients(4 * 512, 1).reshape(512, 4, -1).mean(1):
        tree.add(gradient)
    found = tree.statistics()
    assert [entry.size for entry in found] == [4 << level for level in range(9)]
    assert [entry.batches for entry in found] == [512 >> level for level in range(9)]
    for entry in found[:7]:
        assert entry.squared_norm == pytest.approx(4 + 400 / entry.size, rel=0.05)
        # Two batches share the signal only: the mean cosine is |G|^2 through |G|^2 + S / B.
        assert entry.cosine == pytest.approx(1 / (1 + 100 / entry.size), abs=0.03)
    assert fit_noise_scale(found) == pytest.approx(100, rel=0.1)


def test_what_cannot_be_told_is_not_told() -> None:
    assert GradientTree(4).statistics() == []
    assert fit_noise_scale([]) is None
    tree = GradientTree(1)
    for sign in (1, -1, 1, -1):
        tree.add(np.full(3, sign, np.float32))
    assert fit_noise_scale(tree.statistics()) is None  # noise without a signal
    still = GradientTree(1)
    for _ in range(4):
        still.add(np.zeros(3, np.float32))
    assert [entry.squared_norm for entry in still.statistics()] == [0, 0]
