"""How many of the painter's riders, holders and wearers the scene graph finds, and how many it makes up.

    nice -n 19 .venv/bin/python -m tests.benchmarks.scene_graph_bench [--split held_out] [--count 300] [--no-masks]
        [--texts painted|tate] [--jitter 0.1]

The painter attaches a rider to a saddle, a lance to a hand, a crown to a head: painting a scene again while watching
these attachments gives the truth. Boxes and masks are the true ones, so the figures are of the relations alone. With
``--texts``, relations are also weighed with a model of relations learned from texts: those of 600 painted training
scenes, or the titles of Tate's records; ``--jitter`` moves each side of a box by up to that share of its length, as a
detector might. ``--directions`` measures the latter model by itself: trained on the titles that are not held out, which
of "s p o" and "o p s" does it prefer, for what the held-out titles tell? The same reader finds both, so this says how
far what is told repeats, not how well the reader reads.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from sgob_tasks.context.language.lexicon import load_lexicon
from sgob_tasks.context.language.records import TEST, Record, read_records, split_of
from sgob_tasks.context.language.relation_training import learn_relations
from sgob_tasks.context.language.told import Reader
from sgob_tasks.context.scene_graph.relate import MIN_SCORE, Plausibility, relate
from sgob_tasks.context.scene_graph.relation_model import RelationModel
from sgob_tasks.context.scene_graph.things import HOLDS, NEXT_TO, RIDES, WEARS, Thing
from sgob_tasks.context.time_context import Box
from sgob_tasks.detection.classes import ClassTable
from sgob_tasks.sandbox.painter import beings, scene
from sgob_tasks.sandbox.painter.brush import Brush, Frame, Point
from sgob_tasks.sandbox.painter.dataset import orders
from sgob_tasks.sandbox.painter.stage import PaintedObject, Stage
from tests.reference import reference_files

WORN, HELD = {"halo", "crown"}, {"lance", "shield", "sword", "book", "cell phone"}
HAND_POINTS = (*beings.HANDS.values(), beings.RIDER_HAND)


class Watched(Stage):
    """A stage that remembers what was attached to what."""

    last: Watched | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.bases: dict[int, Frame] = {}
        self.keep: list[Frame] = []
        self.drawn: list[tuple[str, Frame]] = []
        self.visible: list[int] = []
        Watched.last = self

    def attach(self, base: Frame, point: Point, unit: float, *, angle: float = 0.0) -> Frame:
        frame = super().attach(base, point, unit, angle=angle)
        self.bases[id(frame)] = base
        self.keep.append(frame)
        return frame

    def draw(
        self, class_name: str, frame: Frame, routine: Callable[[Brush], object], *, ambiguous: bool = False
    ) -> None:
        self.drawn.append((class_name, frame))
        super().draw(class_name, frame, routine, ambiguous=ambiguous)

    def objects(self) -> tuple[PaintedObject, ...]:
        names = self._drawn
        self._drawn = [(str(number), mask, flag) for number, (_, mask, flag) in enumerate(names)]
        found = super().objects()
        self._drawn = names
        self.visible = [int(thing.class_name) for thing in found]
        return tuple(dataclasses.replace(thing, class_name=names[int(thing.class_name)][0]) for thing in found)

    def truth(self) -> set[tuple[int, str, int]]:
        """Return (subject, predicate, object) by place among the visible objects."""
        by_frame = {id(frame): number for number, (_, frame) in enumerate(self.drawn)}
        edges = set()
        for number, (name, frame) in enumerate(self.drawn):
            base = self.bases.get(id(frame))
            if name == "lance":
                base = next((other for _, other in self.drawn if _in_hand(frame, other)), None)
            if base is None or id(base) not in by_frame:
                continue
            owner = by_frame[id(base)]
            if name in WORN:
                edges.add((owner, WEARS, number))
            elif name in HELD:
                edges.add((owner, HOLDS, number))
            elif name == "person":
                edges.add((number, RIDES, owner))
        place = {number: index for index, number in enumerate(self.visible)}
        return {(place[a], p, place[b]) for a, p, b in edges if a in place and b in place}


def _in_hand(frame: Frame, other: Frame) -> bool:
    return any(
        abs(x - frame.x) < 1e-6 and abs(y - frame.y) < 1e-6 for x, y in (other.at(point) for point in HAND_POINTS)
    )


def scenes(split: str, count: int, seed: int = 0) -> Iterator[tuple[list[Thing], set[tuple[int, str, int]], str]]:
    """Yield things, true relations and the subject of painted scenes."""
    original, scene.Stage = scene.Stage, Watched
    try:
        for order in orders(count, seed, split):
            painted = scene.paint_scene(order.seed, split=split, subject=order.subject, ambiguous=order.ambiguous)
            stage = Watched.last
            assert stage is not None
            things = [
                Thing(i, one.class_name, 1.0, tuple(map(float, one.bbox)), one.mask)
                for i, one in enumerate(painted.objects)
            ]
            yield things, stage.truth(), painted.subject
    finally:
        scene.Stage = original


def painted_texts(count: int = 600, seed: int = 1) -> RelationModel:
    """Learn from the texts of painted training scenes, which are not those that the ramps were set on."""
    works = []
    for order in orders(count, seed, "train"):
        painted = scene.paint_scene(order.seed, split="train", subject=order.subject, ambiguous=order.ambiguous)
        works.append((painted.title, *(one.text for one in painted.sentences), painted.reference_caption))
    return learn_relations(works)


def tate_records() -> list[Record]:
    """Read Tate's records.

    Raises:
        SystemExit: they are not on this machine.
    """
    found = reference_files("data/tate/subjects.csv.gz")
    if not found:
        sys.exit("scene_graph_bench: the records of Tate are not here (SGOB_REFERENCE)")
    return read_records(found[0])


def tate_texts(records: list[Record]) -> RelationModel:
    """Learn from the titles of Tate's records that are not held out."""
    return learn_relations((one.title, one.description) for one in records if split_of(one.id) != TEST)


def directions() -> dict[str, Any]:
    """Return how often the model prefers what held-out titles tell to the same turned round."""
    records, table = tate_records(), ClassTable.load()
    model, reader = tate_texts(records), Reader(load_lexicon(table), table)
    result: dict[str, Any] = {"training_relations": model.told, "version": model.version}
    held_out = [told for one in records if split_of(one.id) == TEST for told in reader.read(one.title)]
    asked = [told for told in held_out if told.predicate != NEXT_TO and told.subject != told.object]
    for name, some in (
        ("all", asked),
        ("said", [t for t in asked if t.sure]),
        ("by role", [t for t in asked if not t.sure]),
    ):
        gains = [
            model.opinion(t.subject, t.predicate, t.object).value
            - model.opinion(t.object, t.predicate, t.subject).value
            for t in some
        ]
        right, wrong = sum(gain > 0 for gain in gains), sum(gain < 0 for gain in gains)
        result[name] = {"told": len(some), "right": right, "wrong": wrong, "no_opinion": len(some) - right - wrong}
    return result


def jittered(box: Box, most: float, rng: random.Random) -> Box:
    """Return a box with each side moved by up to a share of the box's length in that direction."""
    x, y, width, height = box
    left, top, right, bottom = (rng.uniform(-most, most) * length for length in (width, height) * 2)
    return x + left, y + top, width + right - left, height + bottom - top


def measure(
    split: str,
    count: int,
    *,
    masks: bool,
    show: int = 0,
    plausibility: Plausibility | None = None,
    jitter: float = 0.0,
) -> dict[str, Any]:
    right: Counter[str] = Counter()
    found: Counter[str] = Counter()
    there: Counter[str] = Counter()
    edges = boxes = 0
    rng = random.Random(7)
    for things, truth, subject in scenes(split, count):
        if not masks:
            things = [dataclasses.replace(thing, mask=None) for thing in things]
        things = [dataclasses.replace(thing, box=jittered(thing.box, jitter, rng)) for thing in things]
        said = relate(things, plausibility=plausibility, min_score=MIN_SCORE)
        boxes, edges = boxes + len(things), edges + len(said)
        claims = {(r.subject, r.predicate, r.object): r.score for r in said if r.predicate in {HOLDS, RIDES, WEARS}}
        found.update(p for _, p, _ in claims)
        there.update(p for _, p, _ in truth)
        right.update(p for _, p, _ in claims.keys() & truth)
        for kind, odd in (("missed", truth - claims.keys()), ("wrong", claims.keys() - truth)):
            for a, p, b in odd:
                if show > 0:
                    show -= 1
                    print(subject, kind, things[a].label, p, things[b].label, claims.get((a, p, b)),
                          things[a].box, things[b].box)  # fmt: skip
    by_predicate = {
        p: {"precision": round(right[p] / found[p], 3), "recall": round(right[p] / there[p], 3), "true": there[p]}
        for p in (RIDES, HOLDS, WEARS)
    }
    return {
        "split": split,
        "scenes": count,
        "masks": masks,
        "jitter": jitter,
        "edges_per_box": round(edges / boxes, 2),
    } | by_predicate


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--split", default="held_out", choices=["train", "held_out"])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--no-masks", dest="masks", action="store_false")
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--texts", choices=["painted", "tate"])
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--directions", action="store_true")
    options = parser.parse_args()
    if options.directions:
        print(json.dumps(directions(), indent=1))
        return 0
    model = None
    if options.texts:
        model = painted_texts() if options.texts == "painted" else tate_texts(tate_records())
    for texts in (None, model) if model else (None,):
        opinion = None if texts is None else texts.opinion
        found = measure(
            options.split,
            options.count,
            masks=options.masks,
            show=options.show,
            plausibility=opinion,
            jitter=options.jitter,
        )
        print(json.dumps({"texts": options.texts if texts else None} | found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
