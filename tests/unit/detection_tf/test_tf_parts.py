"""The network's parts: geometry, targets, pooling, losses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.detection import boxes as geometry
from sgob_tasks.detection.config import DetectorConfig, preset_config
from sgob_tasks.detection.network import tensors
from sgob_tasks.detection.network.anchors import pyramid_anchors
from sgob_tasks.detection.network.losses import smooth_l1, weighted_mean
from sgob_tasks.detection.network.proposals import pool, propose, roi_level
from sgob_tasks.detection.network.targets import Instances, anchor_targets, roi_targets

STD = (0.1, 0.1, 0.2, 0.2)
SEEDS = tf.constant([[3, 4]])


@pytest.fixture(scope="module")
def config() -> DetectorConfig:
    return preset_config("tiny", ("horse", "dragon"), image_size=128, rpn_samples=64, roi_samples=20)


def random_boxes(rng: np.random.Generator, *shape: int) -> np.ndarray:
    first = rng.uniform(0, 0.7, (*shape, 2))
    return np.concatenate([first, first + rng.uniform(0.05, 0.3, (*shape, 2))], axis=-1).astype(np.float32)


def instances(boxes: Any, classes: Any, config: DetectorConfig, has_mask: float = 1.0) -> Instances:
    """Return one picture's instances, padded."""
    count, most, side = len(classes), config.max_instances, config.mini_mask
    padded, labels = np.zeros((1, most, 4), np.float32), np.zeros((1, most), np.int32)
    padded[0, :count], labels[0, :count] = np.reshape(boxes, (-1, 4)), classes
    masks = np.zeros((1, most, side, side), np.float32)
    masks[:, :, :, : side // 2] = 1.0  # the left half of every object
    known = np.full((1, most), has_mask, np.float32)
    return Instances(*map(tf.constant, (padded, labels, masks, known)))


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=20)
def test_tensors_and_numpy_agree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = random_boxes(rng, 6), random_boxes(rng, 6)
    deltas = rng.normal(0, 1, (6, 4)).astype(np.float32)
    overlap = tensors.iou(first[None], second[None])[0]
    np.testing.assert_allclose(overlap, geometry.iou(first, second), atol=1e-5)
    encoded = tensors.encode(first, second, STD)
    np.testing.assert_allclose(encoded, geometry.encode(first, second, STD), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        tensors.decode(first, deltas, STD), geometry.decode(first, deltas, STD), rtol=1e-4, atol=1e-5
    )


def test_proposals_are_the_best_boxes_padded(config: DetectorConfig) -> None:
    anchors = tf.constant([[0.1, 0.1, 0.4, 0.4], [0.11, 0.1, 0.41, 0.4], [0.6, 0.6, 0.9, 1.2]])
    logits = tf.constant([[[0.0, 1.0], [0.0, 3.0], [0.0, 2.0]]])
    found = propose(logits, tf.zeros([1, 3, 4]), anchors, config, 4).numpy()[0]
    # The first is the second's duplicate; the third is cut at the picture's edge; the rest is padding.
    np.testing.assert_allclose(found, [[0.11, 0.1, 0.41, 0.4], [0.6, 0.6, 0.9, 1.0], [0] * 4, [0] * 4], atol=1e-6)


def test_levels_follow_the_papers_rule() -> None:
    config = preset_config("resnet50", ("horse",), image_size=1024)
    sides = np.array([224, 448, 112, 1024, 20]) / 1024
    boxes = np.stack([0 * sides, 0 * sides, sides, sides], axis=-1).astype(np.float32)
    assert roi_level(tf.constant(boxes), config).numpy().tolist() == [4, 5, 3, 5, 2]


def test_pooling_keeps_the_order_of_the_boxes(config: DetectorConfig) -> None:
    rng = np.random.default_rng(0)
    boxes = random_boxes(rng, 2, 7)
    boxes[:, ::2] *= 0.2  # small ones, for the finer level
    boxes[:, 1] = [0, 0, 1, 1]  # and a large one
    features = {
        level: tf.constant(rng.normal(size=(2, side, side, config.fpn_channels)).astype(np.float32))
        for level, side in ((2, 32), (3, 16))
    }
    pooled = pool(features, tf.constant(boxes), config, 7).numpy()
    flat = boxes.reshape(-1, 4)
    levels = roi_level(tf.constant(flat), config).numpy()
    assert set(levels) == {2, 3}
    for place, (box, level) in enumerate(zip(flat, levels, strict=True)):
        alone = tf.image.crop_and_resize(features[level], box[None], [place // 7], [7, 7])[0]
        np.testing.assert_allclose(pooled[place], alone, atol=1e-6)


def test_anchor_targets_find_every_instance(config: DetectorConfig) -> None:
    anchors = pyramid_anchors(config)
    boxes = np.array([[0.1, 0.1, 0.5, 0.5], [0.6, 0.2, 0.62, 0.9], [0.7, 0.7, 0.95, 0.95]])
    truth = instances(boxes, [1, 2, -1], config)
    targets = anchor_targets(tf.constant(anchors), truth, config, SEEDS)
    indices, weights, classes = (value.numpy()[0] for value in targets[:3])
    positives = indices[(weights > 0) & (classes == 1)]
    overlaps = geometry.iou(anchors[positives], boxes)
    # The thin instance fits no anchor well: its best one is positive all the same.
    assert set(overlaps.argmax(axis=1)) == {0, 1}
    best = geometry.iou(anchors, boxes)[:, :2].max(axis=0)
    assert ((overlaps.max(axis=1) >= config.rpn_positive_iou) | np.isclose(overlaps, [*best, 9]).any(axis=1)).all()
    negatives = indices[(weights > 0) & (classes == 0)]
    assert len(positives) + len(negatives) == config.rpn_samples
    assert len(set(negatives)) == len(negatives)
    assert (geometry.iou(anchors[negatives], boxes)[:, :2] < config.rpn_negative_iou).all()
    assert (geometry.iou(anchors[negatives], boxes[2:]) < 0.05).all()  # none in the crowd region
    places = np.flatnonzero((weights[: config.rpn_samples // 2]) > 0)
    decoded = geometry.decode(anchors[indices[places]], targets.deltas.numpy()[0][places], config.rpn_box_std)
    wanted = boxes[geometry.iou(anchors[indices[places]], boxes)[:, :2].argmax(axis=1)]
    np.testing.assert_allclose(decoded, wanted, atol=1e-4)


def test_roi_targets_are_sampled_from_both_kinds(config: DetectorConfig) -> None:
    box = np.array([0.2, 0.2, 0.6, 0.6], np.float32)
    near = box + np.float32(0.02)
    far = random_boxes(np.random.default_rng(1), 30) * np.float32(0.15)
    proposals = np.concatenate([[near], far, np.zeros((5, 4), np.float32)])[None]
    targets = roi_targets(tf.constant(proposals), instances(box, [2], config), config, SEEDS)
    places = config.positive_rois
    classes, weights = targets.classes.numpy()[0], targets.weights.numpy()[0]
    # Two positives, the near proposal and (the preset says so) the instance itself; then background only.
    assert weights[:places].sum() == 2
    assert sorted(classes[:places].tolist(), reverse=True)[:3] == [2, 2, 0]
    assert (classes[places:] == 0).all()
    assert weights[places:].sum() == config.roi_samples - places
    np.testing.assert_array_equal(targets.positive.numpy()[0], weights[:places])
    for place in np.flatnonzero(weights[:places]):
        sampled = targets.boxes.numpy()[0, place]
        decoded = geometry.decode(sampled, targets.deltas.numpy()[0, place], config.box_std)
        np.testing.assert_allclose(decoded, box, atol=1e-5)
        mask = targets.masks.numpy()[0, place]
        if np.allclose(sampled, box, atol=1e-6):
            side = mask.shape[0]
            assert mask[:, : side // 2 - 1].all()
            assert not mask[:, side // 2 + 1 :].any()
    again = roi_targets(tf.constant(proposals), instances(box, [2], config), config, SEEDS)
    for one, two in zip(targets, again, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_picture_without_instances_gives_background_only(config: DetectorConfig) -> None:
    proposals = tf.constant(random_boxes(np.random.default_rng(1), 1, 30))
    targets = roi_targets(proposals, instances([], [], config), config, SEEDS)
    assert not targets.classes.numpy().any()
    assert not targets.positive.numpy().any()
    assert targets.weights.numpy().sum() == config.roi_samples - config.positive_rois
    assert np.isfinite(targets.deltas.numpy()).all()


def test_sampling_is_each_pictures_own(config: DetectorConfig) -> None:
    rng = np.random.default_rng(4)
    proposals = tf.constant(random_boxes(rng, 2, 60))
    one = instances(random_boxes(rng, 2), [1, 2], config)
    two = Instances(*(tf.concat([value, value[::-1]], 0) for value in one))
    seeds = tf.constant([[3, 4], [5, 6]])
    both = roi_targets(proposals, two, config, seeds)
    for place in range(2):
        alone = roi_targets(proposals[place : place + 1], one, config, seeds[place : place + 1])
        for whole, part in zip(both, alone, strict=True):
            np.testing.assert_array_equal(whole[place], part[0])


def test_losses_over_nothing_are_zero() -> None:
    assert float(weighted_mean(tf.constant([3.0, 5.0]), tf.zeros(2))) == 0
    values = weighted_mean(tf.constant([[3.0, 5.0], [2.0, 4.0]]), tf.constant([[0.0, 1.0], [1.0, 1.0]]))
    assert values.numpy().tolist() == [5, 3]  # each picture's own mean
    np.testing.assert_allclose(smooth_l1(tf.constant([-0.5, 0.0, 1.0, 3.0])), [0.125, 0, 0.5, 2.5])
