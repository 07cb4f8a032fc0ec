"""Ranks saints and scenes by what a picture shows and what its texts say, with the reason for each."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sgob_tasks.context.dates import DateRange
from sgob_tasks.context.iconography.elements import Evidence, gather
from sgob_tasks.context.iconography.reasons import reason_of
from sgob_tasks.context.iconography.saints import load_saints
from sgob_tasks.context.iconography.scenes import load_scenes
from sgob_tasks.context.iconography.titles import Mention, read_mentions
from sgob_tasks.context.iconography.weigh import Clue, name_clues, saint_clues, scene_clues
from sgob_tasks.context.iconography.words import split_words
from sgob_tasks.context.scene_graph.things import Relation, Thing
from sgob_tasks.detection.classes import ClassTable

VERSION = "iconography-1"
MIN_SCORE = 0.05
"""Subjects below this are not worth a line."""
MOST_SUBJECTS = 5
SHRINK = 0.9
"""Exponent on what is seen: clues are not independent. Chosen on painted training scenes (docs/context.md)."""
OTHER_SUBJECTS = ((1600, 0.55), (1800, 0.75), (9999, 0.93))
"""Until this year, this share of pictures shows none of the subjects known here: an estimate."""
UNDATED = 0.75


@dataclass(frozen=True)
class Subject:
    """A saint or scene that a picture may show.

    Attributes:
        notation: Iconclass.
        wikidata: item id; None where none is known.
        label: in English.
        score: probability that the picture shows it, 0 to 1.
        reason: why, in words.
        evidence: ``{"clues": [{"kind", "what", "log_odds", "found"}], "prior", "named"}``.
    """

    notation: str
    wikidata: str | None
    label: str
    score: float
    reason: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class _Candidate:
    notation: str
    who: str
    label: str
    wikidata: str
    prior: float
    clues: tuple[Clue, ...]
    mass: float
    named: bool


def rank_subjects(
    things: Sequence[Thing],
    relations: Sequence[Relation] | None,
    title: str | None,
    description: str | None = None,
    date: DateRange | None = None,
    *,
    known: Collection[str] | None = None,
    min_score: float = MIN_SCORE,
) -> list[Subject]:
    """Return the saints and scenes that a picture may show, the likeliest first; none where nothing speaks for one.

    Args:
        things: the picture's boxes with their labels after context.
        relations: the edges between them; None where there is no scene graph.
        title: of the work; may be empty, and any length or language.
        description: of the work.
        date: of the work; old pictures show saints more often.
        known: classes that the detector knows; None for all of the class table.
        min_score: least score of a subject.

    Raises:
        InputError: a relation is between boxes that are not among the things.
    """
    evidence = gather(things, relations, description)
    named, told = read_mentions(title), read_mentions(description)
    return rank_evidence(evidence, named, told, date, titled=bool(split_words(title)), known=known, min_score=min_score)


def rank_evidence(
    evidence: Evidence,
    named: Sequence[Mention] = (),
    told: Sequence[Mention] = (),
    date: DateRange | None = None,
    *,
    titled: bool = False,
    known: Collection[str] | None = None,
    min_score: float = MIN_SCORE,
    limit: int = MOST_SUBJECTS,
) -> list[Subject]:
    """Rank subjects by evidence that was gathered already; see :func:`rank_subjects`.

    Subjects compete with each other and with "none of these", except those that the title names: a picture of Saints
    Peter and Paul shows both.
    """
    scored = _scored(evidence, named, told, date, titled, known)
    return [_subject(one, score) for score, one in scored[:limit] if score >= min_score]


def score_subjects(
    evidence: Evidence,
    named: Sequence[Mention] = (),
    date: DateRange | None = None,
    *,
    titled: bool = False,
    known: Collection[str] | None = None,
) -> dict[str, float]:
    """Return the score of every subject by notation, the likeliest first, without the reasons: for measuring.

    A saint and the saint's scenes are one entry, as in :func:`rank_evidence`.
    """
    return {one.notation: score for score, one in _scored(evidence, named, (), date, titled, known)}


def _scored(
    evidence: Evidence,
    named: Sequence[Mention],
    told: Sequence[Mention],
    date: DateRange | None,
    titled: bool,
    known: Collection[str] | None,
) -> list[tuple[float, _Candidate]]:
    """Return all subjects with their scores, the likeliest first."""
    if not named and not told and not evidence.elements:
        return []
    none = _none(date)
    best = _group(_candidates(evidence, named, told, 1.0 - none, titled, known))
    everything = none + sum(one.mass for one in best)
    named_mass = sum(one.mass for one in best if one.named)
    scored = [(one.mass / (everything - named_mass + one.mass if one.named else everything), one) for one in best]
    return sorted(scored, key=lambda pair: (-pair[0], pair[1].notation))


def _none(date: DateRange | None) -> float:
    year = None if date is None else date.year_to if date.year_to is not None else date.year_from
    if year is None:
        return UNDATED
    return next(share for until, share in OTHER_SUBJECTS if year <= until)


def _candidates(
    evidence: Evidence,
    named: Sequence[Mention],
    told: Sequence[Mention],
    share: float,
    titled: bool,
    known: Collection[str] | None,
) -> list[_Candidate]:
    saints, scenes = load_saints(), load_scenes()
    classes = ClassTable.load() if known is None else known
    total = sum(one.prior for one in saints.values()) + sum(one.prior for one in scenes.values())
    found = []
    for notation, saint in saints.items():
        seen = tuple(saint_clues(saint, evidence, classes))
        texts = tuple(name_clues({notation}, named, told, titled=titled))
        prior = share * saint.prior / total
        found.append(_candidate(notation, notation, saint.label, saint.wikidata, prior, seen, texts))
    for notation, scene in scenes.items():
        seen = tuple(scene_clues(scene, evidence, classes))
        texts = tuple(name_clues({notation, scene.who} - {""}, named, told, titled=titled))
        prior = share * scene.prior / total
        who = scene.who or notation
        found.append(_candidate(notation, who, scene.label, scene.wikidata, prior, seen, texts))
    return found


def _candidate(notation: str, who: str, label: str, wikidata: str, prior: float, seen: Iterable[Clue],
               texts: Iterable[Clue]) -> _Candidate:  # fmt: skip
    seen, texts = tuple(seen), tuple(texts)
    log_mass = math.log(prior) + SHRINK * sum(clue.log_odds for clue in seen) + sum(clue.log_odds for clue in texts)
    named = any(clue.kind == "title" and clue.found for clue in texts)
    return _Candidate(notation, who, label, wikidata, prior, seen + texts, math.exp(min(log_mass, 700.0)), named)


def _group(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Make one of a saint and the saint's scenes, with all their mass: the scene with most of it, or the saint."""
    groups: dict[str, list[_Candidate]] = {}
    for one in candidates:
        groups.setdefault(one.who, []).append(one)
    best = []
    for who, members in groups.items():
        mass = sum(one.mass for one in members)
        top = max(members, key=lambda one: one.mass)
        chosen = top if top.mass >= 0.5 * mass else next(one for one in members if one.notation == who)
        named = any(one.named for one in members)
        best.append(_Candidate(**{**vars(chosen), "mass": mass, "named": named}))
    return best


def _subject(one: _Candidate, score: float) -> Subject:
    clues = sorted(one.clues, key=lambda clue: -abs(clue.log_odds))
    evidence = {
        "prior": round(one.prior, 6),
        "named": one.named,
        "clues": [
            {"kind": c.kind, "what": c.what, "log_odds": round(c.log_odds, 3), "found": c.found}
            for c in clues
            if abs(c.log_odds) >= 0.05
        ],
    }
    reason = reason_of(one.label, one.notation, clues)
    return Subject(one.notation, one.wikidata or None, one.label, min(score, 1.0), reason, evidence)
