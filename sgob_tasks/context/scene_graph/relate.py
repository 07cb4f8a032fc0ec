"""Finds the relations between the things of a picture: pure, sparse, and the same at every scale.

For each pair the rules (``rules``) say how well each predicate fits; a language model may weigh what is plausible to
say of such things. Then predicates that exclude each other are settled: what is ridden, worn, held or carried has one
who does it; a pair that does something with each other is not also "above" or "next to"; and each thing keeps a few
relations of place, the best ones, so that the graph grows with the number of things and not with its square.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from sgob_tasks.context.scene_graph.geometry import clean
from sgob_tasks.context.scene_graph.roles import role_of
from sgob_tasks.context.scene_graph.rules import Fit, Pair, functional, spatial
from sgob_tasks.context.scene_graph.things import (
    CARRIES,
    FUNCTIONAL,
    HOLDS,
    INSIDE,
    RIDES,
    SITS_ON,
    WEARS,
    Opinion,
    Relation,
    Thing,
)
from sgob_tasks.context.scene_graph.touching import contact, small_mask
from sgob_tasks.detection.classes import ClassTable

VERSION = "scene-graph-1"
MIN_SCORE = 0.35
"""Below this a relation is not kept."""
PLACES_KEPT = 2
"""Relations of place that a thing is the subject of, at most."""
HANDS = 3
"""Things that one can hold or carry: two hands, and a book under the arm."""
SAME_THING_IOU = 0.85
"""Boxes that overlap more show the same thing twice, which has no relation to itself."""

_ONE_SUBJECT = {HOLDS, CARRIES, WEARS, RIDES}
"""Predicates whose object belongs to one subject."""
_ONE_OBJECT = {RIDES, SITS_ON, INSIDE}
"""Predicates of which a subject has one object, whichever of them it is."""

WORTH_SAYING = 0.05
"""An opinion that is further from knowing nothing is told in the reason."""

Plausibility = Callable[[str, str, str], Opinion]
"""Given the labels of subject and object around a predicate: how plausible it is, such as ``RelationModel.opinion``."""


def relate(
    things: Sequence[Thing],
    table: ClassTable | None = None,
    plausibility: Plausibility | None = None,
    min_score: float = MIN_SCORE,
) -> list[Relation]:
    """Return the relations between the things of one picture, best first.

    Args:
        things: boxes with their labels after context; degenerate boxes are allowed.
        table: super-categories; by default the package's.
        plausibility: a language model's opinion, added to the geometry's log-odds.
        min_score: least score of a relation, above 0.

    Returns:
        Relations in the order of their scores. Of a relation of place, the subject is the smaller thing.

    Raises:
        InputError: a mask is no run-length code.
        ValueError: two things have the same id.
    """
    if len({thing.id for thing in things}) != len(things):
        raise ValueError("two things of a picture have the same id")
    table = table or ClassTable.load()
    roles = [role_of(thing.label, table) for thing in things]
    masks = [small_mask(thing) for thing in things]
    doing: list[Relation] = []
    places: list[Relation] = []
    for i, j in itertools.combinations(range(len(things)), 2):
        if _same(things[i], things[j]):
            continue
        small, large = sorted((i, j), key=lambda k: (_area(things[k]), k))
        pair = _pair(things, roles, masks, small, large)
        other = _pair(things, roles, masks, large, small)
        doing += _relations(itertools.chain(_fits(pair), _fits(other)), plausibility, min_score)
        places += _relations(((pair, fit) for fit in spatial(pair)), plausibility, min_score)
    return _settle(doing, places)


def _fits(pair: Pair) -> Iterable[tuple[Pair, Fit]]:
    return ((pair, fit) for fit in functional(pair))


def _pair(things: Sequence[Thing], roles: Sequence, masks: Sequence, i: int, j: int) -> Pair:  # type: ignore[type-arg]
    first, second = masks[i], masks[j]
    met = None if first is None or second is None else contact(first, second, (things[i].box, things[j].box))
    return Pair(things[i], things[j], roles[i], roles[j], met)


def _same(a: Thing, b: Thing) -> bool:
    ax, ay, aw, ah = clean(a.box)
    bx, by, bw, bh = clean(b.box)
    both = max(0.0, min(ax + aw, bx + bw) - max(ax, bx)) * max(0.0, min(ay + ah, by + bh) - max(ay, by))
    return a.label == b.label and both > SAME_THING_IOU * (aw * ah + bw * bh - both)


def _area(thing: Thing) -> float:
    _, _, width, height = clean(thing.box)
    return width * height


def _relations(fits: Iterable[tuple[Pair, Fit]], plausibility: Plausibility | None, min_score: float) -> list[Relation]:
    found = []
    for pair, fit in fits:
        score, reason = min(fit.score, 1.0), fit.reason
        if score < min_score:  # words rank and remove; what the boxes do not show they do not make
            continue
        if plausibility is not None:
            opinion = plausibility(pair.a.label, fit.predicate, pair.b.label)
            score = _add_log_odds(score, opinion.value)
            if opinion.reason and abs(opinion.value - 0.5) > WORTH_SAYING:
                reason += f"; {opinion.reason}"
        if score >= min_score:
            found.append(Relation(pair.a.id, fit.predicate, pair.b.id, score, reason))
    return found


def _add_log_odds(score: float, opinion: float) -> float:
    """Return the probability whose log-odds are those of both added; certainty is kept away from 0 and 1.

    An opinion that knows nothing, or is no number, leaves the score as it is.
    """
    if opinion == 0.5 or not math.isfinite(opinion):
        return score
    odds = 1.0
    for value in (score, opinion):
        value = min(max(value, 1e-3), 1 - 1e-3)
        odds *= value / (1.0 - value)
    return odds / (1.0 + odds)


def _settle(doing: list[Relation], places: list[Relation]) -> list[Relation]:
    """Keep what does not contradict something better."""
    kept: list[Relation] = []
    taken: set[int] = set()
    busy: set[int] = set()
    hands: Counter[int] = Counter()
    pairs: set[frozenset[int]] = set()
    rank = {predicate: place for place, predicate in enumerate(FUNCTIONAL)}
    for relation in sorted(doing, key=lambda r: (-r.score, rank[r.predicate], r.subject, r.object)):
        pair = frozenset((relation.subject, relation.object))
        if pair in pairs:
            continue
        if relation.predicate in _ONE_SUBJECT and relation.object in taken:
            continue
        if relation.predicate in _ONE_OBJECT and relation.subject in busy:
            continue
        if relation.predicate in {HOLDS, CARRIES}:
            if hands[relation.subject] == HANDS:
                continue
            hands[relation.subject] += 1
        taken |= {relation.object} if relation.predicate in _ONE_SUBJECT else set()
        busy |= {relation.subject} if relation.predicate in _ONE_OBJECT else set()
        pairs.add(pair)
        kept.append(relation)
    belongs = {relation.object for relation in kept if relation.predicate in {WEARS, HOLDS, CARRIES}}
    belongs |= {relation.subject for relation in kept if relation.predicate not in _ONE_SUBJECT}
    placed: Counter[int] = Counter()
    for relation in sorted(places, key=lambda r: (-r.score, r.subject, r.object, r.predicate)):
        pair = frozenset((relation.subject, relation.object))
        # A crown on a head is where its wearer is: saying so of both says it twice.
        if pair in pairs or {relation.subject, relation.object} & belongs or placed[relation.subject] == PLACES_KEPT:
            continue
        placed[relation.subject] += 1
        pairs.add(pair)
        kept.append(relation)
    return sorted(kept, key=lambda r: (-r.score, r.subject, r.object, r.predicate))
