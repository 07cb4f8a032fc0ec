"""Augmentation keeps pictures, boxes and masks together."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.detection.data import ageing
from sgob_tasks.detection.data.augmentation import Augmentation, augment, colour_table, mirror, repaint, rescale
from sgob_tasks.detection.data.sheet import augmentation_sheet
from sgob_tasks.errors import InputError

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
    options = Augmentation(colour=0.0, ageing=0.0)
    moved, found, _ = augment(pixels, boxes, np.ones((1, 4, 4), np.uint8), options, np.random.default_rng(seed))
    bright = np.argwhere(moved[..., 0] > 127)
    drawn = np.array([*bright.min(axis=0), *(bright.max(axis=0) + 1)])
    np.testing.assert_allclose(drawn, found[0], atol=1.6)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_a_mask_stays_on_its_object(seed: int) -> None:
    """The mask, pasted back at the moved box, covers what was drawn, mirrored or not."""
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    pixels[20:40, 16:28] = 255  # the left half of the box is the object
    boxes, masks = np.array([[20.0, 16.0, 40.0, 40.0]]), np.zeros((1, 8, 8), np.uint8)
    masks[0, :, :4] = 1
    options = Augmentation(colour=0.0, ageing=0.0)
    moved, found, turned = augment(pixels, boxes, masks, options, np.random.default_rng(seed))
    _, x1, _, x2 = found[0]
    left, right = (
        moved[..., 0][:, int(x1 + 2) : int((x1 + x2) / 2 - 2)],
        moved[..., 0][:, int((x1 + x2) / 2 + 2) : int(x2 - 2)],
    )
    object_is_left = bool(turned[0, 0, 0])
    assert object_is_left == (left.max() > right.max())


def test_recolouring_stays_near_and_keeps_order() -> None:
    steps = np.arange(256, dtype=float)[:, None]
    changed = colour_table(0.15, np.random.default_rng(3))
    assert (np.diff(changed, axis=0) >= 0).all()
    assert np.abs(changed - steps).max() < 0.36 * 255 + 20


OFF = Augmentation(colour=0, ageing=1, varnish=0, fading=0, craquelure=0, stains=0, grain=0)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_what_is_switched_off_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    np.testing.assert_array_equal(repaint(pixels, OFF, rng), pixels)
    aged = Augmentation(ageing=0.0, colour=0.0)
    np.testing.assert_array_equal(repaint(pixels, aged, rng), pixels)


@pytest.mark.parametrize("effect", ["varnish", "fading", "craquelure", "stains", "grain"])
def test_each_effect_of_age_changes_the_picture_and_not_its_padding(effect: str) -> None:
    pixels = np.full((SIDE, SIDE, 3), 180, np.uint8)
    pixels[:12] = 0
    pixels[-12:] = 0
    options = dataclasses.replace(OFF, **{effect: 1.0})
    changed = [repaint(pixels, options, np.random.default_rng(seed)) for seed in range(8)]
    assert all((one[:12] == 0).all() and (one[-12:] == 0).all() for one in changed)
    assert any((one != pixels).any() for one in changed)
    assert any((one == pixels).all() for one in changed), "an effect is used on half of the aged pictures"


@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
@settings(deadline=None, max_examples=40)
def test_ageing_depends_on_the_seed_only_and_boxes_stay_inside(seed: int, count: int) -> None:
    pixels, boxes = picture_with_boxes(seed, count)
    masks = np.ones((count, 4, 4), np.uint8)
    options = Augmentation(ageing=1.0)
    first, second = (augment(pixels, boxes, masks, options, np.random.default_rng(seed)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (first[1] >= -1e-6).all()
    assert (first[1] <= SIDE + 1e-6).all()


def test_varnish_takes_blue_and_fading_takes_contrast() -> None:
    table = np.repeat(np.arange(256.0)[:, None], 3, axis=1)
    red, green, blue = ageing.varnish(table, 1.0)[200]
    assert red > green > blue
    faded = ageing.fade(table, 1.0)
    assert np.ptp(faded[:, 0]) == pytest.approx(255 / 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mirror": 1.5}, "mirror = 1.5: must be 0 to 1"),
        ({"stains": -0.1}, "stains = -0.1"),
        ({"grain": float("nan")}, "grain = nan"),
        ({"zoom": (2.0, 1.0)}, "zoom = .*the smaller first"),
    ],
)
def test_a_bad_strength_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Augmentation(**changes)


def test_a_black_picture_stays_black() -> None:
    pixels = np.zeros((SIDE, SIDE, 3), np.uint8)
    assert not repaint(pixels, Augmentation(ageing=1.0), np.random.default_rng(1)).any()


def test_the_sheet_shows_every_effect_and_the_mixtures() -> None:
    pixels = np.full((40, 60, 3), 150, np.uint8)
    sheet = augmentation_sheet(pixels, np.array([[10.0, 10.0, 30.0, 40.0]]), side=64, columns=3, mixtures=3)
    assert sheet.size == (3 * 70 + 6, 3 * 84 + 6)
