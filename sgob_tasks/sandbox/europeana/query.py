"""The part of the Lucene query language that a harvester needs, compiled to a predicate over an item's fields.

Known forms: ``*:*``, ``FIELD:value``, ``FIELD:"quoted value"``, ``FIELD:(3 OR 4)``, ``FIELD:[from TO to]`` (both ends
included, ``*`` is open), ``FIELD:*``, ``prefix*``, words, ``AND``, ``OR``, ``NOT``, ``-`` and parentheses. Like in the
real service an unknown field or value matches nothing and is no error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

Lookup = Callable[[str], Sequence[str]]
Predicate = Callable[[Lookup], bool]

DEFAULT_FIELD = "text"
TEXT_FIELDS = frozenset({"text", "title", "description", "who", "what", "body_value"})

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<field>[A-Za-z_][\w.]*:(?=\S))
      | (?P<range>\[\s*(?P<low>\S+)\s+TO\s+(?P<high>[^\s\]]+)\s*\])
      | "(?P<quoted>(?:[^"\\]|\\.)*)"
      | (?P<paren>[()])
      | (?P<not>-(?=\S))
      | (?P<word>[^\s()"\[\]]+)
    )""",
    re.VERBOSE,
)


class QueryError(ValueError):
    """The query cannot be parsed."""


def parse_time(text: str) -> datetime | None:
    """Return an ISO time as a datetime in UTC, or None when ``text`` is none."""
    if len(text) < len("2026-01-01") or text[4:5] != "-":
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _comparable(text: str) -> tuple[int, float | datetime | str]:
    moment = parse_time(text)
    if moment is not None:
        return (1, moment)
    try:
        return (0, float(text))
    except ValueError:
        return (2, text)


def _in_range(field: str, low: str, high: str) -> Predicate:
    bottom = None if low == "*" else _comparable(low)
    top = None if high == "*" else _comparable(high)

    def inside(value: str) -> bool:
        key = _comparable(value)
        if bottom is not None and (key[0] != bottom[0] or key < bottom):
            return False
        return top is None or (key[0] == top[0] and key <= top)

    return lambda lookup: any(inside(value) for value in lookup(field))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _contains(text: str, phrase: Sequence[str]) -> bool:
    words = _words(text)
    return any(words[i : i + len(phrase)] == list(phrase) for i in range(len(words) - len(phrase) + 1))


def _equals(field: str, value: str, *, quoted: bool) -> Predicate:
    if not quoted and value == "*":
        return lambda lookup: bool(lookup(field))
    if not quoted and "*" in value:
        pattern = re.compile(".*".join(re.escape(part) for part in value.split("*")), re.IGNORECASE)
        if field in TEXT_FIELDS:
            return lambda lookup: any(pattern.fullmatch(w) for text in lookup(field) for w in _words(text))
        return lambda lookup: any(pattern.fullmatch(text) for text in lookup(field))
    if field in TEXT_FIELDS:
        phrase = _words(value)
        return lambda lookup: any(_contains(text, phrase) for text in lookup(field))
    return lambda lookup: value in lookup(field)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str, re.Match[str]]] = []
        position = 0
        text = text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise QueryError(f"cannot read the query at {text[position : position + 20]!r}")
            kind = next(k for k in ("field", "range", "quoted", "paren", "not", "word") if match[k] is not None)
            self._tokens.append((kind, match[kind], match))
            position = match.end()
        self._at = 0

    def _peek(self) -> tuple[str, str]:
        kind, value, _ = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "", None)
        return kind, value

    def parse(self) -> Predicate:
        predicate = self._or(DEFAULT_FIELD)
        if self._peek()[0] != "end":
            raise QueryError(f"unexpected {self._peek()[1]!r} in the query")
        return predicate

    def _or(self, field: str) -> Predicate:
        parts = [self._and(field)]
        while self._peek() == ("word", "OR"):
            self._at += 1
            parts.append(self._and(field))
        return parts[0] if len(parts) == 1 else lambda lookup: any(part(lookup) for part in parts)

    def _and(self, field: str) -> Predicate:
        parts = [self._not(field)]
        while True:
            kind, value = self._peek()
            if (kind, value) == ("word", "AND"):
                self._at += 1
            elif kind == "end" or (kind, value) in {("paren", ")"), ("word", "OR")}:
                break
            parts.append(self._not(field))
        return parts[0] if len(parts) == 1 else lambda lookup: all(part(lookup) for part in parts)

    def _not(self, field: str) -> Predicate:
        kind, value = self._peek()
        if kind == "not" or (kind, value) == ("word", "NOT"):
            self._at += 1
            inner = self._not(field)
            return lambda lookup: not inner(lookup)
        return self._atom(field)

    def _atom(self, field: str) -> Predicate:
        kind, value = self._peek()
        if kind == "end":
            raise QueryError("the query ends too early")
        match = self._tokens[self._at][2]
        self._at += 1
        if kind == "field":
            return self._atom(value[:-1])
        if kind == "range":
            return _in_range(field, match["low"], match["high"])
        if kind == "quoted":
            return _equals(field, re.sub(r"\\(.)", r"\1", value), quoted=True)
        if kind == "paren":
            if value == ")":
                raise QueryError("unexpected ) in the query")
            inner = self._or(field)
            if self._peek() != ("paren", ")"):
                raise QueryError("a parenthesis of the query is not closed")
            self._at += 1
            return inner
        if value == "*:*":
            return lambda lookup: True
        return _equals(field, value, quoted=False)


def compile_query(text: str) -> Predicate:
    """Return a predicate that says whether an item (its field lookup) matches ``text``.

    Raises:
        QueryError: the text is empty or no query.
    """
    if not text.strip():
        raise QueryError("the query is empty")
    # The real server rewrites https to http in values: rights are stored as http (SearchController).
    return _Parser(text.replace(":https://", ":http://").replace(':"https://', ':"http://')).parse()
