"""The rule of promotion, case by case."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sgob_tasks.errors import InputError
from sgob_tasks.registry.comparison import Figures, ModelComparison
from sgob_tasks.registry.promotion import ASK, KEEP, PROMOTE, decide
from sgob_tasks.registry.words import describe

FIGURES = Figures(0.50, 0.55, 0.05, 0.02, 0.08, 0.30, 0.33, 0.03, 0.01, 0.05)
BETTER = ModelComparison(40, FIGURES, FIGURES, 3, per_class={"horse": (0.5, 0.7), "angel": (0.6, 0.4)})
NOTHING = Figures(*([None] * 10))


def with_(**changes: Any) -> ModelComparison:
    return replace(BETTER, after=replace(FIGURES, **changes))


@pytest.mark.parametrize(
    ("compared", "action", "words"),
    [
        (BETTER, PROMOTE, "better beyond the margin"),
        (with_(ap50_difference=0.01, ap50_low=0.001), PROMOTE, "+1.0 points"),
        (with_(ap50_difference=0.009, ap50_low=0.001), ASK, "less than the margin of 1.0 points"),
        (with_(ap50_low=0.0), ASK, "may be chance"),
        (with_(ap50_low=-0.01), ASK, "interval -1.0 to +8.0, 40 held-out pictures"),
        (with_(ap50_difference=-0.2, ap50_low=-0.3, ap50_high=-0.1), ASK, "-20.0 points against detector-1"),
        (replace(BETTER, lost_classes=("dragon",)), ASK, "does not know dragon, which detector-1 finds"),
        (replace(BETTER, lost_classes=tuple("abcdefgh")), ASK, "a, b, c, d, e and 3 more"),
        (replace(BETTER, new_classes=("dragon",)), PROMOTE, "better"),
        (replace(BETTER, after=NOTHING), ASK, "share no class"),
    ],
)
def test_by_itself_only_beyond_doubt(compared: ModelComparison, action: str, words: str) -> None:
    verdict = decide("auto", "detector-1", compared)
    assert verdict.action == action
    assert words in verdict.reason
    if action == ASK:  # where nobody is to be asked, it stays a candidate
        assert decide("auto", "detector-1", compared, ask=False) == replace(verdict, action=KEEP)


def test_the_margin_is_the_installations() -> None:
    assert decide("auto", "detector-1", BETTER, margin=0.06).action == ASK
    assert decide("auto", "detector-1", BETTER, margin=0.0).action == PROMOTE


def test_without_a_comparison_it_says_why() -> None:
    verdict = decide("auto", "detector-1", None, problem="the job left no results of it")
    assert verdict.action == ASK
    assert verdict.reason == "it could not be compared with detector-1: the job left no results of it"


@pytest.mark.parametrize(
    ("policy", "champion", "action"),
    [
        ("auto", None, PROMOTE),
        ("ask", None, ASK),
        ("ask", "detector-1", ASK),
        ("always", None, PROMOTE),
        ("always", "detector-1", PROMOTE),
        ("never", None, KEEP),
        ("never", "detector-1", KEEP),
    ],
)
def test_a_person_may_say_how(policy: str, champion: str | None, action: str) -> None:
    assert decide(policy, champion, BETTER if champion else None).action == action


def test_there_is_no_other_policy() -> None:
    with pytest.raises(InputError, match="promote = 'perhaps': has to be one of auto, ask, always, never"):
        decide("perhaps", None, None)


def test_a_person_sees_figures_winners_losers_and_cost() -> None:
    compared = replace(BETTER, new_classes=("dragon",), lost_classes=("saddle",)).to_json()
    decision = {"champion": "detector-1", "reason": "so it is", "comparison": compared}
    plan = {"hours_low": 6.5, "hours_high": 8.0, "nodes": 2}
    text = describe("detector-2", decision, plan, {"gpu_hours": 60.25, "node_hours": 15.0, "links": 2})
    assert "**detector-2** instead of **detector-1**: so it is." in text
    assert "| AP50, with time context | 0.500 | 0.550 | +0.050 | +0.020 to +0.080 |" in text
    assert "- Better at (AP50): horse 0.50 → 0.70" in text
    assert "- Worse at (AP50): angel 0.60 → 0.40" in text
    assert "does not know any more: saddle" in text
    assert "New, not in the figures: dragon" in text
    assert "60.2 GPU-hours, 15 node-hours in 2 jobs; planned 6.5 to 8 h on 2 nodes" in text
    assert len(text) < 4096, "Airflow cuts longer texts"


def test_what_is_not_known_is_said() -> None:
    compared = replace(BETTER, after=NOTHING, before=NOTHING, per_class={}).to_json()
    text = describe("detector-2", {"champion": "detector-1", "reason": "r", "comparison": compared}, None, None)
    assert "| AP50, with time context | - | - | - | - |" in text
    assert "GPU-hours not known yet" in text
    first = describe("detector-1", {"champion": None, "reason": "r", "comparison": None}, None, None)
    assert "instead of **no champion**" in first
    assert "reenrich" not in first
