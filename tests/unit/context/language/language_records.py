"""Made-up works whose titles, other things and dates each say something of what they show."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from sgob_tasks.context.language.records import Record

THEMES = {
    "Shipping off the Coast": (["boat, sailing", "sailor", "anchor", "sail"], 1820),
    "The Stag Hunt": (["horse", "dog", "deer", "spear"], 1620),
    "Still Life with Fruit": (["apple", "jug", "table", "knife"], 1650),
    "The Cathedral Square": (["tower", "arch", "spire", "figure"], 1830),
    "The Road to the City": (["car", "bus", "bicycle", "street lamp"], 1950),
    "Madonna and Saints": (["angel", "halo", "lily", "book"], 1480),
}
LABELS = sorted({label for labels, _ in THEMES.values() for label in labels})


def make_records(count: int, seed: int = 1) -> list[Record]:
    """Return works; a tenth of their things is of another theme."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        title = rng.choice(list(THEMES))
        own, year = THEMES[title]
        labels = rng.sample(own, rng.randint(2, 3)) + ([rng.choice(LABELS)] if rng.random() < 0.2 else [])
        shown = rng.random()
        name = "Untitled" if shown < 0.2 else f"{labels[0].split(',')[0].title()}s, {title}" if shown < 0.5 else title
        made.append(Record(f"R{number}", name, "", year + rng.randint(-20, 20), tuple(dict.fromkeys(labels))))
    return made


def write_table(path: Path, records: list[Record]) -> Path:
    """Write the works as a museum's table with a tree of subjects."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "artist", "year_from", "year_to", "classification", "subjects"])
        for one in records:
            subjects = "|".join(f"objects/things/{label}" for label in one.labels)
            writer.writerow(
                [one.id, one.title, "nobody", one.year, one.year, "painting", subjects + "|places/UK/London"]
            )
    return path
