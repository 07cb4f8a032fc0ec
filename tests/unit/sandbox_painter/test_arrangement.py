"""Arrangements: free places, exact truth, and words that are true of the boxes."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.sandbox.painter import CLASSES, Scene, arrangement, things
from sgob_tasks.sandbox.painter.arrangement import FEWEST, MOST
from sgob_tasks.sandbox.painter.arrangement_words import ARRANGEMENT, arrangement_captions
from sgob_tasks.sandbox.painter.by_lot import paint_by_lot
from sgob_tasks.sandbox.painter.dataset import coco
from sgob_tasks.sandbox.painter.masks import bounding_box, decode
from sgob_tasks.sandbox.painter.pieces import PIECES, drawn_by_lot, places
from sgob_tasks.sandbox.painter.references import coco_references
from sgob_tasks.sandbox.painter.row_words import LARGER, groups
from sgob_tasks.sandbox.painter.seen import Thing
from sgob_tasks.sandbox.painter.stage import Stage

SMALL = (128, 96)
ROW = ("tree", "dog", "skull", "boat", "lion", "chalice", "book", "angel")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [paint_by_lot(ARRANGEMENT, seed, split="train", size=SMALL) for seed in range(24)]


def row_of(names: Sequence[str], seed: int) -> list[Thing]:
    """Return things side by side in this order, in any order of the list, with boxes of any size."""
    rng = random.Random(seed)
    things = [
        Thing(name, (30 * place + rng.uniform(0, 8), rng.uniform(20, 90), rng.uniform(6, 20), rng.uniform(6, 90)))
        for place, name in enumerate(names)
    ]
    rng.shuffle(things)
    return things


def test_same_seed_same_pixels_and_same_truth() -> None:
    first, second = (paint_by_lot(ARRANGEMENT, 5, split="train", size=SMALL) for _ in range(2))
    assert first == second
    assert first.picture.tobytes() == second.picture.tobytes()
    assert paint_by_lot(ARRANGEMENT, 6, split="train", size=SMALL).objects != first.objects


def test_truth_is_exact(scenes: list[Scene]) -> None:
    for scene in scenes:
        covered = np.zeros((scene.height, scene.width), int)
        for thing in scene.objects:
            mask = decode(thing.mask)
            assert mask.shape == covered.shape
            assert bounding_box(mask) == thing.bbox
            assert mask.sum() == thing.area
            covered += mask
        assert covered.max() == 1


def test_holds_four_to_seven_known_things(scenes: list[Scene]) -> None:
    counts = [len(scene.objects) for scene in scenes]
    assert max(counts) <= MOST
    assert np.mean([count >= FEWEST for count in counts]) > 0.9  # one may be hidden
    assert {thing.class_name for scene in scenes for thing in scene.objects} <= set(CLASSES)
    assert not any(scene.anachronistic for scene in scenes)


def test_who_stands_apart_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(40):
        chosen = drawn_by_lot(random.Random(seed), 4 + seed % 4)
        with monkeypatch.context() as patch:
            patch.setattr(arrangement, "drawn_by_lot", lambda rng, count, chosen=chosen: chosen)
            scene = paint_by_lot(ARRANGEMENT, seed, split="train", size=SMALL)
        if len(scene.objects) == sum(piece.things for piece in chosen):
            assert len(groups(Thing(thing.class_name, thing.bbox) for thing in scene.objects)) == len(chosen)


def test_reach_is_that_of_what_is_drawn() -> None:
    for mirrored_or_not in range(4):
        stage = Stage(random.Random(mirrored_or_not), SMALL, "gilded", 0.7)
        left, right = stage.reach(lambda stage: _banner_at(stage, 0.5))
        assert not stage.objects()
        _banner_at(stage, left)
        (drawn,) = stage.objects()
        ends = (drawn.bbox[0], drawn.bbox[0] + drawn.bbox[2])
        assert ends == pytest.approx(
            (0, 128 * (left + right)) if ends[0] < 40 else (128 * (1 - left - right), 128), abs=1.5
        )


def _banner_at(stage: Stage, x: float) -> None:
    frame = stage.frame(x, 0.8, 0.6, angle=0.2)
    stage.draw("banner", frame, lambda b: things.banner(b, random.Random(1), stage.palette))


@given(st.lists(st.floats(0.01, 0.14), min_size=1, max_size=7), st.integers(0, 1000))
def test_pieces_do_not_overlap_and_stay_in_the_picture(widths: list[float], seed: int) -> None:
    middles = places(random.Random(seed), widths)
    ends = [(x - width / 2, x + width / 2) for x, width in zip(middles, widths, strict=True)]
    assert ends[0][0] >= -1e-9
    assert ends[-1][1] <= 1 + 1e-9
    assert all(left[1] <= right[0] + 1e-9 for left, right in pairwise(ends))


def test_any_piece_stands_anywhere() -> None:
    widths = [0.1] * 5
    middles = np.array([places(random.Random(seed), widths) for seed in range(400)])
    assert middles.mean(0) == pytest.approx([0.1333, 0.3167, 0.5, 0.6833, 0.8667], abs=0.02)  # order statistics
    assert middles.std(0).min() > 0.05
    assert len({piece.draw for piece in PIECES}) == len(PIECES)


@settings(max_examples=60)
@given(st.permutations(ROW), st.integers(3, 8), st.integers(0, 10_000))
def test_words_are_true_of_the_boxes(order: list[str], count: int, seed: int) -> None:
    names = order[:count]
    things = row_of(names, seed)
    boxes = {thing.class_name: thing.box for thing in things}
    told = arrangement_captions(things, 256, seed)
    assert told == arrangement_captions(things, 256, seed)
    assert len(told) == 5
    assert len(set(told)) > 2
    for text in told:
        said = re.findall("|".join(ROW), text.lower())
        told_order = [names.index(name) for name in said]
        if "from left to right" in text.lower() or text.startswith("From the left"):
            assert told_order == list(range(count))
        if "far left" in text or "left end" in text:
            assert told_order == [0, count - 1]
        if "between" in text:
            assert (told_order[1], told_order[2]) == (told_order[0] - 1, told_order[0] + 1)
        if "to the left of" in text:
            assert told_order == [0, 1]
        if "to the right of" in text:
            assert told_order == [count - 1, count - 2]
        if "on its left" in text:
            assert (told_order[1], told_order[2]) == (told_order[0] - 1, told_order[0] + 1)
            x, _, width, _ = boxes[said[0]]
            assert abs((x + width / 2) / 256 - 0.5) <= 0.1
        areas = {name: box[2] * box[3] for name, box in boxes.items()}
        if "large" in text.lower():
            assert all(areas[said[0]] >= LARGER * areas[name] for name in areas if name != said[0])
        if "nearest" in text.lower() or "foreground" in text:
            feet = {name: box[1] + box[3] for name, box in boxes.items()}
            assert said[0] == max(feet, key=feet.__getitem__)


def test_who_rides_wears_and_holds() -> None:
    things = [
        Thing("horse", (10, 60, 60, 50)),
        Thing("person", (25, 30, 30, 50)),
        Thing("lance", (20, 40, 60, 10)),
        Thing("person", (120, 40, 30, 60)),
        Thing("crown", (128, 30, 12, 10)),
        Thing("sword", (148, 50, 10, 30)),
        Thing("angel", (200, 40, 40, 60)),
        Thing("halo", (210, 35, 14, 14)),
        Thing("crown", (170, 90, 12, 10)),
    ]
    rider, crowned, crown, angel = groups(things)
    assert (rider.rider, rider.held) == (True, "lance")
    assert (crowned.crowned, crowned.held, crowned.holy) == (True, "sword", False)
    assert crown.thing.class_name == "crown"
    assert angel.holy
    everything = next(text for text in arrangement_captions(things, 256, 1) if "rom " in text and "left" in text)
    assert re.search("horse with a lance, a crowned .* with a sword, a crown and an angel with a halo", everything)


def test_two_of_a_class_are_told_apart() -> None:
    things = [Thing("dog", (x, 50, 20, 20)) for x in (0, 100)] + [Thing("tree", (200, 50, 20, 20))]
    assert any("a dog, another dog and a tree" in text for text in arrangement_captions(things, 256, 1))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_things_have_captions_too(count: int) -> None:
    things = row_of(ROW[:count], 1)
    assert all(text.endswith(".") for text in arrangement_captions(things, 256, 1))


def test_references_are_those_of_arrangements(scenes: list[Scene]) -> None:
    document = coco_references(coco(scene.without_image() for scene in scenes))
    first = [entry["caption"] for entry in document["annotations"][:5]]
    seen = [Thing(thing.class_name, thing.bbox) for thing in scenes[0].objects]
    assert tuple(first) == arrangement_captions(seen, SMALL[0], scenes[0].seed)
    assert scenes[0].reference_caption == first[0]
    assert {image["main_class"] for image in document["images"]} == {None}
