"""Data sets of pictures whose things are drawn by lot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sgob_tasks.errors import InputError
from sgob_tasks.sandbox.painter import paint_set_by_lot
from sgob_tasks.sandbox.painter.by_lot import KINDS, paint_by_lot

SMALL = (128, 96)


@pytest.mark.parametrize("subject", KINDS)
def test_a_set_is_painted_the_same_by_any_number_of_processes(tmp_path: Path, subject: str) -> None:
    one = paint_set_by_lot(subject, tmp_path / "one", 5, 3, 4, size=SMALL, processes=1)
    two = paint_set_by_lot(subject, tmp_path / "two", 5, 3, 4, size=SMALL, processes=2)
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(files) == 2 + 2 * 8
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)
    images = json.loads((one / "val.json").read_text())["images"]
    assert [image["subject"] for image in images] == [subject] * 3


@pytest.mark.parametrize("subject", KINDS)
def test_has_all_that_other_scenes_have(subject: str) -> None:
    for seed in range(3):
        scene = paint_by_lot(subject, seed, split="served", size=SMALL)
        assert (scene.subject, scene.split) == (subject, "served")
        assert scene.title
        assert scene.dating.year_from <= scene.dating.year_to
        assert 3 <= len(scene.sentences) <= 6
        assert scene.reference_caption.endswith(".")
        assert not scene.anachronistic


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"subject": "george", "split": "train"}, "subject"),
        ({"subject": "crowd", "split": "test"}, "split"),
        ({"subject": "crowd", "split": "train", "size": (40, 40)}, "size"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, object], field: str) -> None:
    with pytest.raises(InputError, match=f"painter: {field} = "):
        paint_by_lot(seed=1, **arguments)  # type: ignore[arg-type] # wrong on purpose


def test_numbers_out_of_range_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="painter: count = "):
        paint_set_by_lot("crowd", tmp_path, -1, 0, 1)
    with pytest.raises(InputError, match="painter: seed = "):
        paint_set_by_lot("crowd", tmp_path, 1, 0, -1)
    with pytest.raises(InputError, match="painter: subject = "):
        paint_set_by_lot("george", tmp_path, 1, 0, 1)
