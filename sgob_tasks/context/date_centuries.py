"""Finds the numbers of centuries among the tokens of a date: those that are chained to a word for century."""

from __future__ import annotations

from sgob_tasks.context.date_tokens import DOUBT, LAST_CENTURY, Kind, Token, century


def resolve_centuries(found: list[Token]) -> list[Token]:
    """Turn the numbers of centuries (and millennia) into years: every number that is chained to a word for one."""
    found = [_as_join(found, place) for place in range(len(found))]
    linked = {Kind.JOIN, Kind.PART, Kind.BC, Kind.AD} | DOUBT
    numbers = {Kind.ORDINAL, Kind.NUMBER}
    words: dict[int, int] = {}
    for place, token in enumerate(found):
        after_ordinal = place > 0 and found[place - 1].kind is Kind.ORDINAL
        if token.kind is Kind.CENTURY or (token.text in {"c", "c."} and after_ordinal):
            words[place] = token.first if token.kind is Kind.CENTURY else 100
    centuries: dict[int, int] = {}
    for word, years in words.items():
        for step in (-1, 1):
            place = word + step
            if not (0 <= place < len(found) and found[place].kind in numbers):
                continue
            while 0 <= place < len(found) and (found[place].kind in linked | numbers):
                if found[place].kind in numbers and 1 <= found[place].first <= LAST_CENTURY:
                    centuries[place] = years
                place += step
    if not words and all(token.kind in linked | {Kind.ORDINAL} for token in found):
        # "XVI", "XV-XVI", "18th", "18e (fin)": a date field of nothing else.
        centuries = {
            place: 100
            for place, token in enumerate(found)
            if token.kind is Kind.ORDINAL and token.first > 10 and not token.text.endswith(".")
        }
    resolved = []
    for place, token in enumerate(found):
        if place in centuries:
            resolved.append(Token(Kind.SPAN, token.text, *century(token.first, centuries[place])))
        elif place not in words:
            resolved.append(token)
    return resolved


def _as_join(found: list[Token], place: int) -> Token:
    """Return the token there; the "i" of "XV i XVI" (Catalan, Polish, Croatian) is a word, not a number."""
    token = found[place]
    around = [found[there].kind for there in (place - 1, place + 1) if 0 <= there < len(found)]
    between = len(around) == 2 and all(kind in {Kind.ORDINAL, Kind.SPAN} for kind in around)
    return Token(Kind.JOIN, token.text) if token.text == "i" and between else token
