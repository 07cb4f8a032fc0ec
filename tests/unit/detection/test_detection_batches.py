"""Batches: every picture once an epoch, whatever the ranks, the parts and the rest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sgob_tasks.detection.config import preset_config
from sgob_tasks.detection.data.augmentation import Augmentation
from sgob_tasks.detection.data.batches import Batches
from sgob_tasks.detection.data.coco import read_coco
from sgob_tasks.detection.data.dataset import Dataset, Picture

CONFIG = preset_config("tiny", ("horse",), image_size=64)


def of_pictures(count: int) -> Dataset:
    pictures = tuple(Picture(number, Path(f"{number}.png"), 8, 8, ()) for number in range(count))
    return Dataset(Path("train.json"), ("horse",), (1,), pictures)


@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 5), st.integers(0, 50), st.integers(0, 3))
def test_each_picture_counts_once_an_epoch(count: int, size: int, batch_size: int, whole: int, epoch: int) -> None:
    ranks = [
        Batches(
            of_pictures(count), CONFIG, batch_size=batch_size, seed=3, global_batch_size=whole, rank=rank, size=size
        )
        for rank in range(size)
    ]
    steps = ranks[0].steps_per_epoch
    seen: list[int] = []
    for step in range(epoch * steps, (epoch + 1) * steps):
        of_step: list[int] = []
        for rank in ranks:
            for number in range(rank.parts(step)):
                places, weights = rank.places(step, number)
                assert places.shape == weights.shape == (batch_size,)  # one shape, one trace
                of_step += [int(place) for place, weight in zip(places, weights, strict=True) if weight]
                assert set(weights) <= {0.0, 1.0}
        assert sorted(of_step) == sorted(ranks[0].pictures(step).tolist())
        assert len({rank.parts(step) for rank in ranks}) == 1  # no rank waits for another's part
        assert ranks[0].share(step) == pytest.approx(len(of_step) / min(whole or batch_size * size, count))
        seen += of_step
    assert sorted(seen) == list(range(count))


def test_the_last_batch_of_an_epoch_is_what_is_left() -> None:
    batches = Batches(of_pictures(10), CONFIG, batch_size=2, seed=0, global_batch_size=4)
    assert batches.steps_per_epoch == 3
    assert [len(batches.pictures(step)) for step in range(6)] == [4, 4, 2, 4, 4, 2]
    assert [batches.parts(step) for step in range(3)] == [2, 2, 1]
    assert batches.share(2) == 0.5
    assert Batches(of_pictures(10), CONFIG, batch_size=2, seed=0, global_batch_size=8000).share(0) == 1
    first, second = (np.concatenate([batches.pictures(s) for s in range(e, e + 3)]) for e in (0, 3))
    assert not np.array_equal(first, second)  # another order in another epoch


@pytest.fixture
def drawn(tmp_path: Path) -> Dataset:
    """Seven noisy pictures with a box each; the first with a mask, the second with a crowd besides."""
    (tmp_path / "images").mkdir()
    images, annotations = [], []
    for number in range(1, 8):
        pixels = np.random.default_rng(number).integers(0, 255, (60, 80, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 80, "height": 60})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": [10, 10, 20 + number, 30]})
    annotations[0]["segmentation"] = [[10, 10, 31, 10, 31, 40, 10, 40]]
    annotations.append({"id": 8, "image_id": 2, "category_id": 1, "bbox": [50, 5, 20, 20], "iscrowd": 1})
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "horse"}]}
    (tmp_path / "train.json").write_text(json.dumps(document))
    return read_coco(tmp_path / "train.json", tmp_path / "images")


def test_a_picture_looks_the_same_on_whatever_rank_and_in_whatever_part(drawn: Dataset) -> None:
    how = {"seed": 5, "global_batch_size": 7, "augmentation": Augmentation()}
    alone = Batches(drawn, CONFIG, batch_size=7, **how).part(0, 0)
    order = Batches(drawn, CONFIG, batch_size=7, **how).pictures(0).tolist()
    counted = 0
    for rank in range(2):
        shared = Batches(drawn, CONFIG, batch_size=3, rank=rank, size=2, **how)
        assert shared.parts(0) == 2
        for number in range(2):
            part, (places, _) = shared.part(0, number), shared.places(0, number)
            for place, index in enumerate(places):
                whole = order.index(index)
                for field in ("images", "boxes", "classes", "masks", "has_mask", "seeds"):
                    np.testing.assert_array_equal(getattr(part, field)[place], getattr(alone, field)[whole])
            counted += int(part.weights.sum())
    assert counted == 7
    again = Batches(drawn, CONFIG, batch_size=7, **how)
    assert not np.array_equal(again.part(1, 0).images, alone.images)  # the next epoch shows it otherwise


def test_what_has_no_mask_may_count_as_a_filled_box(drawn: Dataset) -> None:
    plain = Batches(drawn, CONFIG, batch_size=7, seed=0).part(0, 0)
    assert plain.has_mask.sum() == 1
    assert (plain.classes == -1).sum() == 1
    filled = Batches(drawn, CONFIG, batch_size=7, seed=0, box_masks=True).part(0, 0)
    assert filled.has_mask.sum() == 7  # all but the crowd region
    assert filled.masks.sum() == 7 * CONFIG.mini_mask**2


def test_parts_go_on_where_they_are_asked_to(drawn: Dataset) -> None:
    batches = Batches(drawn, CONFIG, batch_size=2, seed=0, global_batch_size=4)
    wanted = [(1, 0), (1, 1), (2, 0), (2, 1)]
    for part, (step, number) in zip(batches.parts_from(1), wanted, strict=False):
        np.testing.assert_array_equal(part.images, batches.part(step, number).images)
    first = next(batches.parts_from(0, 1))
    np.testing.assert_array_equal(first.images, batches.part(0, 1).images)
