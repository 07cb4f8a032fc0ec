"""Finds saints and scenes that a title or a description names, in ten languages.

Names are compared word by word without case and accents; the longest name wins. A saint's name counts after a word for
"saint" (``Sankt``, ``Sint``, ``San``, ``São``, ``św.``); names that are a saint's alone ("John the Baptist") need none.
Churches, places and people called after saints are left out (``false_friends``).
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sgob_tasks.context.iconography.false_friends import is_false_friend
from sgob_tasks.context.iconography.saints import load_saint_names, load_saints
from sgob_tasks.context.iconography.scenes import load_scenes
from sgob_tasks.context.iconography.words import WORDS_OF, Word, split_words

_SAINT = WORDS_OF["saint"]
_SAINTS = WORDS_OF["saints"]
_AND = WORDS_OF["and"]
_BETWEEN = WORDS_OF["between"]


@dataclass(frozen=True)
class Mention:
    """A subject that a text names.

    Attributes:
        notation: of the saint or scene.
        text: the words that name it.
        weight: 0 to 1, how surely these words mean this subject and no other of the same name.
    """

    notation: str
    text: str
    weight: float


@dataclass(frozen=True)
class _Form:
    words: tuple[str, ...]
    notation: str
    bare: bool


def read_mentions(text: str | None) -> list[Mention]:
    """Return the saints and scenes that a text names, each once, in the order of the text.

    Args:
        text: a title or description; HTML tags are left out. None and empty texts name nothing.
    """
    words = split_words(text)
    forms = _forms()
    found: dict[str, Mention] = {}
    place, in_list, false, last_end = 0, False, False, -1
    while place < len(words):
        start, saint = _skip_saint(words, place)
        chained = in_list and start == place and _continues(words, place)
        matches = _longest(words, start, forms, bare_only=saint == "" and not chained)
        if not matches and start > place:  # "Holy", "Evangelist" may begin a name itself
            start, saint = place, ""
            matches = _longest(words, start, forms, bare_only=True)
        if not matches:
            in_list = in_list and words[place].norm in _AND
            false = false and words[place].norm in _AND
            place += 1
            continue
        end = start + len(matches[0].words)
        before = "" if chained else saint
        false = (false and _continues(words, place)) or bool(
            is_false_friend(
                words, place, end, saint_word=before or _own_saint_word(matches[0]), in_list=place == last_end
            )
        )
        if not false:
            shown = "".join((word.gap if i else "") + word.text for i, word in enumerate(words[place:end]))
            for notation, weight in _weights(matches).items():
                known = found.get(notation)
                if known is None or known.weight < weight:
                    found[notation] = Mention(notation, shown, weight)
            in_list = chained or saint in _SAINTS
        place = last_end = end
    return list(found.values())


def _skip_saint(words: Sequence[Word], place: int) -> tuple[int, str]:
    """Return where the name after a word for "saint" begins, and that word; the same place where there is none."""
    word = words[place]
    if word.norm not in _SAINT | _SAINTS:
        return place, ""
    after = words[place + 1].gap if place + 1 < len(words) else ""
    if word.norm in {"s", "ss"} and (not word.capital or word.gap in {"'", "’"} or not after.startswith((".", " "))):
        return place, ""
    if word.norm == "s" and not after.startswith("."):
        return place, ""
    start = place + 1
    while start < len(words) and start - place < 4 and words[start].norm in _BETWEEN:
        start += 1
    return start, word.norm


def _continues(words: Sequence[Word], place: int) -> bool:
    return place > 0 and (words[place - 1].norm in _AND or words[place].gap.strip() in {",", "&"})


def _own_saint_word(form: _Form) -> str:
    return form.words[0] if form.words[0] in _SAINT else ""


def _longest(
    words: Sequence[Word], start: int, forms: Mapping[str, Sequence[_Form]], *, bare_only: bool
) -> list[_Form]:
    """Return the forms that stand at a place: of those that fit, all of the greatest length."""
    if start >= len(words):
        return []
    best: list[_Form] = []
    for form in forms.get(words[start].norm, ()):
        if best and len(form.words) < len(best[0].words):
            break
        if (form.bare or not bare_only) and _fits(words, start, form.words):
            best.append(form)
    return best


def _fits(words: Sequence[Word], start: int, form: tuple[str, ...]) -> bool:
    if len(words) - start < len(form):
        return False
    return all(words[start + i].norm == part for i, part in enumerate(form)) and all(
        not words[start + i].gap.strip(" '’·-.\n\t") for i in range(1, len(form))
    )


def _weights(forms: Sequence[_Form]) -> dict[str, float]:
    """Share a name among those who have it, by how often pictures show them."""
    saints, scenes = load_saints(), load_scenes()
    priors = {form.notation: (saints.get(form.notation) or scenes[form.notation]).prior for form in forms}
    total = sum(priors.values())
    return {notation: prior / total for notation, prior in priors.items()}


def _own_names(key: str) -> tuple[str, ...]:
    """Return the names in a key of Iconclass's: of two saints together, each one's as well."""
    both = [part.strip().title() for part in key.split("&")]
    return tuple(dict.fromkeys((" and ".join(both), *both)))


@functools.lru_cache(maxsize=1)
def _forms() -> Mapping[str, Sequence[_Form]]:
    """Return every name by its first word, longest first."""
    names, index = load_saint_names(), defaultdict(set)
    others = {form for forms in names.values() for form in forms}
    for saint in load_saints().values():
        own = names.get(saint.key) or [name for name in _own_names(saint.key) if name not in others]
        for name in own:
            words = tuple(word.norm for word in split_words(name.removeprefix("!")))
            index[words[0]].add(_Form(words, saint.notation, name.startswith("!")))
    for scene in load_scenes().values():
        for name in scene.titles:
            words = tuple(word.norm for word in split_words(name))
            index[words[0]].add(_Form(words, scene.notation, True))
    return {
        first: sorted(forms, key=lambda form: (-len(form.words), form.notation, form.words))
        for first, forms in index.items()
    }
