"""A decision about a model in Markdown: what the person sees who is asked to approve a promotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CLASSES_SHOWN = 5


def describe(
    model: str, decision: Mapping[str, Any], plan: Mapping[str, Any] | None, usage: Mapping[str, Any] | None
) -> str:
    """Return the text.

    Args:
        model: the candidate's id.
        decision: ``champion``, ``reason`` and ``comparison`` (``ModelComparison.to_json``, or None).
        plan: of its training; None where there was none.
        usage: ``gpu_hours``, ``node_hours`` and ``links`` of its training job; None where it is not known.
    """
    champion, compared = decision.get("champion"), decision.get("comparison")
    lines = [f"**{model}** instead of **{champion or 'no champion'}**: {decision['reason']}.", ""]
    if compared:
        lines += [*_table(str(champion), model, compared), ""]
        lines += _classes(compared)
    lines.append(f"- Training: {_cost(plan, usage)}")
    if champion:
        lines.append(
            "- After a promotion the DAG `reenrich_pictures` brings up to date what earlier champions annotated, "
            "a bounded number of pictures a day. Published annotations stay as they are."
        )
    return "\n".join(lines)


def _table(champion: str, model: str, compared: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| {compared['images']} held-out pictures, {compared['classes']} classes | {champion} | {model} "
        "| difference | 95 % interval |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, side in (("with time context", "after"), ("detector alone", "before")):
        for title, key in (("AP50", "ap50"), ("AP", "ap")):
            figures = compared[side]
            cells = [figures[f"{key}_{column}"] for column in ("champion", "candidate", "difference", "low", "high")]
            if None in cells:
                rows.append(f"| {title}, {name} | - | - | - | - |")
                continue
            one, other, difference, low, high = cells
            rows.append(
                f"| {title}, {name} | {one:.3f} | {other:.3f} | {difference:+.3f} | {low:+.3f} to {high:+.3f} |"
            )
    return rows


def _classes(compared: Mapping[str, Any]) -> list[str]:
    changes = [(name, one, other) for name, (one, other) in compared["per_class"].items() if one != other]
    changes.sort(key=lambda entry: entry[1] - entry[2])
    better = [entry for entry in changes if entry[2] > entry[1]][:CLASSES_SHOWN]
    worse = [entry for entry in reversed(changes) if entry[2] < entry[1]][:CLASSES_SHOWN]
    lines = []
    for title, entries in (("Better at", better), ("Worse at", worse)):
        if entries:
            shown = ", ".join(f"{name} {one:.2f} → {other:.2f}" for name, one, other in entries)
            lines.append(f"- {title} (AP50): {shown}")
    for title, key in (("It does not know any more", "lost_classes"), ("New, not in the figures", "new_classes")):
        names: Sequence[str] = compared[key]
        if names:
            more = f" and {len(names) - 2 * CLASSES_SHOWN} more" if len(names) > 2 * CLASSES_SHOWN else ""
            lines.append(f"- {title}: {', '.join(names[: 2 * CLASSES_SHOWN])}{more}")
    return lines


def _cost(plan: Mapping[str, Any] | None, usage: Mapping[str, Any] | None) -> str:
    if usage and usage.get("gpu_hours") is not None:
        jobs = "1 job" if usage["links"] == 1 else f"{usage['links']} jobs"
        used = f"{usage['gpu_hours']:.3g} GPU-hours, {usage['node_hours'] or 0:.3g} node-hours in {jobs}"
    else:
        used = "GPU-hours not known yet"
    if not plan:
        return used
    low, high = (f"{plan[name]:.2g}" for name in ("hours_low", "hours_high"))
    hours = low if low == high else f"{low} to {high}"
    return f"{used}; planned {hours} h on {plan['nodes']} node{'' if plan['nodes'] == 1 else 's'}"
