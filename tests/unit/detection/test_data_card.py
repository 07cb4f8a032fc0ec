"""The card of a data set counts what is there, and is drawn whatever is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sgob_tasks.detection.data.card import century_of, dataset_card, year_of
from sgob_tasks.detection.data.card_picture import draw_card
from sgob_tasks.detection.data.dataset import Picture
from sgob_tasks.detection.data.prepare import prepare_dataset
from sgob_tasks.detection.data.shards import data_hash
from sgob_tasks.detection.vocabularies import deart_classes
from sgob_tasks.errors import InputError
from tests.unit.detection.dataset_files import voc_document, voc_object, write_coco, write_voc


def picture(**extras: Any) -> Picture:
    return Picture(1, Path("a.png"), 10, 10, (), "a.png", extras)


@pytest.mark.parametrize(
    ("extras", "year", "century"),
    [
        ({"year": 1500}, 1500, 15),
        ({"year": "1501"}, 1501, 16),
        ({"year": "ca. 1500", "year_from": 1490, "year_to": 1520}, 1505, 16),
        ({"year_to": 1400}, 1400, 14),
        ({"year": -44}, -44, None),
        ({"year": True}, None, None),
        ({}, None, None),
    ],
)
def test_years_and_centuries(extras: dict[str, Any], year: int | None, century: int | None) -> None:
    assert year_of(picture(**extras)) == year
    assert century_of(picture(**extras)) == century


def test_a_card_counts_and_says_what_was_left_out(tmp_path: Path) -> None:
    folder = write_voc(tmp_path / "voc", 12)
    broken = voc_document("1.png", voc_object(box=(1, 1, 99, 9)) + voc_object("snake") + voc_object())
    (folder / "annotations" / "1.xml").write_text(broken)
    prepare_dataset(folder, tmp_path / "out", classes=("horse", "dragon", "unicorn"), test_fraction=0.3)
    card = dataset_card(tmp_path / "out")
    assert [(row["name"], row["boxes"], row["pictures"]) for row in card["classes"]] == [
        ("horse", 12, 12),
        ("dragon", 5, 5),
        ("unicorn", 0, 0),
    ]
    assert sum(card["classes"][0]["by_split"].values()) == 12
    assert sum(split["pictures"] for split in card["splits"].values()) == 12
    assert card["sizes"]["coco"] == {"small": 12, "medium": 5, "large": 0}
    assert sum(card["sizes"]["relative"].values()) == 17
    assert card["sizes"]["relative"]["70% to 100%"] == 5
    assert card["boxes_per_picture"] == {"0": 0, "1": 7, "2": 5}
    assert card["centuries"] == {"14": 1, "15": 9, "16": 1}  # the broken file says no year
    assert card["styles"] == {"Gothic": 11}
    assert card["supercategories"] == {"animal/quadruped": 12, "preternatural/animal-like": 5}
    assert card["masks"] == {"boxes": 17, "with_mask": 0, "share": 0.0}
    assert card["left_out"]["counts"] == {"box": 1, "label": 1}
    assert {"kind": "label", "reason": "'snake' is none of the 3 chosen classes", "count": 1} in card["left_out"][
        "reasons"
    ]
    assert card["sha256"] == data_hash(tmp_path / "out")


def test_a_data_set_without_shards_has_a_card(tmp_path: Path) -> None:
    card = dataset_card(write_coco(tmp_path / "coco"))
    assert (card["sharded"], card["left_out"], card["max_side"]) == (False, None, None)
    assert card["masks"]["share"] == 0.5
    with pytest.raises(InputError, match="holds neither"):
        dataset_card(tmp_path)


def test_a_card_is_drawn_alike_twice(tmp_path: Path) -> None:
    card = dataset_card(write_coco(tmp_path / "coco"))
    for name in ("a.png", "b.png"):
        draw_card(card, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_card_of_many_classes_and_odd_names_is_drawn(tmp_path: Path) -> None:
    prepare_dataset(write_voc(tmp_path / "voc"), tmp_path / "out", classes=deart_classes())
    card = dataset_card(tmp_path / "out")
    card["styles"] |= {f"$style_{number}^{{": number for number in range(20)}
    draw_card(card, tmp_path / "card.png")
    assert Image.open(tmp_path / "card.png").width == 1540


def test_a_card_without_a_box_or_a_date_is_drawn(tmp_path: Path) -> None:
    card = dataset_card(write_coco(tmp_path / "coco"))
    for field in ("centuries", "styles", "boxes_per_picture", "supercategories"):
        card[field] = {}
    card["classes"] = [row | {"boxes": 0} for row in card["classes"]]
    draw_card(card, tmp_path / "card.png")
    assert (tmp_path / "card.png").stat().st_size > 1000
