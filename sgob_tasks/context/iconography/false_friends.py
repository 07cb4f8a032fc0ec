"""Saints' names that are not saints in a picture: churches, places and people who are called after them."""

from __future__ import annotations

from collections.abc import Sequence

from sgob_tasks.context.iconography.words import WORDS_OF, Word

_PLACE_WORDS = WORDS_OF["place"]
_PLACE_BEFORE = _PLACE_WORDS | WORDS_OF["before_place"]
_LINKS = WORDS_OF["link"]
_AND = WORDS_OF["and"]
_REGIONS = WORDS_OF["region"]
_PEOPLE_BEFORE = WORDS_OF["before_person"]
_PEOPLE_AFTER = WORDS_OF["after_person"]
_OWN = WORDS_OF["own"]
_ENGLISH = WORDS_OF["english"]
_ROMANCE_SAINTS = frozenset({"san", "santa", "santo", "sant", "santi", "s"})
_SIGHTS = WORDS_OF["sight"]
_OF = WORDS_OF["of"]
_MADONNA_OF = WORDS_OF["madonna_of"]
_EVENTS = WORDS_OF["event"]
_HOLY = WORDS_OF["holy"]
_PLACE_LINKS = WORDS_OF["place_link"]
_NOT_IN_ENGLISH = frozenset({"saint", "st", "saints", "sts", "ss"})


def is_false_friend(words: Sequence[Word], first: int, after: int, *, saint_word: str, in_list: bool = False) -> str:
    """Return why the name at ``words[first:after]`` names no saint in the picture; empty where nothing speaks for that.

    Args:
        words: of the whole text.
        first: where the name begins, with the word for "saint".
        after: where it ends.
        saint_word: the word for "saint", normalised; empty where the name needs none.
        in_list: whether the word before belongs to another saint's name.
    """
    return (
        _place_after(words, after)
        or _place_before(words, first)
        or ("" if in_list else _person(words, first, after, saint_word))
        or _hyphen(words, first, after, saint_word)
        or _foreign(words, saint_word)
        or _of_something_else(words, first, after)
    )


def _place_after(words: Sequence[Word], after: int) -> str:
    rest = words[after : after + 3]
    if not rest:
        return ""
    if rest[0].norm == "s" and rest[0].gap in {"'", "’", "´", "`"}:
        if len(rest) > 1 and _joined(rest[1]) and rest[1].norm in _OWN:
            return ""
        return "what belongs to a saint's name is a place"
    if rest[0].gap == "-" and rest[0].norm in {"de", "des", "du", "d", "sur", "en", "le", "la", "les", "l", "aux"}:
        return "a place is called after the saint"
    if (sight := _place_after_list(words, after)) is not None:
        return f"{sight.text} follows the names"
    if _joined(rest[0]) and rest[0].norm in _PLACE_LINKS:
        return f"{rest[0].text} follows the name: a church or place"
    if _joined(rest[0]) and rest[0].norm in _PLACE_WORDS:
        return f"{rest[0].text} follows the name"
    if rest[0].gap.strip() in {",", "("} and rest[0].norm in _REGIONS | _PLACE_WORDS:
        return f"{rest[0].text} follows the name"
    return ""


def _place_after_list(words: Sequence[Word], after: int) -> Word | None:
    """Return "Church" of "St Peter and St Paul's Church", seen from Peter."""
    if words[after].norm not in _AND:
        return None
    for word in words[after + 1 : after + 9]:
        if not _joined(word):
            return None
        if word.norm in _PLACE_WORDS:
            return word
    return None


def _joined(word: Word) -> bool:
    return not word.gap.strip(" '’-")


def _place_before(words: Sequence[Word], first: int) -> str:
    place = first - 1
    gap = words[first].gap
    while place >= 0 and place >= first - 4 and words[place].norm in _LINKS and not gap.strip(" '’?"):
        gap = words[place].gap
        place -= 1
    if place < 0 or gap.strip(" '’?-"):
        return ""
    return f"{words[place].text} goes before the name" if words[place].norm in _PLACE_BEFORE else ""


def _person(words: Sequence[Word], first: int, after: int, saint_word: str) -> str:
    before = words[first - 1] if first > 0 and not words[first].gap.strip(" .") else None
    if before is not None and before.norm in _PEOPLE_BEFORE:
        return f"{before.text} goes before the name: a person"
    following = words[after] if after < len(words) and words[after].gap == " " else None
    if following is None or not following.capital:
        return ""
    if following.norm in _PEOPLE_AFTER:
        return f"{following.text} follows the name: a person"
    if not saint_word and after - first == 1 and following.norm not in _LINKS | _OWN:
        return f"{following.text} follows the name: a person"
    return ""


def _hyphen(words: Sequence[Word], first: int, after: int, saint_word: str) -> str:
    """An English text that writes St-Martin means a French place: the saint would be Saint Martin."""
    if not saint_word or first + 1 >= after or words[first + 1].gap != "-":
        return ""
    return "a French place in an English text" if {word.norm for word in words} & (_ENGLISH | _SIGHTS) else ""


def _foreign(words: Sequence[Word], saint_word: str) -> str:
    """An English title that says "San" names a church or a place: the saint would be "Saint"."""
    if saint_word not in _ROMANCE_SAINTS or any(word.norm in _NOT_IN_ENGLISH for word in words):
        return ""
    english = {word.norm for word in words} & (_ENGLISH | _SIGHTS)
    return "a church or place by its own name in an English text" if english else ""


def _of_something_else(words: Sequence[Word], first: int, after: int) -> str:
    """A scene in one word that is somebody else's: the resurrection of Lazarus, the annunciation to the shepherds."""
    rest = words[after : after + 5]
    if after - first != 1 or not rest:
        return ""
    if words[first].norm in _EVENTS and rest[0].gap.startswith(":"):
        return "the name of a series"
    if not _joined(rest[0]):
        return ""
    if words[first].norm == "madonna" and rest[0].norm in _MADONNA_OF and {word.norm for word in words} & _ENGLISH:
        return "a church by its own name in an English text"
    if rest[0].norm not in _OF or words[first].norm not in _EVENTS:
        return ""
    whose = {word.norm for word in rest[1:]}
    return "" if whose & _HOLY else f"{rest[0].text} somebody else"
