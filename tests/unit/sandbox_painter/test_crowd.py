"""Crowds: a few in front of many of the same kinds, told apart by size and place alone, and words of those in front."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgob_tasks.captions.generator.class_words import names
from sgob_tasks.captions.generator.config import GeneratorConfig
from sgob_tasks.captions.tokens import tokenise
from sgob_tasks.sandbox.painter import CLASSES, Scene
from sgob_tasks.sandbox.painter.by_lot import paint_by_lot
from sgob_tasks.sandbox.painter.crowd import BEHIND, FRONT_PIECES, MOST_IN_FRONT
from sgob_tasks.sandbox.painter.crowd_words import CROWD, crowd_captions, largest_class
from sgob_tasks.sandbox.painter.dataset import coco, voc
from sgob_tasks.sandbox.painter.masks import bounding_box, decode
from sgob_tasks.sandbox.painter.references import coco_references
from sgob_tasks.sandbox.painter.row_words import LARGER, groups
from sgob_tasks.sandbox.painter.seen import Thing
from sgob_tasks.sandbox.painter.stage import PaintedObject

SIZE = (160, 120)
ROW = ("tree", "dog", "skull", "lion", "chalice", "book")


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [paint_by_lot(CROWD, seed, split="train", size=SIZE) for seed in range(16)]


def front_of(scene: Scene) -> list[Thing]:
    return [Thing(thing.class_name, thing.bbox) for thing in scene.objects if not thing.behind]


def row_of(count: int, seed: int) -> list[Thing]:
    """Return different things side by side, in any order of the list, with boxes of any size."""
    rng = random.Random(seed)
    things = [
        Thing(name, (40 * place + rng.uniform(0, 8), rng.uniform(20, 90), rng.uniform(6, 30), rng.uniform(6, 90)))
        for place, name in enumerate(rng.sample(ROW, count))
    ]
    rng.shuffle(things)
    return things


def test_same_seed_same_pixels_and_same_truth(scenes: list[Scene]) -> None:
    again = paint_by_lot(CROWD, 5, split="train", size=SIZE)
    assert again == scenes[5]
    assert again.picture.tobytes() == scenes[5].picture.tobytes()
    assert scenes[6].objects != again.objects


def test_truth_is_exact(scenes: list[Scene]) -> None:
    for scene in scenes[:8]:
        covered = np.zeros((scene.height, scene.width), int)
        for thing in scene.objects:
            mask = decode(thing.mask)
            assert bounding_box(mask) == thing.bbox
            covered += mask
        assert covered.max() == 1


def test_a_few_are_in_front_of_many(scenes: list[Scene]) -> None:
    for scene in scenes:
        behind = [thing for thing in scene.objects if thing.behind]
        in_front = len(scene.objects) - len(behind)
        assert FRONT_PIECES[0] <= len(groups(front_of(scene))) <= FRONT_PIECES[1]
        assert in_front <= MOST_IN_FRONT
        assert in_front < len(behind) <= BEHIND[1]  # some are hidden
    assert BEHIND[1] + MOST_IN_FRONT <= GeneratorConfig.max_regions  # so nothing in front is cut off


def test_those_in_front_are_larger_and_nearer(scenes: list[Scene]) -> None:
    def foot(thing: PaintedObject) -> int:
        return thing.bbox[1] + thing.bbox[3]

    sizes: dict[bool, dict[str, list[int]]] = {True: {}, False: {}}
    for scene in scenes:
        in_front = {group.thing.box for group in groups(front_of(scene))}
        assert min(y + height for _, y, _, height in in_front) > max(foot(t) for t in scene.objects if t.behind)
        for thing in scene.objects:
            sizes[thing.behind].setdefault(thing.class_name, []).append(thing.bbox[3])
    both = [name for name in sizes[False] if name in sizes[True]]
    assert len(both) > 8  # of the same kinds
    assert all(np.mean(sizes[False][name]) > 1.3 * np.mean(sizes[True][name]) for name in both)


@settings(max_examples=60)
@given(st.integers(2, 4), st.integers(0, 10_000))
def test_words_are_true_of_the_boxes(count: int, seed: int) -> None:
    things = row_of(count, seed)
    left_to_right = [thing.class_name for thing in sorted(things, key=lambda thing: thing.middle)]
    areas = {thing.class_name: thing.box[2] * thing.box[3] for thing in things}
    told = crowd_captions(things, 256, seed)
    assert told == crowd_captions(things, 256, seed)
    assert len(set(told)) == 5
    for text in map(str.lower, told):
        order = [left_to_right.index(name) for name in re.findall("|".join(ROW), text)]
        if "large" in text:
            assert all(areas[left_to_right[order[0]]] >= LARGER * areas[left_to_right[place]] for place in order[1:])
            assert sorted(order) == list(range(count))
        elif "between" in text:
            assert (order[1], order[2]) == (order[0] - 1, order[0] + 1)
        elif "to the left of" in text:
            assert order == [0, 1]
        elif "to the right of" in text:
            assert order == [1, 0]
        elif "beside" in text:
            assert order == [count - 1, *range(count - 1)]
        else:
            assert order == list(range(count))


def test_who_is_behind_is_not_spoken_of(scenes: list[Scene]) -> None:
    document = coco_references(coco(scene.without_image() for scene in scenes))
    told: dict[int, list[str]] = {}
    for entry in document["annotations"]:
        told.setdefault(entry["image_id"], []).append(entry["caption"])
    for image, scene in zip(document["images"], scenes, strict=True):
        front = front_of(scene)
        classes = {thing.class_name for thing in front}
        assert tuple(told[image["id"]]) == crowd_captions(front, scene.width, scene.seed)
        assert scene.reference_caption == told[image["id"]][0]
        for text in told[image["id"]]:
            words = tokenise(text)
            assert not any(names(words, name) for name in set(CLASSES) - classes - {"crown", "person"}), text
            assert ("crowned" in words) <= ("crown" in classes)
        assert image["main_class"] == largest_class(front)
        if image["main_class"]:
            assert all(names(tokenise(text), image["main_class"]) for text in told[image["id"]])


def test_the_largest_is_clearly_the_largest() -> None:
    dog, tree = Thing("dog", (0, 50, 20, 20)), Thing("tree", (100, 10, 40, 80))
    assert largest_class([dog, tree]) == "tree"
    assert largest_class([dog, Thing("lion", (100, 50, 21, 20))]) is None
    assert any("A large tree beside a dog" in text for text in crowd_captions([dog, tree], 256, 1))


@pytest.mark.parametrize("front", [[], row_of(1, 1)])
def test_few_in_front_have_captions_too(front: Sequence[Thing]) -> None:
    told = crowd_captions(front, 256, 1)
    assert len(told) == 5
    assert all("crowd" in text or "others" in text for text in told)
    assert largest_class(front) is None


def test_only_staffage_is_marked(scenes: list[Scene]) -> None:
    document = coco([scenes[0].without_image(), paint_by_lot("arrangement", 1, split="train", size=SIZE)])
    marked = [thing.get("behind") for thing in document["annotations"]]
    expected = [True if thing.behind else None for thing in scenes[0].objects]
    assert marked[: len(expected)] == expected
    assert not any(marked[len(expected) :])
    assert voc(scenes[0]).count("<object>") == len(scenes[0].objects)
