from __future__ import annotations

from typing import Any

import pytest

from sgob_tasks.store.scores import HeldOut, Score, held_out, score_table


@pytest.mark.parametrize(
    "scores",
    [
        {
            "before": {"AP": 0.3, "AP50": 0.4, "anachronistic": {"AP50": 0.1}},
            "after": {"AP": 0.35, "AP50": 0.5, "anachronistic": {"AP50": 0.4}},
        },
        {
            "AP": {"before": 0.3, "after": 0.35},
            "AP50": {"before": 0.4, "after": 0.5},
            "anachronistic": {"ap50": {"before": 0.1, "after": 0.4}},
        },
    ],
)
def test_before_and_after_stand_at_any_depth(scores: dict[str, object]) -> None:
    table = score_table(scores)
    assert table.overall == (
        Score("AP50", 0.4, 0.5),
        Score("AP50, anachronistic pictures", 0.1, 0.4),
        Score("AP", 0.3, 0.35),
    )
    assert table.overall[0].change == pytest.approx(0.1)


def test_classes_have_a_table_of_their_own() -> None:
    table = score_table({"before": {"by_class": {"horse": 0.4, "angel": 0.2}}, "after": {"by_class": {"horse": 0.6}}})
    assert table.overall == ()
    assert table.by_class == (Score("angel", 0.2, None), Score("horse", 0.4, 0.6))
    assert table.by_class[0].change is None


def test_what_is_no_score_is_left_out() -> None:
    assert score_table({"AP50": -1, "images": 400, "note": "x", "done": True, "nested": {"list": [0.5]}}).overall == ()


def test_what_the_training_registers() -> None:
    def part(before: float, after: float) -> dict[str, object]:
        return {
            "images": 1,
            "instances": 1,
            "before": {"ap": None, "ap50": before, "per_class": {"horse": before, "angel": None}},
            "after": {"ap": None, "ap50": after, "per_class": {"horse": after, "angel": None}},
        }

    table = score_table({"held_out": {"all": part(0.4, 0.5), "anachronistic": part(0.0, 1.0)}})
    assert table.overall == (Score("AP50", 0.4, 0.5), Score("AP50, anachronistic pictures", 0.0, 1.0))
    assert table.by_class == (Score("horse", 0.4, 0.5), Score("horse, anachronistic pictures", 0.0, 1.0))


def test_the_headline_of_a_model() -> None:
    measured = {"held_out": {"all": {"images": 32, "after": {"ap50": 0.5}}}}
    assert held_out(measured) == HeldOut(0.5, None, None, 32)
    known = measured | {"intervals": {"after": {"ap50": [0.4, 0.6]}}}
    assert held_out(known) == HeldOut(0.5, 0.4, 0.6, 32)
    assert score_table(known) == score_table(measured), "the ends of an interval are no scores of their own"


@pytest.mark.parametrize("scores", [{}, {"held_out": 1}, {"held_out": {"all": {"images": 0, "after": {"ap50": None}}}}])
def test_a_model_without_a_headline(scores: dict[str, Any]) -> None:
    assert held_out(scores) is None
