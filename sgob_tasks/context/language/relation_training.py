"""Learns from texts what is told of classes and what they do with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sgob_tasks.context.language.lexicon import load_lexicon
from sgob_tasks.context.language.told import Reader
from sgob_tasks.context.scene_graph.relation_model import RelationModel, Triple, canonical
from sgob_tasks.detection.classes import ClassTable


def learn_relations(works: Iterable[Iterable[str | None]], table: ClassTable | None = None) -> RelationModel:
    """Read the texts of works and count the relations that they tell.

    Args:
        works: the texts of each: title, description, captions. What several of them tell of one work counts once.
        table: the class table; by default the package's.
    """
    table = table or ClassTable.load()
    reader = Reader(load_lexicon(table), table)
    counts: Counter[Triple] = Counter()
    number = 0
    for number, texts in enumerate(works, 1):  # noqa: B007 - the last number is how many there were
        told = (one for text in texts for one in reader.read(text))
        counts.update({canonical(one.subject, one.predicate, one.object) for one in told})
    return RelationModel(counts, number, table)
