"""Geometry against the papers: box coding, anchors, levels, suppression, pooling, for any box, the degenerate too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

sys.path.insert(0, str(Path(__file__).parent))
import reference

from sgob_tasks.detection import boxes as ours
from sgob_tasks.detection.config import preset_config
from sgob_tasks.detection.inference.graph_selection import select_in_graph
from sgob_tasks.detection.inference.selection import select
from sgob_tasks.detection.network import tensors
from sgob_tasks.detection.network.anchors import pyramid_anchors
from sgob_tasks.detection.network.proposals import pool, propose, roi_level

STD = (0.1, 0.1, 0.2, 0.2)
SETTINGS = settings(deadline=None, max_examples=60)
UNIT = st.floats(0, 1, width=32)


def corners(count: int | st.SearchStrategy[int], *, ordered: bool = True) -> st.SearchStrategy[np.ndarray]:
    """Boxes in network coordinates; some without area, some (not ``ordered``) inside out."""
    shape = st.tuples(st.just(count) if isinstance(count, int) else count, st.just(4))
    values = hnp.arrays(np.float32, shape, elements=UNIT | st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    if not ordered:
        return values
    return values.map(lambda v: np.concatenate([np.minimum(v[:, :2], v[:, 2:]), np.maximum(v[:, :2], v[:, 2:])], 1))


DELTAS = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        corners(n, ordered=False), hnp.arrays(np.float32, (n, 4), elements=st.floats(-40, 40, width=32))
    )
)


def one_by_one(code: Any, boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.array([code(*pair, STD) for pair in zip(boxes.astype(float), others.astype(float), strict=True)])


def has_area(boxes: np.ndarray) -> np.ndarray:
    """Return which boxes have sides that single precision can subtract."""
    return (boxes[:, 2:] - boxes[:, :2] > 1e-3).all(-1)


def float32(value: Any) -> Any:
    return tf.constant(np.asarray(value, np.float32))


@given(st.integers(1, 6).flatmap(lambda n: st.tuples(corners(n, ordered=False), corners(n, ordered=False))))
@SETTINGS
def test_boxes_are_coded_as_in_the_paper(pair: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, targets = pair
    wanted = one_by_one(reference.encode_one, boxes, targets)
    np.testing.assert_allclose(ours.encode(boxes, targets, STD), wanted, rtol=1e-9, atol=1e-9)
    # Single precision against double: the shift, rounded to single precision, is divided by a side that may be tiny.
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], ours.MIN_SIDE)
    rounding = np.concatenate([np.finfo(np.float32).eps / (sides * STD[:2]), np.zeros_like(sides)], 1)
    found = tensors.encode(float32(boxes), float32(targets), STD)
    assert (np.abs(found - wanted) <= 2e-4 * (1 + np.abs(wanted)) + rounding).all()


@given(DELTAS)
@SETTINGS
def test_boxes_are_decoded_as_in_the_paper(pair: tuple[np.ndarray, np.ndarray]) -> None:
    boxes, deltas = pair
    wanted = one_by_one(reference.decode_one, boxes, deltas)
    np.testing.assert_allclose(ours.decode(boxes, deltas, STD), wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(tensors.decode(float32(boxes), float32(deltas), STD), wanted, rtol=1e-4, atol=1e-4)


@given(corners(3), corners(3))
@SETTINGS
def test_decoding_undoes_coding(boxes: np.ndarray, targets: np.ndarray) -> None:
    boxes, targets = boxes.astype(float), targets.astype(float)
    real = np.minimum((boxes[:, 2:] - boxes[:, :2]).min(1), (targets[:, 2:] - targets[:, :2]).min(1)) > 0.02
    back = ours.decode(boxes, ours.encode(boxes, targets, STD), STD)
    np.testing.assert_allclose(back[real], targets[real], atol=1e-9)


@given(corners(st.integers(1, 5), ordered=False), corners(st.integers(1, 5), ordered=False))
@SETTINGS
def test_overlaps_are_those_of_the_definition(first: np.ndarray, second: np.ndarray) -> None:
    wanted = np.array([[reference.iou_one(a, b) for b in second.astype(float)] for a in first.astype(float)])
    np.testing.assert_allclose(ours.iou(first, second), wanted, atol=1e-12)
    real = has_area(first)[:, None] & has_area(second)[None]
    found = tensors.iou(float32(first)[None], float32(second)[None])[0].numpy()
    np.testing.assert_allclose(found[real], wanted[real], atol=1e-3)
    assert ((found >= 0) & (found <= 1.001)).all()


def scored(most: int) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    return st.integers(0, most).flatmap(
        lambda n: st.tuples(corners(n), hnp.arrays(np.float32, n, elements=UNIT | st.sampled_from([0.25, 0.5, 0.75])))
    )


@given(scored(9), st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]), st.integers(1, 9))
@SETTINGS
def test_suppression_is_greedy(found: tuple[np.ndarray, np.ndarray], threshold: float, limit: int) -> None:
    boxes, scores = found
    wanted = reference.suppress(boxes.astype(float), scores, threshold, limit)
    assert ours.non_maximum_suppression(boxes, scores, threshold, limit).tolist() == wanted


@pytest.mark.parametrize("side", [64, 128, 192])
def test_anchors_are_those_of_the_paper(side: int) -> None:
    config = preset_config("resnet50", ("horse",), image_size=side)
    wanted = reference.anchors_of(side, [2, 3, 4, 5, 6], [32, 64, 128, 256, 512], [0.5, 1, 2])
    # Matterport's coordinates: pixels over (side - 1), the far corner moved in by one pixel.
    wanted = (wanted - [0, 0, 1, 1]) / (side - 1)
    np.testing.assert_allclose(pyramid_anchors(config), wanted, atol=1e-6)


@given(corners(st.integers(1, 8)), st.sampled_from([64, 512, 1024]), st.sampled_from([1.0, 0.3, 0.1, 0.03]))
@SETTINGS
def test_levels_are_those_of_equation_1(boxes: np.ndarray, side: int, scale: float) -> None:
    boxes = boxes * np.float32(scale)
    config = preset_config("resnet50", ("horse",), image_size=side)
    found = roi_level(float32(boxes), config).numpy()
    for box, level in zip(boxes.astype(float), found, strict=True):
        # At the border of two levels, single precision may fall on either side.
        near = {reference.level_of(box * factor, side) for factor in (1 - 1e-5, 1.0, 1 + 1e-5)}
        assert level in near


@given(corners(st.integers(1, 6), ordered=False), st.sampled_from([2, 7]), st.sampled_from([0.98, 0.4, 0.2, 0.05]))
@settings(deadline=None, max_examples=40)
def test_regions_are_cut_out_of_their_level_by_bilinear_sampling(boxes: np.ndarray, cells: int, scale: float) -> None:
    config = preset_config("resnet50", ("horse",), image_size=1024, fpn_channels=2)
    rng = np.random.default_rng(0)
    features = {level: rng.normal(size=(1, 2 + level, 2 + level, 2)) for level in (2, 3, 4, 5)}
    boxes = boxes * np.float32(scale) + np.float32(0.01)
    found = pool({level: float32(f) for level, f in features.items()}, float32(boxes)[None], config, cells).numpy()
    levels = roi_level(float32(boxes), config).numpy()
    for box, level, part in zip(boxes.astype(float), levels, found, strict=True):
        np.testing.assert_allclose(part, reference.crop(features[level][0], box, cells), atol=1e-4)


def test_proposals_are_the_best_anchors_corrected_cut_and_thinned() -> None:
    config = preset_config("resnet50", ("horse",), image_size=64, pre_nms=150)
    rng = np.random.default_rng(1)
    anchors = pyramid_anchors(config)
    logits = rng.normal(size=(2, len(anchors), 2)).astype(np.float32)
    deltas = rng.normal(size=(2, len(anchors), 4)).astype(np.float32)
    found = propose(tf.constant(logits), tf.constant(deltas), tf.constant(anchors), config, 40).numpy()
    for place in range(2):
        scores = np.exp(logits[place, :, 1]) / np.exp(logits[place]).sum(-1)
        best = np.argsort(-scores, kind="stable")[:150]
        boxes = np.array([reference.decode_one(anchors[i].astype(float), deltas[place, i], STD) for i in best])
        boxes = np.clip(boxes, 0, 1)
        kept = boxes[reference.suppress(boxes, scores[best], 0.7, 40)]
        np.testing.assert_allclose(found[place, : len(kept)], kept, atol=1e-5)
        np.testing.assert_array_equal(found[place, len(kept) :], 0)


def reference_detections(
    boxes: np.ndarray, probabilities: np.ndarray, proposed: np.ndarray, min_score: float, nms: float, limit: int
) -> list[tuple[int, int]]:
    """Return (place, class) of the detections, best first: Matterport's refinement for scores from one half on."""
    alive = [
        (place, int(np.argmax(probabilities[place, 1:])) + 1)
        for place in range(len(boxes))
        if proposed[place] and probabilities[place, 1:].max() >= min_score
    ]
    alive = [(p, c) for p, c in alive if (boxes[p, c, 2:] > boxes[p, c, :2]).all()]
    kept: list[tuple[int, int]] = []
    for index in {c for _, c in alive}:
        mine = [p for p, c in alive if c == index]
        best = reference.suppress(boxes[mine, index].astype(float), probabilities[mine, index], nms, limit)
        kept += [(mine[b], index) for b in best]
    return sorted(kept, key=lambda one: -probabilities[one[0], one[1]])[:limit]


@pytest.mark.parametrize("seed", range(12))
def test_detections_are_chosen_as_matterport_does_in_numpy_and_in_the_graph(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, limit = 60, (5, 100)[seed % 2]
    config = preset_config("resnet50", ("a", "b", "c"), detection_nms_iou=0.3, max_detections=limit)
    corner = rng.uniform(0, 0.7, (count, 4, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(-0.02, 0.3, (count, 4, 2))], -1).astype(np.float32)
    logits = rng.normal(size=(count, 4)) * 2
    probabilities = (np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)).astype(np.float32)
    proposed = rng.random(count) < 0.9
    wanted = reference_detections(boxes, probabilities, proposed, 0.5, 0.3, limit)
    chosen = select(boxes, probabilities, proposed, config, 0.5)
    assert chosen.classes.tolist() == [c for _, c in wanted]
    np.testing.assert_array_equal(chosen.probabilities, probabilities[[p for p, _ in wanted]])
    np.testing.assert_array_equal(chosen.boxes, [boxes[p, c] for p, c in wanted])
    graph = select_in_graph(*map(tf.constant, (boxes, probabilities, proposed)), config, 0.5)
    assert int(graph.count) == len(wanted)
    for name in ("boxes", "classes", "scores", "probabilities"):
        mine = getattr(graph, name).numpy()
        assert len(mine) == limit
        np.testing.assert_array_equal(mine[: len(wanted)], getattr(chosen, name))
        assert not mine[len(wanted) :].any()


@pytest.mark.parametrize(("agnostic", "cross"), [(True, 0.5), (False, 0.3), (True, 1.0)])
def test_the_graph_chooses_as_numpy_does_across_classes_too(agnostic: bool, cross: float) -> None:
    rng = np.random.default_rng(3)
    config = preset_config(
        "resnet50", ("a", "b", "c"), detection_nms_iou=0.5, cross_class_iou=cross, max_detections=6,
        class_agnostic=agnostic,
    )  # fmt: skip
    corner = rng.uniform(0, 0.5, (80, 1 if agnostic else 4, 2))
    boxes = np.concatenate([corner, corner + 0.4], -1).astype(np.float32)
    probabilities = rng.dirichlet(np.ones(4), 80).astype(np.float32)
    proposed = np.ones(80, bool)
    for min_score in (0.0, 0.4, 0.99999):
        chosen = select(boxes, probabilities, proposed, config, min_score)
        graph = select_in_graph(*map(tf.constant, (boxes, probabilities, proposed)), config, min_score)
        assert graph.classes.numpy()[: int(graph.count)].tolist() == chosen.classes.tolist()
        np.testing.assert_array_equal(graph.boxes.numpy()[: int(graph.count)], chosen.boxes)
