"""Splits that need no list: the hash of a picture's name says where it belongs, today and in ten years."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from sgob_tasks.detection.data.dataset import Dataset, Picture
from sgob_tasks.errors import InputError

UNDIVIDED = ""
"""The name of the part of a source that it does not assign to a split."""


def split_of(name: str, val_fraction: float, test_fraction: float = 0.0, salt: str = "") -> str:
    """Return ``train``, ``val`` or ``test`` for a picture.

    Adding pictures never moves another one, and growing a fraction never moves a picture between ``val`` and ``test``:
    validation takes hashes from the low end, test from the high end.

    Args:
        name: what identifies the picture, such as its file name or hash.
        val_fraction: share of validation, 0 to 1.
        test_fraction: share of test, 0 to 1.
        salt: another text gives another split.

    Raises:
        ValueError: the fractions do not fit into 1.
    """
    if min(val_fraction, test_fraction) < 0 or val_fraction + test_fraction > 1:
        raise ValueError(f"fractions {val_fraction} and {test_fraction} do not fit into 1")
    digest = hashlib.sha256(f"{salt}\0{name}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < val_fraction:
        return "val"
    return "test" if place >= 1 - test_fraction else "train"


def group_of(picture: Picture, group: str | None) -> str:
    """Return what decides a picture's split: the value of its field ``group``, or its file name where it has none."""
    value = picture.extras.get(group) if group is not None else None
    return picture.file_name if value is None or value == "" else f"{group}={value}"


def divide(
    splits: Mapping[str, Dataset], val_fraction: float, test_fraction: float, salt: str = "", group: str | None = None
) -> dict[str, Dataset]:
    """Divide what a source has not divided itself.

    A source's own splits are kept as they are. The undivided part, or ``train`` where that is all there is, is divided
    into ``train`` and those of ``val`` and ``test`` that the source lacks and that get a share; these are there even if
    chance leaves them empty.

    Args:
        splits: by name, the undivided part under ``UNDIVIDED``.
        val_fraction: share of validation, 0 to 1.
        test_fraction: share of test, 0 to 1.
        salt: another text gives another division.
        group: field of the pictures whose equal values stay together, such as a work or a series.

    Raises:
        InputError: the source has an undivided part besides ``train``; or ``group`` is a field of no picture.
    """
    parts = dict(splits)
    if UNDIVIDED in parts and "train" in parts:
        source = parts[UNDIVIDED].source
        raise InputError(source, "split", source.name, "the name says no split, and there is a train split besides")
    whole = parts.pop(UNDIVIDED, None)
    if whole is None and parts.keys() == {"train"}:
        whole = parts.pop("train")
    if whole is None:
        return parts
    if group is not None and not any(group in picture.extras for picture in whole.pictures):
        raise InputError(whole.source, "group", group, "is a field of no picture")
    val_fraction = 0.0 if "val" in parts else val_fraction
    test_fraction = 0.0 if "test" in parts else test_fraction
    members: dict[str, list[Picture]] = {"train": []}
    members |= {"val": []} if val_fraction > 0 else {}
    members |= {"test": []} if test_fraction > 0 else {}
    for picture in whole.pictures:
        members[split_of(group_of(picture, group), val_fraction, test_fraction, salt)].append(picture)
    return parts | {split: replace(whole, pictures=tuple(pictures)) for split, pictures in members.items()}
