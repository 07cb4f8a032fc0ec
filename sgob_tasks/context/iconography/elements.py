"""What a picture shows, as probabilities by element: the evidence that subjects are ranked from."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sgob_tasks.context.documents import read_rows
from sgob_tasks.context.iconography.saints import load_saints
from sgob_tasks.context.iconography.scenes import Choice, SceneRelation
from sgob_tasks.context.iconography.words import split_words
from sgob_tasks.context.scene_graph.things import HOLDS, Relation, Thing
from sgob_tasks.errors import InputError

BACKGROUND_CSV = Path(__file__).parent / "background.csv"
RARE = 0.01
"""Share of pictures that show an element of which nothing is known."""
COMMON = 0.1
"""An attribute of every saint would be in this share of the pictures that show none: what is common there is common."""
NAMED = 0.5
"""How surely a picture shows an attribute that its description names."""

PERSONS = "persons"
"""The element of a picture with two or more people."""
_PEOPLE = frozenset({"person", "knight", "monk", "shepherd", "nude", "judith"})


@dataclass(frozen=True)
class Evidence:
    """What is known of a picture.

    Attributes:
        elements: probability that the picture shows an element, by class name or attribute word; what is not in it was
            not found.
        relations: score of a relation by labels, ``(subject, predicate, object)``; None where none were looked for.
    """

    elements: Mapping[str, float]
    relations: Mapping[tuple[str, str, str], float] | None = None

    def shows(self, choice: Choice) -> float:
        """Return the probability that the picture shows one of several elements, taken as independent."""
        if len(choice) == 1:
            return self.elements.get(choice[0], 0.0)
        missing = 1.0
        for element in choice:
            missing *= 1.0 - self.elements.get(element, 0.0)
        return 1.0 - missing

    def which(self, choice: Choice) -> str:
        """Return the element of a choice that the picture shows most surely."""
        return max(choice, key=lambda element: self.elements.get(element, 0.0))

    def relates(self, relation: SceneRelation) -> tuple[float, tuple[str, str, str]]:
        """Return the score of the relation that fits best, and its labels; 0 where none fits."""
        fitting = [
            (score, labels)
            for labels, score in (self.relations or {}).items()
            if labels[1] == relation.predicate and labels[0] in relation.subject and labels[2] in relation.object
        ]
        nothing = (0.0, (relation.subject[0], relation.predicate, relation.object[0]))
        return max(fitting, default=nothing)

    def held(self, element: str) -> float:
        """Return how surely somebody holds an element."""
        scores = (score for (_, predicate, what), score in (self.relations or {}).items()
                  if predicate == HOLDS and what == element)  # fmt: skip
        return max(scores, default=0.0)


def gather(things: Sequence[Thing], relations: Sequence[Relation] | None, description: str | None = None) -> Evidence:
    """Collect the evidence of a picture.

    Args:
        things: its boxes, after context.
        relations: its scene graph's edges; None where there is no scene graph.
        description: a text that may name attributes which a detector does not know ("gridiron").
    """
    missing: dict[str, float] = {}
    people: list[float] = []
    for thing in things:
        score = min(max(thing.score * thing.plausibility, 0.0), 1.0) if math.isfinite(thing.score) else 0.0
        missing[thing.label] = missing.get(thing.label, 1.0) * (1.0 - score)
        people += [score] if thing.label in _PEOPLE else []
    elements = {label: 1.0 - left for label, left in missing.items()}
    if len(people) > 1:
        elements[PERSONS] = _two_or_more(people)
    named = {word.norm for word in split_words(description)}
    for word in attribute_words() & named:
        elements.setdefault(word, NAMED)
    if relations is None:
        return Evidence(elements)
    labels = {thing.id: (thing.label, min(max(thing.score, 0.0), 1.0)) for thing in things}
    scores: dict[tuple[str, str, str], float] = {}
    for relation in relations:
        subject, object_ = labels.get(relation.subject), labels.get(relation.object)
        if subject is None or object_ is None:
            raise InputError("relations", "subject, object", (relation.subject, relation.object), "is no box of these")
        key = (subject[0], relation.predicate, object_[0])
        scores[key] = max(scores.get(key, 0.0), relation.score * min(subject[1], object_[1]))
    return Evidence(elements, scores)


def _two_or_more(scores: Sequence[float]) -> float:
    """Return the probability that two or more of independent events happen."""
    none, one = 1.0, 0.0
    for score in scores:
        none, one = none * (1.0 - score), one * (1.0 - score) + none * score
    return max(1.0 - none - one, 0.0)


@functools.lru_cache(maxsize=1)
def attribute_words() -> frozenset[str]:
    """Return the attributes that only a text can name."""
    return frozenset(word for saint in load_saints().values() for word in saint.words)


@functools.lru_cache(maxsize=1)
def backgrounds() -> Mapping[str, float]:
    """Return the share of pictures that show an element though their subject is none of the known ones.

    An estimate for what is common (``background.csv``); for other attributes, the more saints have one, the commoner.
    """
    shares = {row["element"]: float(row["share"]) for row in read_rows(BACKGROUND_CSV, ("element", "share"))}
    saints = load_saints().values()
    counts = Counter(element for saint in saints for element in (*saint.attributes, *saint.words))
    for element, count in counts.items():
        shares.setdefault(element, max(RARE, COMMON * count / len(saints)))
    return shares


@functools.lru_cache(maxsize=4096)
def background(choice: Choice) -> float:
    """Return the share of pictures of other subjects that show one of several elements."""
    shares, missing = backgrounds(), 1.0
    for element in choice:
        missing *= 1.0 - shares.get(element, RARE)
    return 1.0 - missing
