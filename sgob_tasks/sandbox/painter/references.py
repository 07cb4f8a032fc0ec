"""Reference captions of a painted scene: five people, so to speak, say what is where.

Made from the truth alone (subject and boxes), so they exist for every painting that ever was. Each sentence names the
main subject, who does what with what, on which side, and the other visible things with their sides, from left to right,
with their number. The five differ in words and in how much they say. What a picture's kind does not tell (which things
are there, on which side, who wears the crown) makes up most of a sentence, so that a caption can only be right where
somebody has looked.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from sgob_tasks.sandbox.painter.arrangement_words import ARRANGEMENT, arrangement_captions
from sgob_tasks.sandbox.painter.crowd_words import CROWD, crowd_captions, largest_class
from sgob_tasks.sandbox.painter.seen import Thing, joined, touch, with_article

REFERENCES = 5
LEFT, RIGHT = 0.38, 0.62
"""Middles of things on the left lie below, on the right above, as shares of the picture's width."""
WORN = ("crown", "halo")
HELD = ("lance", "sword", "book", "cell phone", "shield")

_PLACES: tuple[tuple[str, str, str], ...] = (
    ("on the left", "in the middle", "on the right"),
    ("at left", "at centre", "at right"),
    ("on the left side", "in the centre", "on the right side"),
)
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
_PLURALS = {"person": "people", "sheep": "sheep"}

_ROLES: Mapping[str, tuple[str, ...]] = {
    "george": ("knight", "rider", "knight"),
    "annunciation": ("woman", "virgin", "woman"),
    "jerome": ("hermit", "saint", "hermit"),
    "ruler": ("king", "ruler", "man"),
    "hunt": ("huntsman", "rider", "hunter"),
    "pastoral": ("shepherd", "shepherd", "man"),
    "vision": ("shepherd", "shepherd", "man"),
    "tournament": ("knight", "rider", "knight"),
    "mounted": ("rider", "rider", "man"),
}
"""What people call the person, by subject; elsewhere a figure."""


def main_class(subject: str, things: Sequence[Thing]) -> str | None:
    """Return the class that a caption of the scene has to name; None for an empty scene or an arrangement.

    Of those in front of a crowd the largest, None where none is clearly larger than the next. Elsewhere the look-alike
    where there is one, the dragon, the angel or the lion where the story is theirs, else whoever acts, else the largest
    thing.
    """
    if subject == ARRANGEMENT:
        return None
    if subject == CROWD:
        return largest_class(things)
    first = {
        "george": ("dragon", "horse"),
        "michael": ("angel",),
        "annunciation": ("angel",),
        "jerome": ("lion",),
        "ships": ("boat",),
        "vision": ("angel",),
        "pastoral": ("sheep",),
        "hunt": ("horse",),
        "tournament": ("horse",),
        "arms": ("lion",),
        "mounted": ("horse", "bicycle"),
        "aloft": ("airplane", "angel", "bird"),
        "in hand": ("cell phone", "book"),
    }.get(subject, ())
    names = {thing.class_name for thing in things}
    named = next((name for name in (*first, "person") if name in names), None)
    if named is not None:
        return named
    return max(things, key=lambda thing: thing.box[2] * thing.box[3]).class_name if things else None


class _Teller:
    """One person's way of saying it."""

    def __init__(self, rng: random.Random, subject: str, things: Sequence[Thing], width: float) -> None:
        self.rng, self.subject, self.width = rng, subject, width
        self.places = rng.choices(_PLACES, (3, 1, 1))[0]
        self.role = rng.choice(_ROLES.get(subject, ("figure", "person", "figure")))
        self.left = sorted(things, key=lambda thing: (thing.middle, thing.class_name))

    def take(self, *names: str) -> Thing | None:
        """Return the largest thing of the first class that is there, and do not speak of it again."""
        for name in names:
            found = [thing for thing in self.left if thing.class_name == name]
            if found:
                chosen = max(found, key=lambda thing: thing.box[2] * thing.box[3])
                self.left.remove(chosen)
                return chosen
        return None

    def take_at(self, name: str, figure: Thing) -> Thing | None:
        """Return the thing of a class that touches a figure (what it wears or holds), and do not speak of it again."""
        near = [thing for thing in self.left if thing.class_name == name and touch(thing, figure)]
        for thing in near[:1]:
            self.left.remove(thing)
        return near[0] if near else None

    def side(self, thing: Thing) -> str:
        """Return in words where a thing stands."""
        at = thing.middle[0] / self.width
        return self.places[0 if at < LEFT else 2 if at > RIGHT else 1]

    def figure(self, thing: Thing, noun: str) -> str:
        """Return a figure with what it wears and holds, and its side."""
        crowned, holy = (self.take_at(name, thing) for name in WORN)
        held = [name for name in HELD if self.take_at(name, thing)]
        text = with_article(f"crowned {noun}" if crowned else noun)
        text += " with a halo" if holy else ""
        if held:
            text += (
                f" {self.rng.choice(('holding', 'with', 'carrying'))} {joined([with_article(name) for name in held])}"
            )
        return f"{text} {self.side(thing)}"

    def rest(self, most: int) -> list[str]:
        """Return the other things, from left to right, those of a class on a side together."""
        groups: dict[tuple[str, str], int] = {}
        for thing in self.left:
            key = (thing.class_name, self.side(thing))
            groups[key] = groups.get(key, 0) + 1
        return [f"{_count(name, number)} {side}" for (name, side), number in list(groups.items())[:most]]


def _count(name: str, number: int) -> str:
    if number == 1:
        return with_article(name)
    return f"{_NUMBERS[min(number, len(_NUMBERS) - 1)]} {_PLURALS.get(name, f'{name}s')}"


def _act(teller: _Teller) -> str:
    """Return the main clause and take from the teller what it speaks of."""
    pick, subject = teller.rng.choice, teller.subject
    if subject in {"george", "mounted", "hunt"} and (mount := teller.take("horse", "bicycle")):
        rider = teller.take("person")
        dragon = teller.take("dragon")
        on = f"{pick(('on', 'riding'))} {with_article(mount.class_name)}"
        who = (
            f"{teller.figure(rider, teller.role)} {on}"
            if rider
            else f"{with_article(mount.class_name)} {teller.side(mount)}"
        )
        return f"{who} {pick(('fights', 'attacks'))} a dragon {teller.side(dragon)}" if dragon else who
    if subject == "tournament" and (mount := teller.take("horse")):
        teller.left = [thing for thing in teller.left if thing.class_name not in {"horse", "person"}]
        return f"two {teller.role}s on horses {pick(('charge at', 'ride towards'))} each other"
    if angel := teller.take("angel") if subject in {"michael", "annunciation", "vision"} else None:
        who = teller.figure(angel, "angel")
        if dragon := teller.take("dragon"):
            return f"{who} {pick(('fights', 'defeats'))} a dragon {teller.side(dragon)}"
        if person := teller.take("person"):
            return f"{who} {pick(('appears to', 'approaches'))} {teller.figure(person, teller.role)}"
        return who
    if flier := teller.take("airplane", "angel", "bird") if subject == "aloft" else None:
        return f"{with_article(flier.class_name)} {pick(('flies', 'hovers'))} in the sky {teller.side(flier)}"
    if subject in {"vanitas", "treasury"}:
        return pick(("a still life of", "things on a table:", "a table with"))
    if lion := teller.take("lion") if subject in {"jerome", "arms"} else None:
        person = teller.take("person")
        if person:
            near = pick(("beside", "next to"))
            return f"{teller.figure(person, teller.role)} {near} a lion {teller.side(lion)}"
        return f"{teller.figure(lion, 'lion')}"
    if person := teller.take("person"):
        return f"{teller.figure(person, teller.role)}{pick((' stands', '', ' is shown'))}"
    return ""


def _sentence(rng: random.Random, subject: str, things: Sequence[Thing], width: float) -> str:
    teller = _Teller(rng, subject, things, width)
    act, rest = _act(teller), teller.rest(rng.choice((3, 4, 4, 5)))
    if not act:
        return f"{joined(rest)}." if rest else "A painted scene."
    if not rest:
        return f"{act}."
    if subject in {"vanitas", "treasury"}:
        return f"{act} {joined(rest)}."
    return f"{act}{rng.choice((' with ', ', with ', ', '))}{joined(rest)}."


def reference_captions(
    subject: str, things: Sequence[Thing], width: float, seed: int, count: int = REFERENCES
) -> tuple[str, ...]:
    """Return what ``count`` people say of a scene; the same arguments give the same words.

    Args:
        subject: name of the composition.
        things: what is visible; of a crowd, those in front.
        width: of the picture in pixels.
        seed: of the picture.
        count: number of sentences.
    """
    if subject == ARRANGEMENT:
        return arrangement_captions(things, width, seed, count)
    if subject == CROWD:
        return crowd_captions(things, width, seed, count)
    told = (
        _sentence(random.Random(f"reference {seed} {number}"), subject, things, width)  # noqa: S311 - words, no secret
        for number in range(count)
    )
    return tuple(text[0].upper() + text[1:] for text in told)


def coco_references(painted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reference captions of a painted data set in COCO's caption format.

    Args:
        painted: what ``dataset.coco`` returns, or the file made of it.

    Returns:
        ``images`` (``id, file_name, width, height, title, year_from, year_to, main_class``) and ``annotations``
        (``id, image_id, caption``).
    """
    names = {entry["id"]: str(entry["name"]) for entry in painted["categories"]}
    things: dict[int, list[Thing]] = {}
    for entry in painted["annotations"]:
        if entry.get("behind"):
            continue
        x, y, width, height = entry["bbox"]
        things.setdefault(entry["image_id"], []).append(Thing(names[entry["category_id"]], (x, y, width, height)))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    kept = ("id", "file_name", "width", "height", "title", "year_from", "year_to")
    for image in painted["images"]:
        seen = things.get(image["id"], [])
        images.append({name: image[name] for name in kept} | {"main_class": main_class(image["subject"], seen)})
        for text in reference_captions(image["subject"], seen, image["width"], image["seed"]):
            annotations.append({"id": len(annotations) + 1, "image_id": image["id"], "caption": text})
    return {"images": images, "annotations": annotations}
