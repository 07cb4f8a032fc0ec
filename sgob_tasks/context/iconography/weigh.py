"""Log-odds of a subject against "none of these", one clue after the other: naive Bayes with uncertain evidence.

Each clue is an element (a box, a word), a relation or a name in a text. With theta the probability that a picture of
the subject shows the element, b that any picture does, and p the probability that this one does (the detector's score),

    likelihood ratio = p * theta / b  +  (1 - p) * (1 - r * theta) / (1 - r * b),

Jeffrey's rule for evidence that is not certain (Pearl, Probabilistic Reasoning, 2.2.2); r is the share of what is there
that a detector finds, so that an element which was not found speaks against a subject, but not too loudly: less so for
what is typical, because such things are small and missing ones come together. Elements
that are not listed for a subject appear in it as often as anywhere (theta = b) and say nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sgob_tasks.context.iconography.elements import Evidence, background
from sgob_tasks.context.iconography.saints import Saint
from sgob_tasks.context.iconography.scenes import FIGURES, Choice, Scene, choice_text
from sgob_tasks.context.iconography.titles import Mention
from sgob_tasks.context.scene_graph.things import WORDS

RECALL, RECALL_TYPICAL = 0.7, 0.3
REQUIRED, TYPICAL, EXCLUDED = 0.93, 0.3, 0.03
IMPLIED, CRUCIFIX = 0.25, 0.08
ATTRIBUTES_SHOWN = 2.5
"""Attributes that a picture shows of a saint; of a saint with many, each is less likely to be one of them."""
RELATED, RELATED_ANYWAY = 0.85, 0.4
"""How often a relation of a scene holds where both its things are there: in the scene, and in any picture."""
HELD, HELD_ANYWAY = 0.6, 0.4
FOUND = 0.3
"""From this probability on, an element is told as found."""
MOST = 100.0
"""Largest ratio that one element can bring: a class may be mistaken."""
TITLE, DESCRIPTION = 2500.0, 300.0
"""How much more often a title (a description) names a subject when the picture shows it."""
NOT_NAMED = 0.4
"""How much more often a title names no subject when the picture shows one of these than when it shows none."""


@dataclass(frozen=True)
class Clue:
    """One piece of evidence.

    Attributes:
        kind: ``element``, ``relation``, ``title`` or ``description``.
        what: the element, the relation in words, or the words that name the subject.
        log_odds: what it adds, natural logarithm; negative where it speaks against the subject.
        found: whether it is there; a clue may also be missing.
    """

    kind: str
    what: str
    log_odds: float
    found: bool


def ratio(p: float, theta: float, base: float, recall: float = RECALL) -> float:
    """Return the likelihood ratio of uncertain evidence (see above), at most ``MOST``."""
    there, absent = min(theta / base, MOST), (1.0 - recall * theta) / (1.0 - recall * base)
    return p * there + (1.0 - p) * absent


def scene_clues(scene: Scene, evidence: Evidence, known: Collection[str]) -> Iterator[Clue]:
    """Yield what the picture says of a scene.

    Args:
        scene: the scene.
        evidence: of the picture.
        known: classes that the detector knows; that others were not found says nothing.
    """
    wanted = {element for choice in scene.required for element in choice}
    for choice in scene.required:
        yield from _element(choice, REQUIRED, evidence, known)
    for choice in scene.typical:
        if len(choice) > 1 or choice[0] not in wanted:
            yield from _element(choice, TYPICAL, evidence, known)
    for choice in scene.excluded:
        yield from _element(choice, EXCLUDED, evidence, known, least=0.05)
    if evidence.relations is None:
        return
    for relation in scene.relations:
        both = evidence.shows(relation.subject) * evidence.shows(relation.object)
        if both < 0.1:
            continue
        score, labels = evidence.relates(relation)
        odds = ratio(score, RELATED, RELATED_ANYWAY) ** both
        words = f"{labels[0]} {WORDS[labels[1]]} {labels[2]}" if score > 0 else str(relation)
        yield Clue("relation", words, math.log(odds), score >= 0.5)


def saint_clues(saint: Saint, evidence: Evidence, known: Collection[str]) -> Iterator[Clue]:
    """Yield what the picture says of a saint: figure, attributes, and whether somebody holds them."""
    yield from _element(FIGURES, REQUIRED, evidence, known)
    yield from _element(("halo",), TYPICAL, evidence, known)
    listed = len(saint.attributes) + len(saint.words)
    theta = min(max(ATTRIBUTES_SHOWN / max(listed, 1), 0.25), 0.7)
    for name in (*saint.attributes, *saint.words):
        # A crucifix in a saint's hand is seldom what the class "crucifixion" is: the whole cross with its figure.
        yield from _element((name,), CRUCIFIX if name == "crucifixion" else theta, evidence, known)
        held = evidence.held(name)
        if held > 0:
            yield Clue("relation", f"somebody holds {name}", math.log(ratio(held, HELD, HELD_ANYWAY)), held >= 0.5)
    for name in saint.implied:
        yield from _element((name,), IMPLIED, evidence, known)


def _element(
    choice: Choice, theta: float, evidence: Evidence, known: Collection[str], least: float = 0.0
) -> Iterator[Clue]:
    p = evidence.shows(choice)
    if p > 0.0:
        odds = _odds(p, choice, theta, least)
        yield Clue("element", evidence.which(choice), odds, p >= FOUND)
    elif any(element in known for element in choice):
        yield _missing(choice, theta, least)


@functools.lru_cache(maxsize=4096)
def _missing(choice: Choice, theta: float, least: float) -> Clue:
    return Clue("element", choice_text(choice), _odds(0.0, choice, theta, least), False)


def _odds(p: float, choice: Choice, theta: float, least: float) -> float:
    base = max(background(choice), least)
    recall = RECALL if theta in {REQUIRED, EXCLUDED} else RECALL_TYPICAL
    if theta > EXCLUDED:
        theta = max(theta, base)  # listed elements are not rarer than in any picture
    return math.log(ratio(p, theta, base, recall))


def name_clues(notations: Collection[str], title: Collection[Mention], description: Collection[Mention],
               *, titled: bool) -> Iterator[Clue]:  # fmt: skip
    """Yield what the texts say of a subject.

    Args:
        notations: the subject's, and the saint's that it belongs to.
        title: what the title names.
        description: what the description names.
        titled: whether there is a title.
    """
    named = max((one for one in title if one.notation in notations), key=lambda one: one.weight, default=None)
    if named is not None:
        yield Clue("title", named.text, math.log(1.0 + named.weight * TITLE), True)
    elif titled:
        yield Clue("title", "", math.log(NOT_NAMED), False)
    told = max((one for one in description if one.notation in notations), key=lambda one: one.weight, default=None)
    if told is not None:
        yield Clue("description", told.text, math.log(1.0 + told.weight * DESCRIPTION), True)
