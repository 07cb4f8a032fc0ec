"""Reads relations in texts: "A crowned woman on horseback, holding a sword" tells three.

A sentence is cut at its mentions of classes. The cue next before the second of two neighbouring mentions says what the
first does with it; where the roles forbid that to the first ("a man on a chair holding a book") but not to what it was
the object of, it is that one's. This is shallow on purpose: no parser is needed, in any language, and rare misreadings
drown in the counts.
"""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sgob_tasks.context.iconography.words import LONGEST_TEXT, Word, split_words
from sgob_tasks.context.language.lexicon import AND, BY, ENGLISH, MAY, NONE, SAYS, Cue, Lexicon, Phrase
from sgob_tasks.context.scene_graph.roles import Role, can, role_of
from sgob_tasks.context.scene_graph.things import FUNCTIONAL
from sgob_tasks.detection.classes import ClassTable

MOST_BETWEEN = 6
"""Words between two mentions that belong together, at most."""
ATTRIBUTE_WORDS = 2
"""Words before a mention among which its attribute may stand: "a crowned, seated woman"."""

_BLOCK = re.compile(r"<\s*/?\s*(?:p|br|li|ul|div|td|tr|h\d)\b[^<>]{0,200}>", re.IGNORECASE)
_END = re.compile(r"[.;!:()\[\]|\n–—]|\?\s")
"""What ends a sentence, or a part of it; museums set a question mark before a word that they are not sure of."""


@dataclass(frozen=True)
class Told:
    """A relation that a text tells.

    Attributes:
        subject, object: classes.
        predicate: one of ``things.PREDICATES``.
        sure: whether the words say so; else the roles of the classes have decided what they mean.
    """

    subject: str
    predicate: str
    object: str
    sure: bool


@dataclass(frozen=True)
class _Mention:
    start: int
    end: int
    classes: Mapping[str, str]  # by language


class Reader:
    """Reads texts with the words of a lexicon."""

    def __init__(self, lexicon: Lexicon, table: ClassTable) -> None:
        """Take the words, and the table that the roles of the classes come from."""
        self._lexicon = lexicon
        self._roles: dict[str, Role] = {name: role_of(name, table) for name in table}

    def read(self, text: str | None) -> list[Told]:
        """Return the relations that a text tells, in its order; none of an empty one or in other languages."""
        plain = _BLOCK.sub("\n", html.unescape((text or "")[:LONGEST_TEXT]))
        return [told for sentence in _sentences(split_words(plain)) for told in self._sentence(sentence)]

    def _sentence(self, words: Sequence[str]) -> Iterator[Told]:
        mentions = self._mentions(words)
        last: Told | None = None
        for place, mention in enumerate(mentions):
            yield from self._attributes(words, mentions[place - 1].end if place else 0, mention)
            if place:
                first = mentions[place - 1]
                last = self._between(words[first.end : mention.start], first, mention, last)
                if last is not None:
                    yield last

    def _mentions(self, words: Sequence[str]) -> list[_Mention]:
        found: list[_Mention] = []
        place = 0
        while place < len(words):
            known = self._lexicon.beginnings.get(words[place], ())
            phrase = next((one for one in known if tuple(words[place : place + len(one)]) == one), None)
            if phrase is not None:
                classes = {key: name for key, name in self._lexicon.mentions[phrase].items() if name}
                found += [_Mention(place, place + len(phrase), classes)] if classes else []
            place += len(phrase or (0,))
        return found

    def _attributes(self, words: Sequence[str], since: int, mention: _Mention) -> Iterator[Told]:
        """Yield what words just before a mention, or the mention itself, say of it."""
        for word in words[max(since, mention.start - ATTRIBUTE_WORDS) : mention.end]:
            for language, cue in self._lexicon.attributes.get((word,), {}).items():
                subject = mention.classes.get(language)
                if subject is not None and cue.object in self._roles:
                    yield Told(subject, cue.predicates[0], cue.object, sure=True)
                    break

    def _between(self, words: Sequence[str], first: _Mention, second: _Mention, last: Told | None) -> Told | None:
        """Return what the words between two mentions say, the last relation being that of the first mention."""
        if not 0 < len(words) <= MOST_BETWEEN:
            return None
        shared = first.classes.keys() & second.classes.keys()
        for language in sorted(shared, key=lambda code: (code != ENGLISH, code)):
            cue = self._last_cue(words, language)
            if cue is not None:
                return self._said(cue, first.classes[language], second.classes[language], last)
        return None

    def _last_cue(self, words: Sequence[str], language: str) -> Cue | None:
        """Return the cue that ends nearest to the second mention, the longest of those."""
        for end in range(len(words), 0, -1):
            for length in range(min(self._lexicon.longest_cue, end), 0, -1):
                phrase: Phrase = tuple(words[end - length : end])
                cue = self._lexicon.cues.get(phrase, {}).get(language)
                if cue is not None:
                    return cue
        return None

    def _said(self, cue: Cue, first: str, second: str, last: Told | None) -> Told | None:
        if cue.reading == NONE:
            return None
        if cue.reading == BY:
            return Told(second, self._allowed(cue, second, first) or cue.predicates[0], first, sure=True)
        if last is not None and last.object != first:
            last = None
        goes_on = cue.reading == AND and last is not None and last.predicate in FUNCTIONAL
        if goes_on and last is not None and self._can(last.predicate, last.subject, second):
            return Told(last.subject, last.predicate, second, last.sure)
        doing = self._allowed(cue, first, second)
        if doing in FUNCTIONAL:
            return Told(first, doing, second, cue.reading == SAYS)
        theirs = self._allowed(cue, last.subject, second) if last is not None else None
        if last is not None and theirs in FUNCTIONAL:
            return Told(last.subject, theirs, second, cue.reading == SAYS)
        if cue.reading == MAY:
            return None if doing is None else Told(first, doing, second, sure=False)
        return Told(first, cue.predicates[0], second, cue.reading == SAYS)

    def _allowed(self, cue: Cue, subject: str, object_: str) -> str | None:
        return next((predicate for predicate in cue.predicates if self._can(predicate, subject, object_)), None)

    def _can(self, predicate: str, subject: str, object_: str) -> bool:
        return can(predicate, self._roles[subject], self._roles[object_])


def _sentences(words: Sequence[Word]) -> Iterator[list[str]]:
    starts = [0, *(place for place, word in enumerate(words) if place and _END.search(word.gap)), len(words)]
    for start, end in itertools.pairwise(starts):
        yield [word.norm for word in words[start:end]]
