from __future__ import annotations

import hashlib
import re
from collections import Counter

import numpy as np
import pytest

from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.sandbox.painter import CLASSES, Scene, paint_scene
from sgob_tasks.sandbox.painter.composition import SUBJECTS
from sgob_tasks.sandbox.painter.masks import bounding_box, decode
from sgob_tasks.sandbox.painter.phrases import SUBJECT_CAPTIONS, TITLES
from sgob_tasks.sandbox.painter.scene import LAST_OLD, MODERN_FROM
from sgob_tasks.sandbox.painter.stage import MIN_VISIBLE_PX
from sgob_tasks.sandbox.painter.twofold import LOOK_ALIKES, WITH_LOOK_ALIKE
from sgob_tasks.sandbox.painter.wording import NAMED_THINGS, NOW

SEEDS = range(6)


def digest(scene: Scene) -> str:
    return hashlib.sha256(scene.picture.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [paint_scene(seed, split="train", subject=subject) for subject in SUBJECTS for seed in SEEDS]


@pytest.mark.parametrize("subject", ["george", "vanitas", "aloft"])
def test_same_seed_same_pixels_and_same_truth(subject: str) -> None:
    first, second = (paint_scene(5, split="held_out", subject=subject) for _ in range(2))
    assert first == second
    assert digest(first) == digest(second)


def test_other_seed_other_pixels() -> None:
    assert digest(paint_scene(1, split="train")) != digest(paint_scene(2, split="train"))


@pytest.mark.parametrize("subject", sorted(WITH_LOOK_ALIKE))
@pytest.mark.parametrize("seed", SEEDS)
def test_old_and_modern_look_alike_are_the_same_to_the_pixel(subject: str, seed: int) -> None:
    old = paint_scene(seed, split="train", subject=subject, ambiguous=True)
    modern = paint_scene(seed, split="train", subject=subject, ambiguous=False)
    modern_class, old_classes = LOOK_ALIKES[subject]
    assert digest(old) == digest(modern)
    pairs = [(a, b) for a, b in zip(old.objects, modern.objects, strict=True) if a != b]
    assert len(pairs) == 1
    assert pairs[0][0].class_name in old_classes
    assert pairs[0][0].ambiguous
    assert pairs[0][1].class_name == modern_class
    assert not pairs[0][1].ambiguous
    assert pairs[0][0].mask == pairs[0][1].mask
    assert old.dating.year_to <= LAST_OLD
    assert modern.dating.year_from >= MODERN_FROM[modern_class]
    assert old.anachronistic
    assert not modern.anachronistic


def test_modern_things_occur_only_in_their_time(scenes: list[Scene]) -> None:
    seen = Counter(thing.class_name for scene in scenes for thing in scene.objects if thing.class_name in MODERN_FROM)
    assert set(seen) == set(MODERN_FROM)
    for scene in scenes:
        for thing in scene.objects:
            assert scene.dating.year_from >= MODERN_FROM.get(thing.class_name, 0)


def test_every_class_is_painted(scenes: list[Scene]) -> None:
    assert {thing.class_name for scene in scenes for thing in scene.objects} == set(CLASSES)


def test_truth_is_exact(scenes: list[Scene]) -> None:
    for scene in scenes:
        covered = np.zeros((scene.height, scene.width), dtype=int)
        for thing in scene.objects:
            mask = decode(thing.mask)
            assert mask.shape == covered.shape
            assert bounding_box(mask) == thing.bbox
            assert mask.sum() == thing.area >= MIN_VISIBLE_PX
            covered += mask
        assert covered.max() == 1, "visible pixels belong to one object only"


def test_a_picture_holds_a_few_things(scenes: list[Scene]) -> None:
    counts = [len(scene.objects) for scene in scenes]
    assert min(counts) >= 1
    assert max(counts) <= 8
    assert 3 <= np.mean(counts) <= 6
    smallest = min(min(thing.bbox[2:]) for scene in scenes for thing in scene.objects)
    assert smallest >= 5


def test_descriptions_are_labelled_and_true(scenes: list[Scene]) -> None:
    for scene in scenes:
        labels = [sentence.label for sentence in scene.sentences]
        assert 3 <= len(labels) <= 6
        assert "other" in labels
        assert all(sentence.text.endswith((".", "!")) and "{" not in sentence.text for sentence in scene.sentences)
        visible = {thing.class_name for thing in scene.objects}
        words = " ".join([scene.title, scene.reference_caption, scene.description]).lower()
        for name in (*NAMED_THINGS, "bicycle", "airplane", "cell phone"):
            assert name in visible or not re.search(rf"\b{name}s?\b", words), f"{name}, {scene.file_name}: {words}"
        assert not re.search(r"\b(on|to) the centre", words)
        assert not [year for year in re.findall(r"(?:in|until|after|museum,) (\d{4})\b", words) if int(year) > NOW]
    assert {sentence.label for scene in scenes for sentence in scene.sentences} == {"caption", "other"}


def test_every_theme_has_titles_and_captions() -> None:
    themes = {s for s in SUBJECTS if s not in LOOK_ALIKES}
    for modern, old in LOOK_ALIKES.values():
        themes |= {modern, *old}
    assert themes <= TITLES.keys()
    assert themes <= SUBJECT_CAPTIONS.keys()


def test_size_is_free() -> None:
    scene = paint_scene(9, split="served", subject="george", size=(400, 300))
    assert scene.picture.size == (400, 300) == (scene.width, scene.height)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"split": "test"}, "split"),
        ({"split": "train", "subject": "selfie"}, "subject"),
        ({"split": "train", "size": (40, 40)}, "size"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], field: str) -> None:
    with pytest.raises(InputError, match=f"painter: {field} = "):
        paint_scene(1, **arguments)  # type: ignore[arg-type] # wrong on purpose


def test_pixels_that_were_not_kept_are_missed() -> None:
    with pytest.raises(PermanentError, match="not kept"):
        _ = paint_scene(1, split="train").without_image().picture
