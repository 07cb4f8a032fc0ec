"""A language model of relations: how plausible it is to say of two classes that one does something with the other.

Counts of what texts tell (``language.told``) against what would be told if predicates did not care for their pair. With
*n* for "s p o" and *E = n(pair) · P(p) / 2*, the pair taken in either order and the half for a predicate that has a
direction, the ratio is shrunk as a gamma-Poisson mean is (DuMouchel, The American Statistician 53:3, 1999):
*(n + k·r) / (E + k)*. *r* is that of the two super-categories, taken in the same way and towards the predicate alone
(1), of which only the square root is trusted. So a pair of which nothing is told, nor of its kinds, has the ratio 1,
and one mention moves little. The log ratio, weighed and bounded, is the log-odds of the opinion.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from sgob_tasks.context.documents import read_document
from sgob_tasks.context.scene_graph.things import (
    ABOVE,
    BEHIND,
    BELOW,
    IN_FRONT_OF,
    NEXT_TO,
    PREDICATES,
    WORDS,
    Opinion,
)
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.errors import InputError

FORMAT = "sgob relations 1"
PRIOR = 5.0
"""k: expected mentions at which the counts of a pair weigh as much as what is known of its kinds."""
KINDS_POWER = 0.5
WEIGHT = 0.5
MOST_LOG_ODDS = 1.1
"""Words never make more of it than three to one: 0.25 to 0.75."""

Triple = tuple[str, str, str]
_TURNED = {BELOW: ABOVE, IN_FRONT_OF: BEHIND}


NO_OPINION = Opinion(0.5)


def canonical(subject: str, predicate: str, object_: str) -> Triple:
    """Return a relation as it is counted: "b above a" for "a below b", things side by side in the order of names.

    Raises:
        ValueError: there is no such predicate.
    """
    if predicate not in PREDICATES:
        raise ValueError(f"there is no predicate {predicate}")
    if predicate in _TURNED:
        return object_, _TURNED[predicate], subject
    if predicate == NEXT_TO and object_ < subject:
        return object_, predicate, subject
    return subject, predicate, object_


_COUNTED = len({canonical("a", predicate, "b")[1] for predicate in PREDICATES})


class _Counts:
    """How often each relation is told, and how often each pair is told of."""

    def __init__(self, triples: Iterable[tuple[Triple, int]]) -> None:
        self.triples: Counter[Triple] = Counter()
        self.pairs: Counter[frozenset[str]] = Counter()
        for (subject, predicate, object_), count in triples:
            self.triples[canonical(subject, predicate, object_)] += count
            self.pairs[frozenset((subject, object_))] += count

    def ratio(self, triple: Triple, share: float, expected_ratio: float) -> float:
        """Return how much oftener than by chance a relation is told.

        Args:
            triple: in its canonical form.
            share: of the predicate among all relations.
            expected_ratio: where there is nothing to count.
        """
        subject, predicate, object_ = triple
        one_way = predicate == NEXT_TO or subject == object_
        expected = self.pairs[frozenset((subject, object_))] * share * (1.0 if one_way else 0.5)
        return (self.triples[triple] + PRIOR * expected_ratio) / (expected + PRIOR)


class RelationModel:
    """What texts tell of classes and what they do with each other; see ``language.relation_training``."""

    def __init__(self, counts: Mapping[Triple, int], texts: int = 0, table: ClassTable | None = None) -> None:
        """Take the counts.

        Args:
            counts: in how many works' texts each relation is told.
            texts: works that were read.
            table: super-categories; by default the package's.
        """
        self._table = table or ClassTable.load()
        self._classes = _Counts(counts.items())
        kind = {name: entry.super_category for name, entry in self._table.items()}
        self._kinds = _Counts(((kind[s], p, kind[o]), n) for (s, p, o), n in counts.items() if s in kind and o in kind)
        self.texts = texts
        self.told = sum(counts.values())
        self._shares = Counter(dict.fromkeys(PREDICATES, 0))
        for (_, predicate, _), count in self._classes.triples.items():
            self._shares[predicate] += count

    @cached_property
    def version(self) -> str:
        """A hash of all that decides what it says."""
        method = [FORMAT, PRIOR, KINDS_POWER, WEIGHT, MOST_LOG_ODDS]
        return hashlib.sha256(json.dumps([method, list(self._rows())]).encode()).hexdigest()[:16]

    def count(self, subject: str, predicate: str, object_: str) -> int:
        """Return in how many works' texts a relation is told."""
        return self._classes.triples[canonical(subject, predicate, object_)]

    def opinion(self, subject: str, predicate: str, object_: str) -> Opinion:
        """Return how plausible a relation between two classes is (``relate.Plausibility``).

        Args:
            subject: class; any text.
            predicate: one of ``things.PREDICATES``.
            object_: class; any text.
        """
        known = self._ratio(subject, predicate, object_)
        if known == 1.0:
            return NO_OPINION
        odds = WEIGHT * math.log(known)
        value = 1.0 / (1.0 + math.exp(-min(max(odds, -MOST_LOG_ODDS), MOST_LOG_ODDS)))
        return Opinion(value, self._reason(subject, predicate, object_))

    def _ratio(self, subject: str, predicate: str, object_: str) -> float:
        first, second = self._table.get(subject), self._table.get(object_)
        if first is None or second is None or not self.told:
            return 1.0
        triple = canonical(subject, predicate, object_)
        share = (self._shares[triple[1]] + 1) / (self.told + _COUNTED)
        kinds = canonical(first.super_category, predicate, second.super_category)
        of_kinds = self._kinds.ratio(kinds, share, 1.0)
        return self._classes.ratio(triple, share, of_kinds**KINDS_POWER)

    def _reason(self, subject: str, predicate: str, object_: str) -> str:
        if not self._classes.pairs[frozenset((subject, object_))]:
            kinds = self._table[subject].super_category, self._table[object_].super_category
            said = _said(*kinds, predicate, self._kinds.triples[canonical(kinds[0], predicate, kinds[1])])
            return f"texts, of things of these kinds: {said}"
        said = _said(subject, object_, predicate, self.count(subject, predicate, object_))
        if subject != object_ and predicate != NEXT_TO:
            said += f", {_said(object_, subject, predicate, self.count(object_, predicate, subject))}"
        return f"texts: {said}"

    def _rows(self) -> Iterator[tuple[str, str, str, int]]:
        for triple, count in sorted(self._classes.triples.items()):
            yield *triple, count

    def save(self, path: Path) -> None:
        """Write the counts.

        Raises:
            OSError: the file cannot be written.
        """
        document = {"format": FORMAT, "version": self.version, "texts": self.texts, "told": list(self._rows())}
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path, table: ClassTable | None = None) -> RelationModel:
        """Read counts.

        Args:
            path: as ``save`` wrote it.
            table: super-categories; by default the package's.

        Raises:
            InputError: the file cannot be read, or does not fit; names the field.
        """
        document = read_document(path, FORMAT)
        rows: Any = document.get("told")
        texts: Any = document.get("texts")
        if not isinstance(rows, list):
            raise InputError(path, "told", rows, "must be a list")
        if not _is_count(texts):
            raise InputError(path, "texts", texts, "must be a number of works")
        counts: dict[Triple, int] = {}
        for place, row in enumerate(rows):
            if not (isinstance(row, list) and len(row) == 4 and all(isinstance(one, str) for one in row[:3])):
                raise InputError(path, f"told[{place}]", row, "must be subject, predicate, object and count")
            if row[1] not in PREDICATES or not _is_count(row[3]):
                raise InputError(path, f"told[{place}]", row, "must have a known predicate and a whole number")
            counts[row[0], row[1], row[2]] = row[3]
        model = cls(counts, texts, table)
        if document.get("version") != model.version:
            raise InputError(path, "version", document.get("version"), f"does not fit the counts: {model.version}")
        return model


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _said(subject: str, object_: str, predicate: str, count: int) -> str:
    times = "never" if not count else "once" if count == 1 else f"{count} times"
    return f"{subject} {WORDS[predicate]} {object_} {times}"
