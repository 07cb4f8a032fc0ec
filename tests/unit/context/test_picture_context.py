"""All context of a picture: what is kept, what is removed, what decides, and that it does no harm."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.context.dates import DateRange, parse_date
from sgob_tasks.context.evidence import LanguageEvidence, Work
from sgob_tasks.context.fusion import FusionWeights
from sgob_tasks.context.picture_context import ContextModels, correct_with_context
from sgob_tasks.context.terms import classes_of_terms
from sgob_tasks.context.time_context import Seen, correct_picture, weight
from sgob_tasks.context.time_priors import BOUND, DatedLabels, learn_time_priors
from sgob_tasks.detection.classes import HARD, ClassTable
from sgob_tasks.sandbox.painter.dating import date_in
from tests.reference import reference_files

TABLE = ClassTable.load()
NAMES = st.sampled_from(sorted(TABLE))
BOX = (0.0, 0.0, 10.0, 10.0)
OLD = DateRange(1503, 1504)


class Judge:
    """A language model that says what it is told, and remembers what it was asked."""

    version = "test"

    def __init__(self, ratios: Mapping[str, float], words: Mapping[str, Sequence[str]] | None = None) -> None:
        self.ratios, self.words = ratios, words or {}
        self.asked: list[tuple[list[str], list[str]]] = []

    def judge(self, work: Work, labels: Sequence[str], candidates: Sequence[str]) -> LanguageEvidence:
        self.asked.append((list(labels), list(candidates)))
        ratios = {name: value for name, value in self.ratios.items() if name in candidates}
        return LanguageEvidence(ratios, {"title": ratios}, self.words)


def _models(judge: Judge | None = None, **changes: object) -> ContextModels:
    return ContextModels(TABLE, language=judge, weights=FusionWeights(1.0, 1.0, 1.0, "w"), **changes)  # type: ignore[arg-type]


def test_date_and_title_make_the_bicycle_a_horse() -> None:
    seen = Seen("bicycle", 0.6, {"bicycle": 0.6, "donkey": 0.2, "horse": 0.1}, BOX)
    judge = Judge({"horse": 1.5}, {"horse": ["rider"]})
    (found,) = correct_with_context([seen], Work("The Rider", "", OLD), _models(judge))
    assert found.label == "horse"
    assert found.reason == (
        "bicycle appeared in 1817; the picture is dated 1503-1504; the text says 'rider', which makes horse likelier "
        "than donkey (x4.5); relabelled horse, which it resembles"
    )
    assert found.evidence is not None
    assert json.loads(json.dumps(found.evidence)) == found.evidence
    assert found.evidence["detector"] == {"bicycle": 0.6, "donkey": 0.2, "horse": 0.1}
    assert found.evidence["time"]["weights"] == {"bicycle": 0.0}
    assert found.evidence["language"]["ratios"] == {"horse": pytest.approx(4.4817)}
    assert found.evidence["language"]["words"] == {"horse": ["rider"]}
    assert found.evidence["weights"] == {"detector": 1.0, "prior": 1.0, "language": 1.0}


def test_no_title_brings_back_what_the_date_rules_out() -> None:
    seen = Seen("bicycle", 0.9, {"bicycle": 0.9, "horse": 0.05}, BOX)
    judge = Judge({"bicycle": 50.0, "horse": -50.0})
    (found,) = correct_with_context([seen], Work("A Bicycle", "", OLD), _models(judge))
    assert found.label == "horse"
    assert all("bicycle" not in candidates for _, candidates in judge.asked)


def test_where_nothing_is_possible_the_language_model_is_not_asked() -> None:
    judge = Judge({"bicycle": 9.0})
    seen = Seen("bicycle", 0.9, {"bicycle": 0.9}, BOX)
    (found,) = correct_with_context([seen], Work("", "", OLD), _models(judge), known={"bicycle", "person"})
    assert (found.label, found.label_score) == (None, 0.0)
    assert found.reason is not None
    assert found.evidence is not None
    assert judge.asked == []


def test_the_words_of_a_title_decide_between_two_that_were_possible() -> None:
    seen = Seen("dog", 0.4, {"dog": 0.4, "dragon": 0.3}, BOX)
    judge = Judge({"dragon": 2.0, "dog": -0.5}, {"dragon": ["george"]})
    (found,) = correct_with_context([seen], Work("Saint George"), _models(judge))
    assert found.label == "dragon"
    assert found.reason == (
        "the text says 'george', which makes dragon likelier than dog (x12.2); relabelled dragon, the next best class"
    )


def test_a_score_that_moves_says_why() -> None:
    seen = Seen("dog", 0.6, {"dog": 0.6, "dragon": 0.1}, BOX)
    (found,) = correct_with_context([seen], Work("A Dog"), _models(Judge({"dog": 1.0}, {"dog": ["dog"]})))
    assert found.label == "dog"
    assert found.label_score > 0.6
    assert found.reason == "the text says 'dog', which makes dog likelier (x2.7); score raised"


def test_the_other_boxes_count_as_they_are_known_without_those_of_the_same_place() -> None:
    boxes = [
        Seen("dragon", 0.9, {"dragon": 0.9, "dog": 0.05}, (0.0, 0.0, 10.0, 10.0)),
        Seen("horse", 0.8, {"horse": 0.8, "dog": 0.1}, (50.0, 0.0, 10.0, 10.0)),
        Seen("bicycle", 0.7, {"bicycle": 0.7, "horse": 0.2}, (90.0, 0.0, 10.0, 10.0)),
        Seen("cow", 0.55, {"cow": 0.55, "horse": 0.3}, (50.0, 0.0, 10.0, 9.0)),
        Seen("lance", 0.3, {"lance": 0.3, "sword": 0.2}, (20.0, 0.0, 10.0, 10.0)),
    ]
    judge = Judge({})
    correct_with_context(boxes, Work("", "", OLD), _models(judge))
    labels = [labels for labels, _ in judge.asked]
    assert labels[0] == ["cow", "horse"]  # the bicycle is a horse by now, the lance too doubtful
    assert labels[1] == ["dragon", "horse"]  # not the cow, which is this box under another name
    assert labels[-1] == ["cow", "dragon", "horse"]


def _distribution(name: str, raw: dict[str, float]) -> dict[str, float]:
    raw = raw | {name: max([*raw.values(), 0.3]) + 0.1}
    return {key: value / (sum(raw.values()) + 0.05) for key, value in raw.items()}


_DATES = st.one_of(
    st.none(),
    st.builds(
        lambda first, length, circa, uncertain: DateRange(first, first + length, circa or uncertain, uncertain),
        st.integers(1000, 2000), st.integers(0, 300), st.booleans(), st.booleans(),
    ),
)  # fmt: skip


@given(NAMES, st.dictionaries(NAMES, st.floats(0, 1), max_size=8), _DATES)
def test_what_was_possible_keeps_label_and_score(name: str, raw: dict[str, float], date: DateRange | None) -> None:
    """Never worse than no context on objects of their period: whatever the distribution."""
    scores = _distribution(name, raw)
    if weight(name, date, TABLE) < 1.0:
        return
    (found,) = correct_with_context([Seen(name, scores[name], scores, BOX)], Work("", "", date), ContextModels(TABLE))
    assert (found.label, found.label_score, found.reason) == (name, scores[name], None)


_PRIORS = learn_time_priors(
    [DatedLabels(1500, 1500, {"horse"})] * 50 + [DatedLabels(1900, 1900, {"dog", "car"})] * 50, version="v"
)


@given(NAMES, st.dictionaries(NAMES, st.floats(0, 1), max_size=8), _DATES)
def test_with_priors_the_loss_is_bounded(name: str, raw: dict[str, float], date: DateRange | None) -> None:
    """A class of its period loses its label only to one with a quarter of its score or more (``BOUND`` squared)."""
    scores = _distribution(name, raw)
    if weight(name, date, TABLE) < 1.0:
        return
    models = _models(priors=_PRIORS)
    (found,) = correct_with_context([Seen(name, scores[name], scores, BOX)], Work("", "", date), models)
    assert found.label is not None
    assert scores[found.label] * BOUND**2 >= scores[name] * (1 - 1e-9)
    if found.label == name:
        assert found.label_score >= scores[name] / BOUND**2 - 1e-9


@given(NAMES, st.dictionaries(NAMES, st.floats(0, 1), max_size=8), _DATES)
def test_bounds_alone_are_the_time_context(name: str, raw: dict[str, float], date: DateRange | None) -> None:
    scores = _distribution(name, raw)
    seen = [Seen(name, scores[name], scores, BOX), Seen("horse", 0.7, {}, BOX)]
    plain = correct_picture(seen, date, TABLE)
    found = correct_with_context(seen, Work("", "", date), ContextModels(TABLE))
    assert [(one.label, one.label_score, one.reason) for one in found] == [
        (one.label, one.label_score, one.reason) for one in plain
    ]


@pytest.mark.parametrize("text", ["", "x" * 50_000, "🎨" * 500, "<p>מגדל</p>", "絵画\u202e\x00"])
def test_any_text_has_a_defined_result(text: str) -> None:
    seen = Seen("dog", 0.4, {"dog": 0.4, "dragon": 0.3}, BOX)
    judge = Judge({"dragon": float("nan"), "dog": float("inf")})
    (found,) = correct_with_context([seen], Work(text, text, parse_date(text)), _models(judge))
    assert found.label == "dog"
    assert correct_with_context([], Work(text, text), _models(judge)) == []


def _removed_and_lost(works: Sequence[tuple[str, DateRange]]) -> Counter[str]:
    """Count impossible labels, those of them that stay, possible ones, and those of them that change.

    Impossible is what a hard bound puts after the last year that the date says, possible what was there by then. Of a
    class before the year of its soft bound neither is known; its score is lowered.
    """
    random_ = random.Random(7)
    counts: Counter[str] = Counter()
    for name, date in works:
        others = {other: random_.random() * 0.2 for other in random_.sample(sorted(TABLE), 6) if other != name}
        scores = _distribution(name, others)
        seen = Seen(name, scores[name], scores, BOX)
        (found,) = correct_with_context([seen], Work("", "", date), ContextModels(TABLE))
        entry = TABLE[name]
        first = entry.first_appearance_year
        early = first is not None and date.year_to is not None and date.year_to < first
        if early and entry.filter == HARD:
            counts["impossible"] += 1
            counts["kept"] += found.label == name
        elif not early:
            counts["possible"] += 1
            counts["lost"] += found.label != name
    return counts


def test_impossible_labels_go_and_possible_ones_stay() -> None:
    """A realistic mixture: every class in works of seven centuries, dated as museums do, with all their doubts."""
    random_ = random.Random(3)
    works = []
    for _ in range(800):
        year = random_.randint(1300, 1999)
        date = parse_date(date_in(random_, year, min(year + random_.choice((0, 5, 30, 120)), 2010)).text, 2026)
        assert date is not None
        works.append((random_.choice(sorted(TABLE)), date))
    counts = _removed_and_lost(works)
    assert counts["impossible"] > 80
    assert counts["kept"] <= 0.05 * counts["impossible"]
    assert counts["lost"] <= 0.01 * counts["possible"]


@pytest.mark.parametrize("path", reference_files("data/tate/subjects.csv.gz"), ids=lambda path: path.name)
def test_what_dated_works_really_show_survives(path: Path) -> None:
    works = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["year_from"].isdecimal() and row["year_to"].isdecimal() and row["subjects"]:
                date = DateRange(*sorted((int(row["year_from"]), int(row["year_to"]))))
                terms = [subject.rsplit("/", 1)[-1] for subject in row["subjects"].split("|")]
                works += [(name, date) for name in classes_of_terms(terms, TABLE)]
    works = works[::30]
    counts = _removed_and_lost(works)
    assert counts["possible"] > 400
    assert counts["lost"] <= 0.01 * counts["possible"]
    assert counts["impossible"] <= 0.01 * len(works)  # the bounds themselves: what works show was there to be shown
