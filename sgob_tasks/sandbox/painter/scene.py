"""One painted scene: the picture, what is known about it, and the whole truth about what it shows."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from PIL import Image

from sgob_tasks.errors import InputError, PermanentError
from sgob_tasks.sandbox.painter import wording
from sgob_tasks.sandbox.painter.composition import ORDINARY, SUBJECTS, horizon_of
from sgob_tasks.sandbox.painter.dating import Dating, date_in
from sgob_tasks.sandbox.painter.stage import PaintedObject, Stage
from sgob_tasks.sandbox.painter.twofold import LOOK_ALIKES, WITH_LOOK_ALIKE
from sgob_tasks.sandbox.painter.wording import Sentence

SIZE = (256, 192)
"""Width and height of a picture in pixels, unless a caller wants another."""

EARLIEST, LAST_OLD = 1250, 1816
"""Old pictures: before the first bicycle (Drais, 1817)."""
LATEST = 2015
MODERN_FROM: dict[str, int] = {"bicycle": 1870, "airplane": 1910, "cell phone": 1995}
"""From when on a picture shows a modern thing."""

CLASSES: tuple[str, ...] = (
    "angel",
    "banner",
    "bird",
    "boat",
    "book",
    "chalice",
    "crown",
    "dog",
    "dragon",
    "halo",
    "horse",
    "lance",
    "lion",
    "person",
    "sheep",
    "shield",
    "skull",
    "sword",
    "tree",
    "airplane",
    "bicycle",
    "cell phone",
)
"""All classes; their COCO category ids count from 1 in this order."""

AMBIGUOUS_SHARE: dict[str, float] = {"train": 1 / 7, "held_out": 0.6, "served": 0.6}
"""Split -> share of the old truth among pictures with a look-alike.

In training the modern one is seen six times as often.
"""

LOOK_ALIKE_SHARE: dict[str, float] = {"train": 0.4, "held_out": 0.5, "served": 0.3}
"""Split -> share of pictures with a look-alike."""

FIRST_YEARS: dict[str, int] = {"vanitas": 1520, "treasury": 1450, "ships": 1500, "pastoral": 1480, "court": 1400}
"""Subjects that were not painted from the beginning."""

INDOORS = {"annunciation", "jerome", "ruler", "arms"}
"""Subjects that may be set in a room."""

LOOK_ALIKE_MANNERS: dict[str, tuple[str, ...]] = {
    "mounted": ("country", "dusk", "bright", "gilded", "sunburst"),
    "aloft": ("country", "sea", "dusk", "bright", "bright sea"),
    "in hand": ("chamber", "bright chamber", "country", "gilded"),
}
"""Whatever the date, so that the manner does not give it away: revival painters imitate, old ones foreshadow."""


@dataclass(frozen=True)
class Scene:
    """A painted picture with its metadata and its truth.

    Attributes:
        file_name: name of its JPEG file.
        seed: what it was painted from; the same seed and split give the same pixels.
        split: ``train``, ``held_out`` or ``served``.
        subject: name of the composition.
        title: title as a museum gives it.
        creator: invented painter.
        dating: date text and the years it states.
        sentences: the description, sentence by sentence, each labelled ``caption`` or ``other``.
        reference_caption: one plain sentence that says what is depicted.
        objects: what is visible, from back to front.
        width: in pixels.
        height: in pixels.
        image: the picture, RGB; None where only the truth is kept.
    """

    file_name: str
    seed: int
    split: str
    subject: str
    title: str
    creator: str
    dating: Dating
    sentences: tuple[Sentence, ...]
    reference_caption: str
    objects: tuple[PaintedObject, ...]
    width: int
    height: int
    image: Image.Image | None = field(compare=False, repr=False)

    def without_image(self) -> Scene:
        """Return the same scene without its pixels, to be kept in numbers or sent between processes."""
        return replace(self, image=None)

    @property
    def picture(self) -> Image.Image:
        """The pixels, RGB.

        Raises:
            PermanentError: only the truth was kept.
        """
        if self.image is None:
            raise PermanentError(f"{self.file_name}: the pixels of this scene were not kept")
        return self.image

    @property
    def description(self) -> str:
        """All sentences in one text."""
        return " ".join(sentence.text for sentence in self.sentences)

    @property
    def anachronistic(self) -> bool:
        """Whether it shows an old thing that looks like a modern one."""
        return any(thing.ambiguous for thing in self.objects)


def _manner(rng: random.Random, subject: str, year: int) -> str:
    if subject in LOOK_ALIKE_MANNERS:
        return rng.choice(LOOK_ALIKE_MANNERS[subject])
    if subject == "ships":
        return "bright sea" if year > LAST_OLD else "sea"
    if subject in {"vanitas", "treasury"}:
        return "bright chamber" if year > LAST_OLD else "chamber"
    if year > LAST_OLD:
        return rng.choice(("bright", "bright", "sunburst", "country"))
    if year < 1430:
        return rng.choice(("gilded", "gilded", "diapered"))
    if year < 1580:
        return rng.choice(("country", "country", "country", "gilded", "diapered"))
    return rng.choice(("dusk", "country", "chamber", "dusk") if subject in INDOORS else ("dusk", "country"))


def paint_scene(
    seed: int,
    *,
    split: str,
    subject: str | None = None,
    ambiguous: bool | None = None,
    size: tuple[int, int] = SIZE,
) -> Scene:
    """Paint one scene.

    Args:
        seed: decides everything that is not given; the same arguments give the same pixels.
        split: ``train``, ``held_out`` or ``served``; decides how often look-alikes are old.
        subject: name of a composition (see :data:`.composition.SUBJECTS`); drawn by lot if omitted.
        ambiguous: for a subject with a look-alike, whether the truth is the old thing; drawn by lot if omitted.
        size: width and height in pixels.

    Raises:
        InputError: unknown split or subject, or a size too small to show anything.
    """
    checked(split, size)
    if subject is not None and subject not in SUBJECTS:
        raise InputError("painter", "subject", subject, f"one of {', '.join(SUBJECTS)} expected")
    facts = random.Random(f"facts {seed}")  # noqa: S311 - pictures, not secrets
    hand = random.Random(f"hand {seed}")  # noqa: S311 - apart from the facts, so that only those tell an old look-alike
    if subject is None:
        pool = WITH_LOOK_ALIKE if facts.random() < LOOK_ALIKE_SHARE[split] else ORDINARY
        subject = facts.choice(tuple(pool))
    if ambiguous is None:
        ambiguous = facts.random() < AMBIGUOUS_SHARE[split]
    truth, dating = _truth_and_date(facts, subject, ambiguous=ambiguous)
    stage = Stage(hand, size, _manner(hand, subject, dating.year_from), horizon_of(hand, subject))
    if subject in ORDINARY:
        ORDINARY[subject](stage)
        age: float | None = None
    else:
        WITH_LOOK_ALIKE[subject](stage, truth, ambiguous=ambiguous)
        age = hand.uniform(0.1, 0.9)
    return finished(stage, facts, seed=seed, split=split, subject=subject, dating=dating, truth=truth, age=age)


def checked(split: str, size: tuple[int, int]) -> None:
    """Refuse a split that is not known, and a size too small to show anything.

    Raises:
        InputError: it is one of these.
    """
    if split not in AMBIGUOUS_SHARE:
        raise InputError("painter", "split", split, f"one of {', '.join(AMBIGUOUS_SHARE)} expected")
    if min(size) < 96:
        raise InputError("painter", "size", size, "at least 96 pixels on both sides expected")


def finished(
    stage: Stage,
    facts: random.Random,
    *,
    seed: int,
    split: str,
    subject: str,
    dating: Dating,
    truth: str = "",
    age: float | None = None,
) -> Scene:
    """Return the scene of what was drawn on a stage, varnished and described.

    Args:
        stage: with all that the picture shows.
        facts: where the choice of words comes from.
        seed: see :class:`Scene`, as of the next three.
        split: only noted.
        subject: what the words are chosen by.
        dating: what the words may say of it.
        truth: true class of the look-alike, empty where there is none.
        age: of the varnish, 0 to 1; by default as old as the date says.
    """
    if age is None:
        age = min(1.0, max(0.0, (1930 - dating.year_from) / 500))
    objects = stage.objects()
    image = stage.varnish(age)
    seen = [wording.Seen(thing.class_name, (thing.bbox[0] + thing.bbox[2] / 2) / stage.width) for thing in objects]
    words = wording.describe(facts, subject, truth, seen, dating)
    return Scene(
        file_name=f"{wording.slug(words.creator)}_{wording.slug(words.title)}_{seed:x}.jpg",
        seed=seed,
        split=split,
        subject=subject,
        title=words.title,
        creator=words.creator,
        dating=dating,
        sentences=words.sentences,
        reference_caption=words.reference_caption,
        objects=objects,
        width=image.width,
        height=image.height,
        image=image,
    )


def _truth_and_date(rng: random.Random, subject: str, *, ambiguous: bool) -> tuple[str, Dating]:
    """Return the look-alike's true class (or nothing) and the picture's date."""
    if subject not in LOOK_ALIKES:
        modern = rng.random() < 0.2
        earliest = FIRST_YEARS.get(subject, EARLIEST)
        return "", date_in(rng, *((LAST_OLD + 4, 1990) if modern else (earliest, LAST_OLD)))
    modern_class, old_classes = LOOK_ALIKES[subject]
    if ambiguous:
        return rng.choice(old_classes), date_in(rng, 1300, LAST_OLD)
    return modern_class, date_in(rng, MODERN_FROM[modern_class], LATEST)
