"""Scenes and subjects that are told by what happens in them: ``scenes.toml``."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomllib

from sgob_tasks.context.scene_graph.things import PREDICATES
from sgob_tasks.errors import InputError

SCENES_TOML = Path(__file__).parent / "scenes.toml"
SOMEONE = "someone"
FIGURES = (
    "person", "knight", "monk", "shepherd", "nude", "judith", "angel", "god the father", "prayer", "devil",
)  # fmt: skip
"""What ``someone`` may be."""

Choice = tuple[str, ...]
"""Elements of which one is enough, as in ``lance|sword``."""


@dataclass(frozen=True)
class SceneRelation:
    """A relation that a scene shows."""

    subject: Choice
    predicate: str
    object: Choice

    def __str__(self) -> str:
        """Return it as it is in the table."""
        return f"{choice_text(self.subject)} {self.predicate} {choice_text(self.object)}"


@dataclass(frozen=True)
class Scene:
    """A scene; see the head of ``scenes.toml`` for what each field means."""

    notation: str
    label: str
    prior: float
    required: tuple[Choice, ...]
    typical: tuple[Choice, ...]
    excluded: tuple[Choice, ...]
    relations: tuple[SceneRelation, ...]
    titles: tuple[str, ...]
    who: str = ""
    wikidata: str = ""


def choice_text(choice: Choice) -> str:
    """Return a choice in words."""
    return "figure" if choice == FIGURES else " or ".join(choice)


@functools.lru_cache(maxsize=2)
def load_scenes(path: Path = SCENES_TOML) -> Mapping[str, Scene]:
    """Read the table of scenes, by notation.

    Raises:
        InputError: the file is no such table; names file, notation and field.
    """
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(path, "file", str(error), "cannot be read as TOML") from error
    scenes: dict[str, Scene] = {}
    for entry in document.get("scene", []):
        notation = str(entry.get("notation", ""))
        if not notation or notation in scenes:
            raise InputError(path, "notation", notation, "is missing or there twice")
        scenes[notation] = _scene(path, notation, entry)
    if not scenes:
        raise InputError(path, "scene", None, "is missing")
    return scenes


def _scene(path: Path, notation: str, entry: Mapping[str, Any]) -> Scene:
    prior = entry.get("prior")
    if not isinstance(prior, int | float) or not prior > 0:
        raise InputError(path, f"{notation}, prior", prior, "must be a number above 0")
    lists: dict[str, list[str]] = {}
    for name in ("required", "typical", "excluded", "relations", "titles"):
        value = entry.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise InputError(path, f"{notation}, {name}", value, "must be a list of words")
        lists[name] = value
    for name in ("label", "required", "titles"):
        if not entry.get(name):
            raise InputError(path, f"{notation}, {name}", entry.get(name), "is missing")
    return Scene(
        notation=notation,
        label=str(entry["label"]),
        prior=float(prior),
        required=tuple(map(_choice, lists["required"])),
        typical=tuple(map(_choice, lists["typical"])),
        excluded=tuple(map(_choice, lists["excluded"])),
        relations=tuple(_relation(path, notation, text) for text in lists["relations"]),
        titles=tuple(dict.fromkeys(lists["titles"])),
        who=str(entry.get("who", "")),
        wikidata=str(entry.get("wikidata", "")),
    )


def _choice(text: str) -> Choice:
    return FIGURES if text == SOMEONE else tuple(text.split("|"))


def _relation(path: Path, notation: str, text: str) -> SceneRelation:
    words = text.split(" ")
    place = next((i for i, word in enumerate(words) if word in PREDICATES and 0 < i < len(words) - 1), None)
    if place is None:
        raise InputError(path, f"{notation}, relations", text, "must be subject, predicate, object")
    return SceneRelation(_choice(" ".join(words[:place])), words[place], _choice(" ".join(words[place + 1 :])))
