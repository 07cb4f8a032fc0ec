"""Winograd's convolution: the same numbers as the direct sum, and only where it is wanted and pays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.detection.config import DetectorConfig, preset_config
from sgob_tasks.detection.inference.detector import Detector
from sgob_tasks.detection.network import winograd
from sgob_tasks.detection.network.model import MaskRCNN


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let it pay for any number of channels and results, in strips of a few tiles."""
    monkeypatch.setattr(winograd, "NARROWEST", 1)
    monkeypatch.setattr(winograd, "LARGEST_DIRECT", 0)
    monkeypatch.setattr(winograd, "TILES_A_STRIP", 5)
    with winograd.preferred():
        yield


def _direct(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(x, kernel, 1, "SAME") + bias


def _random(seed: int, *shapes: tuple[int, ...]) -> list[tf.Tensor]:
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(size=shape), tf.float32) for shape in shapes]


@given(
    batch=st.integers(1, 2), height=st.integers(1, 17), width=st.integers(1, 17), seed=st.integers(0, 99),
    tiles=st.integers(3, 25),
)  # fmt: skip
@settings(max_examples=8, deadline=None)
def test_any_size_has_the_sums_of_the_direct_convolution(
    batch: int, height: int, width: int, seed: int, tiles: int
) -> None:
    x, kernel, bias = _random(seed, (batch, height, width, 3), (3, 3, 3, 4), (4,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "TILES_A_STRIP", tiles)
        # Not the traced function, which would know the tiles of the example before.
        found = winograd._convolve.python_function(x, kernel, bias, None, False)
    np.testing.assert_allclose(found, _direct(x, kernel, bias), atol=1e-3)


def test_what_follows_is_done_strip_by_strip(everywhere: None) -> None:
    x, kernel, bias, last, last_bias = _random(0, (2, 18, 13, 8), (3, 3, 8, 6), (6,), (6, 5), (5,))
    wanted = tf.nn.relu(_direct(x, kernel, bias)) @ last + last_bias
    found = winograd.convolve(x, kernel, bias, activate=True, then=(last, last_bias))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_a_picture_alone_is_a_picture_in_a_batch(everywhere: None) -> None:
    x, kernel, bias = _random(1, (3, 16, 20, 8), (3, 3, 8, 8), (8,))
    together = winograd.convolve(x, kernel, bias, activate=False)
    alone = winograd.convolve(x[1:2], kernel, bias, activate=False)
    np.testing.assert_allclose(together[1:2], alone, atol=1e-3)


def test_rounding_with_the_widths_of_the_network() -> None:
    x, kernel, bias = _random(2, (1, 16, 16, 256), (3, 3, 256, 256), (256,))
    wanted = _direct(x, kernel, bias)
    found = winograd.convolve(x, kernel, bias, activate=False)
    assert np.abs(found - wanted).max() < 2e-4 * np.std(wanted)


def test_it_pays_where_it_is_wanted_and_the_sums_are_many() -> None:
    wide, kernel = tf.zeros([1, 64, 64, 256]), tf.zeros([3, 3, 256, 512])
    assert not winograd.pays(wide, kernel)  # nobody asked for it: training, export
    with winograd.preferred():
        assert winograd.pays(wide, kernel)
        assert winograd.pays(tf.zeros([8, 64, 64, 256]), kernel)
        assert not winograd.pays(tf.zeros([8, 32, 32, 256]), kernel)  # few sums, whatever the batch
        assert not winograd.pays(wide[..., :64], kernel[:, :, :64])
        assert not winograd.pays(wide, kernel[..., :64])
        assert not winograd.pays(wide, kernel[:1, :1])
        assert not winograd.pays(tf.cast(wide, tf.float16), kernel)
        assert not winograd.pays(tf.keras.Input((None, None, 256)), kernel)
        with winograd.preferred(False):
            assert not winograd.pays(wide, kernel)
    assert not winograd.pays(wide, kernel)


def test_the_detector_finds_the_same(everywhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    tf.keras.utils.set_random_seed(0)
    model = MaskRCNN(_small())
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    used = _counted(monkeypatch)
    fast = Detector(model, has_masks=True, batch_size=1, min_score=0.0).detect([picture])[0]
    assert used() > len(model.config.rpn_levels)
    monkeypatch.setattr(winograd, "NARROWEST", 10_000)
    before = used()
    plain = Detector(model, has_masks=True, batch_size=1, min_score=0.0).detect([picture])[0]
    assert used() == before
    assert plain
    assert [one.class_name for one in fast] == [one.class_name for one in plain]
    np.testing.assert_allclose([one.box for one in fast], [one.box for one in plain], atol=0.05)
    np.testing.assert_allclose([one.score for one in fast], [one.score for one in plain], atol=1e-4)


def test_training_sums_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "NARROWEST", 1)
    monkeypatch.setattr(winograd, "LARGEST_DIRECT", 0)
    used = _counted(monkeypatch)
    model = MaskRCNN(_small())
    model.score_anchors(model.pyramid(tf.zeros([1, 64, 64, 3]), training=True), training=True)
    assert used() == 0


def _small() -> DetectorConfig:
    return preset_config("tiny", ("horse", "dragon"), image_size=64)


def _counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the convolutions that are done this way."""
    original, calls = winograd.convolve, []
    monkeypatch.setattr(winograd, "convolve", lambda *args, **kwargs: (calls.append(1), original(*args, **kwargs))[1])
    return lambda: len(calls)
