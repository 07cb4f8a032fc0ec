"""The rule of promotion: what follows from a comparison of a new model with the champion. Pure; nothing is read here.

A champion is replaced by itself only by a model that is better beyond doubt, on the same held-out pictures: its AP50
after the time context is higher by the margin or more, and the lower end of the 95 % interval of the difference is
above zero. A change of champion costs a backfill and changes proposals that people may be looking at, so a gain nobody
would see is not worth it; with few held-out pictures a large difference may be chance, which is what the interval says.
Everything else is for a person.
"""

from __future__ import annotations

from dataclasses import dataclass

from sgob_tasks.errors import InputError
from sgob_tasks.registry.comparison import ModelComparison

POLICIES = ("auto", "ask", "always", "never")

PROMOTE, ASK, KEEP = "promote", "ask", "keep"


@dataclass(frozen=True)
class Verdict:
    """What is to be done with a candidate.

    Attributes:
        action: ``promote`` it, ``ask`` a person, or ``keep`` it as a candidate.
        reason: why, in a sentence.
    """

    action: str
    reason: str


def check_policy(policy: str) -> None:
    """Refuse a policy that there is not.

    Raises:
        InputError: it is none of ``POLICIES``.
    """
    if policy not in POLICIES:
        raise InputError("promotion", "promote", policy, f"has to be one of {', '.join(POLICIES)}")


def decide(
    policy: str,
    champion: str | None,
    compared: ModelComparison | None,
    *,
    problem: str = "",
    margin: float = 0.01,
    ask: bool = True,
) -> Verdict:
    """Say what follows for a candidate.

    Args:
        policy: ``auto``: by the rule above, where there is no champion yet at once; ``ask``: a person in any case;
            ``always``; ``never``.
        champion: the one there is, None where there is none.
        compared: with it, on the same held-out pictures; None where that was not possible.
        problem: why it was not.
        margin: least difference of AP50, from 0 to 1.
        ask: whether a person is asked where ``auto`` does not promote; else it stays a candidate.

    Raises:
        InputError: there is no such policy.
    """
    check_policy(policy)
    if policy == "always":
        return Verdict(PROMOTE, "asked to promote it in any case")
    if policy == "never":
        return Verdict(KEEP, "asked to leave it a candidate")
    if champion is None:
        if policy == "ask":
            return Verdict(ASK, "there is no champion yet; a person was to be asked")
        return Verdict(PROMOTE, "there is no champion yet")
    better, reason = _judge(champion, compared, problem, margin)
    if policy == "ask":
        return Verdict(ASK, f"{reason}; a person was to be asked")
    if better:
        return Verdict(PROMOTE, reason)
    return Verdict(ASK if ask else KEEP, reason)


def _judge(champion: str, compared: ModelComparison | None, problem: str, margin: float) -> tuple[bool, str]:
    """Return whether it is better beyond doubt, and the sentence that says so."""
    if compared is None:
        return False, f"it could not be compared with {champion}: {problem or 'no reason was given'}"
    figures = compared.after
    if figures.ap50_difference is None or figures.ap50_low is None or figures.ap50_high is None:
        return False, f"it could not be compared with {champion}: they share no class with held-out instances"
    points = 100 * figures.ap50_difference
    said = (
        f"AP50 {points:+.1f} points against {champion} "
        f"(95 % interval {100 * figures.ap50_low:+.1f} to {100 * figures.ap50_high:+.1f}, "
        f"{compared.images} held-out pictures)"
    )
    if compared.lost_classes:
        return False, f"{said}, but it does not know {_names(compared.lost_classes)}, which {champion} finds"
    if figures.ap50_low <= 0:
        return False, f"{said}: the difference may be chance"
    if figures.ap50_difference < margin:
        return False, f"{said}: less than the margin of {100 * margin:.1f} points"
    return True, f"{said}: better beyond the margin of {100 * margin:.1f} points"


def _names(names: tuple[str, ...], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
