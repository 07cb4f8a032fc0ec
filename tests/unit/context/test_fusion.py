"""The pool of opinions and the fit of its weights."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.context.evidence import NO_LANGUAGE, LanguageEvidence
from sgob_tasks.context.fusion import DEFAULT_WEIGHTS, LANGUAGE_BOUND, FusionWeights, pool
from sgob_tasks.context.fusion_fit import Observation, fit_weights
from sgob_tasks.context.picture_context import BoxEvidence
from sgob_tasks.errors import InputError

SCORES = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 1), min_size=1).map(
    lambda raw: {name: value / max(sum(raw.values()), 1.0) for name, value in raw.items()}
)
LOGS = st.dictionaries(st.sampled_from("abcdef"), st.floats(allow_nan=True, allow_infinity=True))
WEIGHTS = st.builds(FusionWeights, st.floats(0.1, 5), st.floats(0, 5), st.floats(0, 5))


@given(SCORES, WEIGHTS)
def test_without_evidence_scores_stay_exactly(scores: dict[str, float], weights: FusionWeights) -> None:
    assert pool(scores, 0.1, {}, {}, weights) == scores


@given(SCORES, st.floats(0, 1), LOGS, WEIGHTS)
def test_scores_stay_scores(
    scores: dict[str, float], background: float, language: dict[str, float], weights: FusionWeights
) -> None:
    after = pool(scores, background, {}, language, weights)
    assert after.keys() == scores.keys()
    assert all(0.0 <= value <= 1.0 for value in after.values())
    assert all(after[name] == 0.0 for name in scores if scores[name] == 0.0)


@given(SCORES, st.floats(0.01, 1), st.floats(0.01, 3), WEIGHTS)
def test_evidence_for_a_class_never_lowers_it(
    scores: dict[str, float], background: float, ratio: float, weights: FusionWeights
) -> None:
    name = next(iter(scores))
    after = pool(scores, background, {}, {name: ratio}, weights)
    assert after[name] >= scores[name] - 1e-12
    assert all(after[other] <= scores[other] + 1e-12 for other in scores if other != name)


def test_one_word_does_not_overrule_a_detector_that_is_sure() -> None:
    scores = {"dog": 0.95, "dragon": 0.01}
    after = pool(scores, 0.04, {}, {"dragon": 50.0}, FusionWeights(1.0, 1.0, 1.0))
    assert max(after, key=lambda name: after[name]) == "dog"
    unsure = pool({"dog": 0.5, "dragon": 0.3}, 0.2, {}, {"dragon": 50.0}, FusionWeights(1.0, 1.0, 1.0))
    assert max(unsure, key=lambda name: unsure[name]) == "dragon"
    assert math.exp(LANGUAGE_BOUND) == pytest.approx(20.0)


def _boxes(count: int, *, language: float, prior: float, seed: int = 1) -> list[Observation]:
    """Boxes drawn from the model itself: the truth follows the pool with these weights for one of the detector."""
    random_ = random.Random(seed)
    found = []
    for _ in range(count):
        raw = [random_.gammavariate(0.6, 1) + 1e-3 for _ in range(4)]
        scores = {name: value / sum(raw) for name, value in zip("abc", raw, strict=False)}
        words = {name: random_.uniform(-2, 2) for name in "abc"}
        priors = {name: random_.uniform(-0.7, 0.7) for name in "abc"}
        weights = [scores[name] * math.exp(language * words[name] + prior * priors[name]) for name in "abc"]
        truth = random_.choices([*"abc", None], [*weights, raw[3] / sum(raw)])[0]
        found.append(Observation(BoxEvidence(scores, raw[3] / sum(raw), priors, LanguageEvidence(words)), truth))
    return found


def test_weights_are_found_again() -> None:
    found = fit_weights(_boxes(4000, language=0.8, prior=1.2), version="v", source="s")
    assert found.detector == pytest.approx(1.0, abs=0.1)
    assert found.language == pytest.approx(0.8, abs=0.1)
    assert found.prior == pytest.approx(1.2, abs=0.2)
    assert found.fitted["log_loss"] < found.fitted["log_loss_detector"]


def test_evidence_that_misleads_gets_no_weight() -> None:
    found = fit_weights(_boxes(2000, language=-0.8, prior=-1.0), version="v", source="s")
    assert (found.language, found.prior) == (0.0, 0.0)


def test_evidence_that_is_missing_keeps_its_default_weight() -> None:
    boxes = [
        Observation(BoxEvidence(one.evidence.scores, one.evidence.background, {}, NO_LANGUAGE), one.truth)
        for one in _boxes(400, language=0.0, prior=0.0)
    ]
    found = fit_weights(boxes, version="v", source="s")
    assert (found.prior, found.language) == (DEFAULT_WEIGHTS.prior, DEFAULT_WEIGHTS.language)


def test_too_few_boxes() -> None:
    with pytest.raises(InputError, match=r"boxes matched to an instance = .*: must be 20 or more"):
        fit_weights(_boxes(10, language=1.0, prior=1.0), version="v", source="val.json")


def test_saved_and_read(tmp_path: Path) -> None:
    weights = FusionWeights(1.1, 0.2, 0.7, "v", {"boxes": 3})
    weights.save(tmp_path / "weights.json")
    assert FusionWeights.load(tmp_path / "weights.json") == weights
    assert weights.relative_language == pytest.approx(0.7 / 1.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "format = 'other'"),
        ({"language": "much"}, "language = 'much': must be a number"),
        ({"language": -1}, "language = -1.0: must be 0 or more"),
        ({"detector": 0}, "detector = 0.0: must be 0 or more, the detector's above 0"),
        ({"prior": True}, "prior = True: must be a number"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "weights.json"
    DEFAULT_WEIGHTS.save(path)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(InputError, match=message):
        FusionWeights.load(path)
    with pytest.raises(InputError, match="cannot be read as JSON"):
        FusionWeights.load(tmp_path / "missing.json")
