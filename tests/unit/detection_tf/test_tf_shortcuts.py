"""What is computed in another way to be fast gives what the plain way gives, gradients included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from sgob_tasks.detection.config import DetectorConfig, preset_config
from sgob_tasks.detection.inference.detector import Detector
from sgob_tasks.detection.network.heads import MASKS_AT_ONCE
from sgob_tasks.detection.network.layers import ConvNorm
from sgob_tasks.detection.network.losses import mask_loss, mask_places
from sgob_tasks.detection.network.model import MaskRCNN
from sgob_tasks.detection.network.proposals import pool
from sgob_tasks.detection.network.targets import Instances, RoiTargets, anchor_targets, trimmed

SMALL = {"image_size": 64, "blocks": (1, 1, 1, 1), "head_channels": 16, "fpn_channels": 8, "rpn_channels": 16}
GEOMETRY = {
    "rpn_levels": (2, 3, 4, 5, 6),
    "anchor_sizes": ((8.0,), (16.0,), (32.0,), (64.0,), (128.0,)),
    "roi_levels": (2, 3, 4, 5),
}


def config(**changes: Any) -> DetectorConfig:
    return preset_config("tiny", ("horse", "dragon"), **(SMALL | GEOMETRY | {"train_batch_norm": False} | changes))


def randomise(layer: Any, rng: np.random.Generator) -> None:
    """Give every weight a value other than its first; variances stay positive."""
    for weight in layer.weights:
        weight.assign(
            rng.uniform(0.2, 1.0, weight.shape) if "variance" in weight.name else rng.normal(size=weight.shape)
        )


def close(one: Any, two: Any) -> None:
    """Compare to rounding, relative to the largest value.

    Sums of float32 are added in an order that the processor and the number of threads decide: single values that come
    of large terms of both signs differ by some 1e-5 of the largest. A wrong term would be off by hundreds of that.
    """
    one, two = np.asarray(one), np.asarray(two)
    np.testing.assert_allclose(one, two, atol=1e-4 * max(1.0, float(np.abs(two).max())), rtol=1e-4)


@pytest.mark.parametrize(
    ("size", "stride", "padding", "side"),
    [(1, 1, "same", 5), (3, 2, "same", 6), (3, 1, "same", 3), (7, 1, "valid", 7), (1, 1, "valid", 1)],
)
def test_a_folded_batch_norm_is_the_batch_norm(size: int, stride: int, padding: str, side: int) -> None:
    rng = np.random.default_rng(size)
    layer = ConvNorm(config(), ("conv", "norm"), 4, size, stride=stride, padding=padding)
    x = tf.constant(rng.normal(size=(2, side, side, 3)), tf.float32)
    layer(x)
    randomise(layer, rng)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        folded = layer(x, training=True)
        plain = tf.nn.relu(layer.norm(layer.conv(x), training=False))
    close(folded, plain)
    assert [weight.name for weight in layer.trainable_weights] == ["conv/kernel:0", "conv/bias:0"]
    for source in (x, *layer.trainable_weights):
        close(tape.gradient(folded, source), tape.gradient(plain, source))


def test_a_learnt_batch_norm_sees_the_batch_in_training_only() -> None:
    rng = np.random.default_rng(1)
    layer = ConvNorm(config(train_batch_norm=True), ("conv", "norm"), 4, 3, activate=False)
    x = tf.constant(rng.normal(size=(2, 6, 6, 3)), tf.float32)
    layer(x)
    randomise(layer, rng)
    close(layer(x, training=False), layer.norm(layer.conv(x), training=False))
    before = layer.norm.moving_mean.numpy()
    trained = (layer(x, training=True) - layer.norm.beta) / layer.norm.gamma
    close(np.mean(trained, axis=(0, 1, 2)), np.zeros(4))
    assert not np.allclose(before, layer.norm.moving_mean)


def test_sampled_anchors_have_the_scores_and_gradients_of_the_whole() -> None:
    rng = np.random.default_rng(2)
    model = MaskRCNN(config())
    for layer in model.rpn.layers:
        randomise(layer, rng)
    count = int(model.anchors.shape[0])
    # First and last anchors of the levels are among them: their surroundings reach over the border.
    indices = np.stack([[0, 1, 767, 768, 959, 960, count - 1], rng.integers(0, count, 7)]).astype(np.int32)
    pyramid = {
        level: tf.constant(rng.normal(size=(2, 64 >> level, 64 >> level, 8)), tf.float32)
        for level in model.config.rpn_levels
    }
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(pyramid)
        plain = [tf.gather(values, indices, batch_dims=1) for values in model.score_anchors(pyramid, training=True)]
        sampled = model._sampled_anchors(pyramid, tf.constant(indices))
        plain_loss, sampled_loss = (tf.add_n([tf.reduce_sum(v**2) for v in found]) for found in (plain, sampled))
    for one, two in zip(sampled, plain, strict=True):
        close(one, two)
    sources = [*pyramid.values(), *model.rpn.trainable_weights]
    for one, two in zip(tape.gradient(sampled_loss, sources), tape.gradient(plain_loss, sources), strict=True):
        close(one, two)


def instances(count: int, places: int) -> Instances:
    rng = np.random.default_rng(3)
    boxes, classes = np.zeros((2, places, 4), np.float32), np.zeros((2, places), np.int32)
    first = rng.uniform(0, 0.5, (2, count, 2))
    boxes[:, :count] = np.concatenate([first, first + rng.uniform(0.1, 0.4, (2, count, 2))], -1)
    classes[0, :count] = 1
    classes[1, : count - 1] = -1  # one place less, and crowds
    masks, known = np.ones((2, places, 28, 28), np.float32), np.ones((2, places), np.float32)
    return Instances(*map(tf.constant, (boxes, classes, masks, known)))


def test_places_that_nothing_fills_change_no_target() -> None:
    settings, anchors = config(), MaskRCNN(config()).anchors
    seeds = tf.constant([[1, 2], [3, 4]])
    for count in (1, 3):
        truth = instances(count, 10)
        assert trimmed(truth).boxes.shape[1] == count
        plain = anchor_targets(anchors, truth, settings, seeds)
        for one, two in zip(anchor_targets(anchors, trimmed(truth), settings, seeds), plain, strict=True):
            np.testing.assert_array_equal(one, two)
    assert trimmed(truth._replace(classes=tf.zeros_like(truth.classes))).boxes.shape[1] == 1


@pytest.mark.parametrize("filled", [(0, 0), (3, 0), (2, 9)])
def test_the_mask_loss_of_the_filled_places_is_that_of_all(filled: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    settings = config(class_agnostic=False)
    model = MaskRCNN(settings)
    places, side = settings.positive_rois, 2 * settings.mask_pool
    weights = np.zeros((2, places), np.float32)
    weights[0, : filled[0]] = weights[1, : filled[1]] = 1.0
    first = rng.uniform(0, 0.5, (2, places, 2))
    boxes = tf.constant(np.concatenate([first, first + 0.3], -1), tf.float32)
    values = boxes, None, rng.integers(0, 3, (2, places)), None, weights, rng.integers(0, 2, (2, places, side, side))
    rois = RoiTargets(*(value if value is None else tf.convert_to_tensor(value) for value in values), weights)
    rois = rois._replace(masks=tf.cast(rois.masks, tf.float32), mask_weights=tf.constant(weights))
    features = {
        level: tf.constant(rng.normal(size=(2, 64 >> level, 64 >> level, 8)), tf.float32)
        for level in settings.roi_levels
    }
    few = mask_places(rois)
    assert few.shape[0] % MASKS_AT_ONCE == 0
    assert few.shape[0] < sum(filled) + MASKS_AT_ONCE + (sum(filled) == 0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(features)
        losses = []
        for chosen in (few, tf.range(2 * places)):
            pooled = pool(features, boxes, settings, settings.mask_pool, chosen)
            losses.append(mask_loss(model.mask_head(pooled, training=True), chosen, rois, settings))
    close(losses[0], losses[1])
    sources = [*features.values(), *model.mask_head.trainable_weights]
    for one, two in zip(tape.gradient(losses[0], sources), tape.gradient(losses[1], sources), strict=True):
        assert one is not None
        close(tf.convert_to_tensor(one), tf.convert_to_tensor(two))


def test_only_what_was_found_is_drawn_and_each_graph_is_traced_once() -> None:
    rng = np.random.default_rng(5)
    tf.keras.utils.set_random_seed(5)
    settings = config(class_agnostic=False, max_detections=6, detection_nms_iou=0.9)
    model = MaskRCNN(settings)
    detector = Detector(model, has_masks=True, batch_size=2, min_score=0.0)
    pictures = [rng.integers(0, 255, (50, 64, 3), np.uint8) for _ in range(3)]
    both, alone = detector.detect(pictures[:2]), detector.detect(pictures[1:2])
    assert len(both[1]) == len(alone[0]) > 0
    for one, two in zip(both[1], alone[0], strict=True):
        assert (one.box, one.mask) == (two.box, two.mask)
    detector.min_score = 1.0
    assert detector.detect(pictures[2:]) == [[]]
    pyramid = model.pyramid(tf.constant(rng.integers(0, 255, (2, 64, 64, 3), np.uint8)), training=False)
    first = rng.uniform(0, 0.5, (2, 6, 2))
    boxes = tf.constant(np.concatenate([first, first + 0.4], -1), tf.float32)
    classes = tf.constant(rng.integers(1, 3, (2, 6)), tf.int32)
    drawn = tf.reshape(model.masks(pyramid, boxes, classes), [12, 28, 28])
    close(model.masks_of(pyramid, boxes, classes, tf.constant([7, 0, 3])), tf.gather(drawn, [7, 0, 3]))
    assert detector._find.experimental_get_tracing_count() == 1
    assert detector._draw.experimental_get_tracing_count() == 1
