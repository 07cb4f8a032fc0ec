"""From labels, as people type them, to the classes of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sgob_tasks.detection.data.dataset import Box, Dataset, Instance, Picture
from sgob_tasks.detection.data.problems import Problems
from sgob_tasks.errors import InputError


@dataclass(frozen=True)
class LabelledObject:
    """An object as Pascal VOC and VIA have it; see ``Instance``, but with its label instead of a class."""

    label: str
    box: Box
    segmentation: Any = None
    extras: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelledPicture:
    """A picture's name, size in pixels, objects and further fields, before its file is known."""

    file_name: str
    width: int
    height: int
    objects: tuple[LabelledObject, ...]
    extras: Mapping[str, Any] = field(default_factory=dict)


def clean_label(text: str) -> str:
    """Return a label without the blanks and line ends that annotation tools leave around and within it."""
    return " ".join(text.split())


def build_dataset(source: Path, pictures: Iterable[tuple[LabelledPicture, Path]]) -> Dataset:
    """Return labelled pictures and their files as a data set; its classes are the labels, sorted.

    Pictures are numbered from 1 in the given order, categories too.
    """
    members = list(pictures)
    classes = sorted({item.label for picture, _ in members for item in picture.objects})
    index = {name: number for number, name in enumerate(classes, 1)}
    made = tuple(
        Picture(
            number,
            path,
            picture.width,
            picture.height,
            tuple(
                Instance(index[item.label], item.box, False, item.segmentation, None, item.extras)
                for item in picture.objects
            ),
            picture.file_name,
            picture.extras,
        )
        for number, (picture, path) in enumerate(members, 1)
    )
    return Dataset(source, tuple(classes), tuple(range(1, len(classes) + 1)), made)


def select_classes(dataset: Dataset, classes: Sequence[str], problems: Problems) -> Dataset:
    """Return the same pictures with the boxes of some classes, in the order of these; categories count from 1.

    Names are compared without regard to case. A class that does not occur is kept: the data set has no box of it.

    Args:
        dataset: what was read.
        classes: the wanted names.
        problems: is told of every box whose label is none of them.

    Raises:
        InputError: a wanted name is empty or there twice; in strict mode, a label is unknown.
    """
    wanted = {name.casefold(): number for number, name in enumerate(classes, 1)}
    if len(wanted) != len(classes) or "" in wanted:
        raise InputError("classes", "names", list(classes), "must be names that occur once")
    new_index = [wanted.get(name.casefold()) for name in dataset.classes]
    kinds = dict(zip((name.casefold() for name in dataset.classes), dataset.supercategories, strict=False))
    pictures: list[Picture] = []
    for picture in dataset.pictures:
        kept: list[Instance] = []
        for number, instance in enumerate(picture.instances, 1):
            index = new_index[instance.class_index - 1]
            if index is not None:
                kept.append(replace(instance, class_index=index))
                continue
            label, name = dataset.classes[instance.class_index - 1], picture.file_name
            reason = f"is none of the {len(classes)} chosen classes"
            problems.report("label", InputError(name, f"box {number}/label", label, reason))
        pictures.append(replace(picture, instances=tuple(kept)))
    new_kinds = tuple(kinds.get(name.casefold(), "") for name in classes)
    return Dataset(
        dataset.source,
        tuple(classes),
        tuple(range(1, len(classes) + 1)),
        tuple(pictures),
        new_kinds if any(new_kinds) else (),
    )


def same_classes(splits: Mapping[str, Dataset]) -> dict[str, Dataset]:
    """Give all splits of a source one list of classes: the union, in the order of the category ids.

    Where two splits give a category different ids, all are numbered anew, from 1.
    """
    ids: dict[str, int] = {}
    kinds: dict[str, str] = {}
    agree = True
    for dataset in splits.values():
        for name, category in zip(dataset.classes, dataset.category_ids, strict=True):
            agree = agree and ids.get(name, category) == category
            ids.setdefault(name, category)
        kinds |= dict(zip(dataset.classes, dataset.supercategories, strict=False))
    names = tuple(sorted(ids, key=lambda name: (ids[name], name)))
    if all(dataset.classes == names for dataset in splits.values()) and agree:
        return dict(splits)
    agree = agree and len(set(ids.values())) == len(ids)
    result: dict[str, Dataset] = {}
    for split, dataset in splits.items():
        chosen = _renumbered(dataset, names)
        categories = tuple(ids[name] for name in names) if agree else chosen.category_ids
        every = tuple(kinds.get(name, "") for name in names)
        result[split] = replace(chosen, category_ids=categories, supercategories=every if any(every) else ())
    return result


def _renumbered(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Return a data set whose classes are ``names``, which hold all of its own."""
    place = {name: number for number, name in enumerate(names, 1)}
    new_index = [place[name] for name in dataset.classes]
    pictures = tuple(
        replace(
            picture,
            instances=tuple(replace(item, class_index=new_index[item.class_index - 1]) for item in picture.instances),
        )
        for picture in dataset.pictures
    )
    return Dataset(dataset.source, tuple(names), tuple(range(1, len(names) + 1)), pictures)
