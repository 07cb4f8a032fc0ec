"""Augmentation keeps pictures, boxes and masks together."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.detection.data.augmentation import Augmentation, augment, mirror, recolour, rescale

SIDE = 64


def picture_with_boxes(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a black square with filled grey boxes, and the boxes."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    boxes = []
    for _ in range(count):
        y, x = rng.integers(0, SIDE - 12, 2)
        height, width = rng.integers(8, 12, 2)
        pixels[y : y + height, x : x + width] = 255
        boxes.append([y, x, y + height, x + width])
    return pixels, np.array(boxes, np.float64).reshape(-1, 4)


@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_mirroring_twice_changes_nothing(seed: int, count: int) -> None:
    pixels, boxes = picture_with_boxes(seed, count)
    masks = np.random.default_rng(seed).integers(0, 2, (count, 4, 4)).astype(np.uint8)
    once = mirror(pixels, boxes, masks)
    assert (once[1] >= 0).all()
    twice = mirror(*once)
    for before, after in zip((pixels, boxes, masks), twice, strict=True):
        np.testing.assert_array_equal(before, after)


@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.floats(0.5, 2), st.floats(0.8, 1.25))
@settings(deadline=None)
def test_rescaled_boxes_stay_whole(seed: int, count: int, zoom: float, stretch: float) -> None:
    pixels, boxes = picture_with_boxes(seed, count)
    moved, found = rescale(pixels, boxes, zoom, stretch, np.random.default_rng(seed))
    assert moved.shape == pixels.shape
    assert found.shape == boxes.shape
    assert (found >= -1e-6).all()
    assert (found <= SIDE + 1e-6).all()
    assert ((found[:, 2:] - found[:, :2]) > 0).all()


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_the_picture_moves_with_its_box(seed: int) -> None:
    pixels, boxes = picture_with_boxes(seed, 1)
    options = Augmentation(colour=0.0)
    moved, found, _ = augment(pixels, boxes, np.ones((1, 4, 4), np.uint8), options, np.random.default_rng(seed))
    bright = np.argwhere(moved[..., 0] > 127)
    drawn = np.array([*bright.min(axis=0), *(bright.max(axis=0) + 1)])
    np.testing.assert_allclose(drawn, found[0], atol=1.6)


def test_recolouring_stays_near_and_keeps_order() -> None:
    steps = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)[None]
    changed = recolour(steps, 0.15, np.random.default_rng(3)).astype(int)
    assert (np.diff(changed[0], axis=0) >= 0).all()
    assert np.abs(changed[0] - steps[0]).max() < 0.36 * 255 + 20
