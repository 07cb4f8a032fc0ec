"""Titles, painters, descriptions: what a museum writes about a picture, and which sentences of it are captions."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sgob_tasks.sandbox.painter.dating import Dating
from sgob_tasks.sandbox.painter.phrases import GENERAL_CAPTIONS, OTHERS, SUBJECT_CAPTIONS, TITLES, Caption

FIRST_NAMES = (
    "Jaume",
    "Bernat",
    "Maestro Lope",
    "Pieter",
    "Hans",
    "Lucia",
    "Caterina",
    "Jan",
    "Giovanni",
    "Anselm",
    "Clara",
    "Marten",
    "Odile",
    "Tomas",
    "Elias",
    "Agnes",
    "Ferrer",
    "Ulrich",
    "Mateu",
    "Ilse",
)
LAST_NAMES = (
    "Vallcorba",
    "van der Loo",
    "Perelada",
    "Brunnwald",
    "dal Ponteverde",
    "Escarp",
    "Nachtigall",
    "de Merle",
    "Ostrowicz",
    "Rocafort",
    "Lindqvist",
    "Quintavalle",
    "Haverkamp",
    "Montclar",
    "Sorribes",
    "von Aue",
    "Delacourbe",
    "Zabrano",
    "Tiefenbach",
    "Arlandis",
)
ANONYMOUS = (
    "Master of the Red Saddle",
    "Master of the Round Haunches",
    "Workshop of Jaume Vallcorba",
    "Unknown artist",
    "Circle of Pieter van der Loo",
    "Master of the Gilded Dragon",
)
TOWNS = (
    "Barcelona",
    "Bruges",
    "Siena",
    "Valencia",
    "Nuremberg",
    "Kraków",
    "Ghent",
    "Lyon",
    "Perugia",
    "Girona",
    "Lübeck",
    "Avignon",
    "Zaragoza",
    "Delft",
    "Toledo",
)
PERSONS = (
    "Emilia Roth",
    "Charles Aubrey",
    "Ramon de Sentmenat",
    "Josef Leitner",
    "Marie Verstraete",
    "Arturo Bianchi",
    "Henrik Dahl",
    "A. J. Coleman",
)
SCHOLARS = ("Weissmann", "Puig i Soler", "Marchetti", "de Vries", "Hollander", "Lacoste")
NAMED_THINGS = ("angel", "boat", "book", "chalice", "crown", "dog", "dragon", "horse", "lance", "lion", "skull")
"""Things that titles and sentences may speak of."""
NOW = 2026
"""No acquisition is later."""


@dataclass(frozen=True)
class Sentence:
    """One sentence of a description and what it is."""

    text: str
    label: Literal["caption", "other"]


@dataclass(frozen=True)
class Words:
    """All that is written about one picture."""

    title: str
    creator: str
    sentences: tuple[Sentence, ...]
    reference_caption: str


@dataclass(frozen=True)
class Seen:
    """A visible thing and where its middle is, as a share of the picture's width."""

    class_name: str
    at: float


def slug(text: str) -> str:
    """Return ``text`` in lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _fits(caption: Caption, seen: Sequence[Seen]) -> bool:
    names = {thing.class_name for thing in seen}
    return names.issuperset(caption[0])


def _tell(caption: Caption, seen: Sequence[Seen]) -> str:
    at = next(thing.at for thing in seen if thing.class_name == caption[0][0])
    side = "left" if at < 0.42 else "right" if at > 0.58 else "centre"
    text = caption[1].format(side=side)
    return re.sub(r"\b([Oo]n|[Tt]o) the centre\b", lambda m: f"{'I' if m[1][0].isupper() else 'i'}n the centre", text)


def _mentions_only(text: str, seen: Sequence[Seen]) -> bool:
    """Return whether a text names no thing that is not in the picture: museums do not write of absent lions."""
    names = {thing.class_name for thing in seen}
    words = set(re.findall(r"[a-z]+", text.lower()))
    return not any(name not in names and {name, f"{name}s"} & words for name in NAMED_THINGS)


def _creator(rng: random.Random) -> str:
    if rng.random() < 0.12:
        return rng.choice(ANONYMOUS)
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def _other(rng: random.Random, template: str, creator: str, dating: Dating) -> str:
    first_late = max(1830, dating.year_to + 1)
    return template.format(
        creator=creator,
        person=rng.choice(PERSONS),
        scholar=rng.choice(SCHOLARS),
        town=rng.choice(TOWNS),
        early=max(1200, dating.year_from - rng.randint(2, 15)),
        late=rng.randint(first_late, min(first_late + 60, NOW)),
        height=rng.randint(28, 190),
        width=rng.randint(24, 160),
        page=rng.randint(11, 480),
        number=rng.randint(100, 9900),
    )


def describe(rng: random.Random, subject: str, truth: str, seen: Sequence[Seen], dating: Dating) -> Words:
    """Write about a picture.

    Args:
        rng: where the choices come from.
        subject: the composition.
        truth: true class of its look-alike, empty for the others.
        seen: what is visible.
        dating: the picture's date.

    Returns:
        Title, creator, three to six labelled sentences (in any order, at least one of them no caption) and one
        caption as the reference for generated ones.
    """
    theme = truth or subject
    creator = _creator(rng)
    own = [caption for caption in SUBJECT_CAPTIONS[theme] if _fits(caption, seen)]
    general = [caption for caption in GENERAL_CAPTIONS if _fits(caption, seen)]
    reference = _tell((own or general)[0], seen) if own or general else "A painted scene."
    captions = rng.sample(own, min(len(own), rng.choice((0, 1, 1, 2))))
    captions += rng.sample(general, min(len(general), rng.choice((0, 0, 1, 1, 2))))
    told = [Sentence(_tell(caption, seen), "caption") for caption in captions]
    others = [text for text in OTHERS if _mentions_only(text, seen)]
    titles = [text for text in TITLES[theme] if _mentions_only(text, seen)]
    count = rng.randint(max(3, len(told) + 1), 6)
    told += [Sentence(_other(rng, text, creator, dating), "other") for text in rng.sample(others, count - len(told))]
    rng.shuffle(told)
    return Words(rng.choice(titles or TITLES[theme][:1]), creator, tuple(told), reference)
