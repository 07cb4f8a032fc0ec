"""Two models on the same held-out pictures, on a ground truth small enough to check by hand."""

from __future__ import annotations

from typing import Any

import pytest

from sgob_tasks.registry.comparison import compare_models, intervals

HORSE, BICYCLE, DRAGON = 1, 2, 3
BOX = [10, 10, 50, 50]


def truth(pictures: int = 12) -> dict[str, Any]:
    """A horse in every picture, all of them of the 15th century; in the first one there is a dragon as well."""
    names = {HORSE: "horse", BICYCLE: "bicycle", DRAGON: "dragon"}
    entries = [(n, HORSE, BOX) for n in range(1, pictures + 1)] + [(1, DRAGON, [100, 100, 40, 40])]
    return {
        "categories": [{"id": number, "name": name} for number, name in names.items()],
        "images": [
            {"id": n, "width": 200, "height": 200, "year_from": 1480, "year_to": 1480} for n in range(1, pictures + 1)
        ],
        "annotations": [
            {"id": place, "image_id": n, "category_id": kind, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for place, (n, kind, box) in enumerate(entries, 1)
        ],
    }


def found(kind: int, pictures: range, score: float = 0.9, **more: Any) -> list[dict[str, Any]]:
    return [{"image_id": n, "category_id": kind, "score": score, "bbox": BOX, **more} for n in pictures]


def test_the_better_one_is_better_beyond_doubt() -> None:
    compared = compare_models(
        truth(), found(HORSE, range(1, 4)), found(HORSE, range(1, 13)), ["horse", "bicycle", "dragon"], resamples=50
    )
    after = compared.after
    assert after.ap50_low is not None
    assert after.ap50_difference is not None
    assert after.ap50_low > 0
    assert compared.per_class["horse"] == pytest.approx((0.2475, 1.0), abs=0.01)
    assert (compared.images, compared.classes, compared.lost_classes, compared.new_classes) == (12, 3, (), ())


def test_the_time_context_is_part_of_the_comparison() -> None:
    """What was a bicycle to the candidate is a horse in what is published."""
    mistaken = found(BICYCLE, range(1, 13), candidates={"bicycle": 0.9, "horse": 0.05})
    compared = compare_models(truth(), found(HORSE, range(1, 13)), mistaken, ["horse", "bicycle"], resamples=20)
    assert compared.before.ap50_candidate == pytest.approx(0.0)
    assert compared.after.ap50_candidate == pytest.approx(1.0)
    assert compared.after.ap50_difference == pytest.approx(0.0)


def test_only_shared_classes_count_and_the_others_are_named() -> None:
    first, second = found(HORSE, range(1, 13)), found(HORSE, range(1, 13)) + found(DRAGON, range(1, 2))
    compared = compare_models(truth(), first, second, ["horse", "saddle"], resamples=20)
    assert (compared.classes, compared.lost_classes, compared.new_classes) == (1, ("saddle",), ("bicycle", "dragon"))
    assert set(compared.per_class) == {"horse"}
    assert compared.after.ap50_champion == compared.after.ap50_candidate == pytest.approx(1.0)
    plain = compared.to_json()
    assert plain["per_class"]["horse"] == [1.0, 1.0]
    assert plain["after"]["ap50_difference"] == 0.0


def test_without_a_shared_class_there_are_no_figures() -> None:
    compared = compare_models(truth(), [], found(HORSE, range(1, 13)), ["saddle"], resamples=20)
    assert compared.after.ap50_difference is None
    assert compared.per_class == {}


def test_a_model_has_an_interval_of_its_own() -> None:
    ends = intervals(truth(), found(HORSE, range(1, 7)), resamples=100)
    assert set(ends) == {"ap50", "ap"}
    assert 0 <= ends["ap50"][0] < ends["ap50"][1] <= 1
    assert intervals(truth() | {"annotations": []}, []) == {}
