"""Reference captions say what is where, and only that."""

from __future__ import annotations

import pytest

from sgob_tasks.sandbox.painter.dataset import coco, orders, paint_order
from sgob_tasks.sandbox.painter.references import coco_references, main_class, reference_captions
from sgob_tasks.sandbox.painter.seen import Thing

HORSE, RIDER = Thing("horse", (10, 60, 80, 60)), Thing("person", (30, 20, 40, 60))
DRAGON, CROWN = Thing("dragon", (180, 90, 60, 60)), Thing("crown", (45, 15, 10, 8))


def captions(subject: str, *things: Thing) -> tuple[str, ...]:
    return reference_captions(subject, things, 256, seed=3)


def test_the_same_scene_is_told_in_the_same_words() -> None:
    told = captions("george", HORSE, RIDER, DRAGON)
    assert told == captions("george", HORSE, RIDER, DRAGON)
    assert len(told) == 5
    assert len(set(told)) > 1


def test_says_who_wears_what_and_what_is_on_which_side() -> None:
    for text in captions("george", HORSE, RIDER, DRAGON, CROWN):
        assert "crowned" in text
        assert "dragon" in text.split("horse")[1]
    for text in captions("george", HORSE, RIDER, DRAGON):
        assert "crowned" not in text


@pytest.mark.parametrize(("x", "side"), [(0, "left"), (120, "cent|middle"), (230, "right")])
def test_sides_are_thirds(x: float, side: str) -> None:
    for text in captions("ships", Thing("boat", (x, 50, 20, 20))):
        assert any(word in text for word in side.split("|"))


def test_things_of_a_class_on_a_side_are_counted() -> None:
    sheep = [Thing("sheep", (x, 100, 20, 20)) for x in (0, 10, 20)]
    assert all("three sheep" in text.lower() for text in captions("ships", *sheep))


@pytest.mark.parametrize("subject", ["george", "vanitas", "aloft", "in hand", "anything"])
def test_an_empty_scene_has_captions_too(subject: str) -> None:
    assert all(text.endswith(".") for text in captions(subject))
    assert main_class(subject, []) is None


def test_a_painted_set_has_references_for_every_picture() -> None:
    painted = coco(paint_order(order, (96, 96)).without_image() for order in orders(20, 5, "held_out"))
    document = coco_references(painted)
    assert [image["id"] for image in document["images"]] == [image["id"] for image in painted["images"]]
    assert len(document["annotations"]) == 100
    names = {entry["name"] for entry in painted["categories"]}
    assert {image["main_class"] for image in document["images"]} <= names | {None}
