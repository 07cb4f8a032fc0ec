"""What ``sgob models`` and ``sgob reenrich`` print for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sgob_tasks.cli_jobs import hours, moment, table

_PARTS = ("champion", "candidate", "difference", "low", "high")


def _score(figure: Mapping[str, Any]) -> str:
    """Write a score with its interval."""
    if figure["value"] is None:
        return "-"
    interval = f" [{figure['interval'][0]:.3f}, {figure['interval'][1]:.3f}]" if figure["interval"] else ""
    return f"{figure['value']:.3f}{interval}"


def _short(text: str | None) -> str:
    """Shorten hashes, keep words."""
    if not text:
        return "-"
    return "unknown" if text.startswith("unknown") else text[:10] + ("-dirty" if text.endswith("-dirty") else "")


def render_list(models: Sequence[dict[str, Any]]) -> str:
    """Return the table of ``sgob models list``."""
    if not models:
        return "no models: run the DAG train_detector, or `sgob train`"
    titles = ("ID", "STATE", "NETWORK", "CLASSES", "AP50 [95 %]", "ALONE", "GPU-H", "DATA", "CODE", "CREATED")
    rows = [
        (
            model["id"], model["state"], model["preset"] or "-", str(model["classes"]), _score(model["after"]["ap50"]),
            _score({**model["before"]["ap50"], "interval": None}), hours((model["usage"] or {}).get("gpu_hours")),
            _short(model["data_sha256"]), _short(model["revision"]), moment(model["created_at"]),
        )
        for model in models
    ]  # fmt: skip
    return table(titles, rows)


def render_model(model: dict[str, Any]) -> str:
    """Return the page of ``sgob models show``."""
    usage, plan, decision = model["usage"], model["plan"], model["decision"]
    facts = {
        "model": model["id"],
        "state": model["state"] + (f", {model['outdated']} pictures to re-enrich" if model["outdated"] else ""),
        "created": moment(model["created_at"]),
        "network": f"{model['preset'] or '-'}, {model['classes']} classes",
        "held out": f"{model['images'] or 0} pictures, 95 % intervals in brackets",
        **{
            name.upper(): f"{_score(model['after'][name])} with time context, {_score(model['before'][name])} alone"
            for name in ("ap50", "ap")
        },
        "used": "not known" if usage is None else f"{hours(usage['gpu_hours'])} GPU-hours, "
        f"{hours(usage['node_hours'])} node-hours in {usage['links']} submission{'' if usage['links'] == 1 else 's'} "
        f"on {usage['cluster']}",
        "planned": "-" if not plan else f"{hours(plan.get('hours_low'))} to {hours(plan.get('hours_high'))} hours on "
        f"{plan.get('nodes')} nodes",
        "weights": f"SHA-256 {model['sha256']}",
        "data": f"SHA-256 {model['data_sha256'] or '-'}",
        "held-out": f"SHA-256 {model['held_out_sha256'] or '-'}",
        "code": model["revision"] or "-",
        "job": model["job_key"] or "-",
        "folder": model["folder"],
        "decision": "-" if not decision else f"{decision['action']}: {decision['reason']}",
    }  # fmt: skip
    width = max(map(len, facts))
    lines = [f"{name.ljust(width)}  {value}" for name, value in facts.items()]
    if not model["changes"]:
        return "\n".join(lines)
    rows = [
        (moment(change["changed_at"]), f"{change['state_before']} -> {change['state_after']}", change["actor"],
         change["reason"])
        for change in model["changes"]
    ]  # fmt: skip
    return "\n".join([*lines, "", table(("WHEN", "CHANGE", "BY", "WHY"), rows)])


def render_comparison(found: dict[str, Any]) -> str:
    """Return the tables of ``sgob models compare``."""
    first, second, compared = found["first"], found["second"], found["comparison"]
    if compared is None:
        own = [(model["id"], model["state"], _score(model["after"]["ap50"])) for model in (first, second)]
        note = f"they cannot be compared on the same pictures: {found['problem']}; each on its own:"
        return f"{note}\n{table(('ID', 'STATE', 'AP50 [95 %]'), own)}"
    rows: list[tuple[str, ...]] = []
    for title, side in (("with time context", "after"), ("detector alone", "before")):
        for name in ("ap50", "ap"):
            figures = [
                compared[side][f"{name}_{part}"] for part in ("champion", "candidate", "difference", "low", "high")
            ]
            if None in figures:
                rows.append((f"{name.upper()}, {title}", "-", "-", "-", "-"))
                continue
            one, other, difference, low, high = figures
            interval = f"{low:+.3f} to {high:+.3f}"
            rows.append((f"{name.upper()}, {title}", f"{one:.3f}", f"{other:.3f}", f"{difference:+.3f}", interval))
    lines = [
        f"{compared['images']} held-out pictures of {second['id']}, {compared['classes']} classes that both know",
        table(("", first["id"], second["id"], "DIFFERENCE", "95 % INTERVAL"), rows),
    ]
    for model, key in ((first, "lost_classes"), (second, "new_classes")):
        if compared[key]:
            lines.append(f"only {model['id']} knows: {', '.join(compared[key])}")
    pairs = sorted(compared["per_class"].items(), key=lambda entry: entry[1][0] - entry[1][1])
    if pairs:
        by_class = [(name, f"{one:.3f}", f"{other:.3f}", f"{other - one:+.3f}") for name, (one, other) in pairs]
        lines += ["", table(("CLASS (AP50)", first["id"], second["id"], "DIFFERENCE"), by_class)]
    return "\n".join(lines)


def render_change(changed: dict[str, Any]) -> str:
    """Say what a promotion or retirement did, and what comes next."""
    model, state = changed["model"], changed["state"]
    if not changed["changed"]:
        return f"{model} is {'the champion' if state == 'champion' else state} already"
    if state == "champion":
        instead = f" instead of {changed['replaced']}" if changed["replaced"] else ""
        left = changed["outdated"]
        later = f"; {left} pictures are left to the DAG reenrich_pictures, or `sgob reenrich`" if left else ""
        return f"{model} is the champion{instead}{later}"
    if changed["champion"]:
        return f"{model} is retired; the champion is {changed['champion']}"
    return f"{model} is retired; there is no champion: nights stop until `sgob models promote ID`"


def render_backfill(result: dict[str, Any]) -> str:
    """Say what `sgob reenrich` did, and what is left."""
    batch = result["batch"]
    if not batch["pictures"]:
        return f"nothing to do: {batch['reason']}" + (f"; {batch['left']} pictures wait" if batch["left"] else "")
    load, tags = result["load"], result["annotations"]
    return (
        f"{batch['model']} looked at {batch['pictures']} pictures "
        f"({load['failed']} failed, {load['missing']} missing); "
        f"annotations: {tags['new']} new, {tags['changed']} changed, {tags['superseded']} superseded; "
        f"{batch['left']} pictures left\n{result['report']['page']}"
    )
