"""Says in a sentence why a picture may show a subject."""

from __future__ import annotations

from collections.abc import Sequence

from sgob_tasks.context.iconography.weigh import Clue

CLUES_TOLD = 5
LOUD = 0.5
"""A missing element is told where it speaks against the subject at least this loudly (log-odds)."""


def reason_of(label: str, notation: str, clues: Sequence[Clue]) -> str:
    """Return the reason, such as ``a person rides a horse; a dragon is there: Saint George fighting the dragon ...``.

    Args:
        label: of the subject.
        notation: of the subject.
        clues: the loudest first.
    """
    relations = [clue for clue in clues if clue.kind == "relation" and clue.found and clue.log_odds > 0]
    told = " ".join(clue.what for clue in relations)
    parts = [_sentence(clue.what) for clue in relations]
    alone = [
        clue.what for clue in clues
        if clue.kind == "element" and clue.found and clue.log_odds > 0 and clue.what not in told
    ]  # fmt: skip
    alone = list(dict.fromkeys(alone))[: max(CLUES_TOLD - len(parts), 1)]
    if alone:
        parts.append(f"{_list(alone)} {'is' if len(alone) == 1 else 'are'} there")
    missing = [clue.what for clue in clues if clue.kind == "element" and not clue.found and clue.log_odds <= -LOUD]
    if missing:
        parts.append(f"no {' and no '.join(missing[:2])} was found")
    against = [clue.what for clue in clues if clue.kind == "element" and clue.found and clue.log_odds <= -LOUD]
    if against:
        parts.append(f"{_list(against[:2])} {'speaks' if len(against[:2]) == 1 else 'speak'} against it")
    names = [
        f"the {clue.kind} names {'it' if clue.kind == 'title' else 'it too'} (“{clue.what}”)"
        for clue in clues
        if clue.kind in {"title", "description"} and clue.found
    ]
    seen = "; ".join(parts) or "nothing seen speaks for or against it"
    return "; ".join([f"{seen}: {label} ({notation})", *names])


def article(noun: str) -> str:
    """Return a noun with its article."""
    if noun in {"hands", "god the father", "scissors", "judith", "pegasus", "flames", "stones", "chains", "nails"}:
        return noun
    return f"{'an' if noun[:1] in 'aeio' else 'a'} {noun}"


def _list(nouns: Sequence[str]) -> str:
    named = [article(noun) for noun in nouns]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"


def _sentence(relation: str) -> str:
    """Put articles into ``person rides horse``."""
    for verb in (
        " rides ",
        " holds ",
        " wears ",
        " carries ",
        " sits on ",
        " stands on ",
        " is above ",
        " is next to ",
    ):
        subject, found, object_ = relation.partition(verb)
        if found:
            first = subject if subject == "somebody" else article(subject)
            return f"{first}{verb}{article(object_)}"
    return relation
