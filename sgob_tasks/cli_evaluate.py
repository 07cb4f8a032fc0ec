"""``sgob evaluate``: how good detections are, and whether one model is better than another."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_TEXT = """\
Measure a detector's results against a COCO data set: COCO's figures for boxes and masks, by class, by century and by
style (fields year, year_from, year_to, date, century, style, movement or genre of the data set's images, or a table),
kinds of mistakes and what each costs. With --out also charts, metrics.json and a page of the worst mistakes. With
--against the difference of two models with a 95 % interval (paired bootstrap over pictures)."""

_NAMES = {"bbox": "boxes", "segm": "masks"}


def add_evaluate(verbs: Any) -> None:
    """Add ``evaluate`` to the command line."""
    sub = verbs.add_parser(
        "evaluate",
        help="measure a detector's results, or compare those of two models",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.add_argument("--json", action="store_true", help="print the result as JSON")
    sub.add_argument("--truth", type=Path, required=True, metavar="FILE", help="COCO data set (JSON)")
    sub.add_argument(
        "--results", type=Path, required=True, metavar="FILE", help="COCO results (JSON), or result lines (.jsonl)"
    )
    sub.add_argument("--iou-type", choices=["bbox", "segm", "both"], default="both", help="default: masks too if any")
    sub.add_argument("--out", type=Path, metavar="DIR", help="write charts, metrics.json and index.html there")
    sub.add_argument("--images", type=Path, metavar="DIR", help="with --out: show the mistakes in these pictures")
    sub.add_argument("--works", type=Path, metavar="FILE.csv", help="table with a column `file`, and year, style, ...")
    sub.add_argument("--against", type=Path, metavar="FILE", help="results of another model on the same data set")
    sub.add_argument(
        "--resamples", type=_positive, metavar="N", help="draws for intervals (default: 1000 with --against, else none)"
    )
    sub.add_argument("--seed", type=_natural, default=0, metavar="S", help="of the draws (default: 0)")
    sub.set_defaults(handler=_evaluate, render=render, parser=sub)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return value


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("has to be 0 or more")
    return value


def _evaluate(parsed: argparse.Namespace) -> Any:
    if parsed.images and not parsed.out:
        parsed.parser.error("--images needs --out: it is the page that shows them")
    from sgob_tasks.steps.evaluate import evaluate

    names = ("iou_type", "out", "images", "works", "against", "resamples", "seed")
    return evaluate(parsed.truth, parsed.results, **{name: getattr(parsed, name) for name in names})


def render(summary: dict[str, Any]) -> str:
    """Return the figures as text."""
    kinds = [kind for kind in _NAMES if kind in summary]
    counts = f"{summary['images']} pictures, {summary['instances']} instances, {summary['detections']} detections"
    rows = [counts, *([summary["note"]] if "note" in summary else []), ""]
    rows.append(f"{'':<24}" + "".join(f"{_NAMES[kind]:>9}" for kind in kinds))
    coco = [
        name for name, value in summary[kinds[0]].items() if not isinstance(value, dict) and name != "anachronistic"
    ]
    rows += [_row(name, [summary[kind][name] for kind in kinds]) for name in coco if name != "anachronistic"]
    for title, field in (("century", "by_century"), ("style", "by_style"), ("class", "by_class")):
        groups = summary[kinds[0]][field]
        if groups:
            rows += ["", f"AP50 by {title}"]
            rows += [
                _row(name, [summary[kind][field][name]["AP50"] for kind in kinds]) + f"  {_size(one)}"
                for name, one in groups.items()
            ]
    tricky = summary[kinds[0]]["anachronistic"]
    if tricky:
        values = [summary[kind]["anachronistic"]["AP50"] for kind in kinds]
        rows += ["", _row("AP50, anachronistic", values) + f"  {_size(tricky)}"]
    rows += ["", "AP50 lost by kind of mistake"]
    rows += [
        _row(name, [summary[kind]["mistakes"][name]["AP50_lost"] for kind in kinds]) + f"  {one['count']} times"
        for name, one in summary[kinds[0]]["mistakes"].items()
    ]
    if summary["threshold"]:
        best = summary["threshold"]
        rows += [
            "",
            f"best F1 {best['f1']:.3f} at score {best['score']:.3g}: "
            f"precision {best['precision']:.3f}, recall {best['recall']:.3f}",
        ]
    return "\n".join([*rows, *_intervals(summary, kinds), *_files(summary)])


def _row(name: str, values: list[float | None]) -> str:
    name = name if len(name) <= 24 else name[:23] + "…"
    return f"{name:<24}" + "".join(f"{'-' if value is None else f'{value:.3f}':>9}" for value in values)


def _size(group: dict[str, Any]) -> str:
    pictures = f"{group['images']} pictures, " if "images" in group else ""
    return f"{pictures}{group['instances']} instances"


def _intervals(summary: dict[str, Any], kinds: list[str]) -> list[str]:
    rows: list[str] = []
    for kind in kinds:
        for score in ("ap50", "ap"):
            if "comparison" in summary:
                one = summary["comparison"][kind]
                name, middle, sign = f"{score}_difference", f"{summary['against']} minus {summary['results']}", "+"
            elif "interval" in summary:
                one = summary["interval"][kind]
                name, middle, sign = score, "", ""
            else:
                return rows
            if one[name] is None:
                continue
            if not rows:
                rows += ["", f"{100 * one['confidence']:g} % intervals, {one['resamples']} resamples {middle}".rstrip()]
            ends = f"{one[score + '_low']:{sign}.3f} to {one[score + '_high']:{sign}.3f}"
            rows.append(f"{_NAMES[kind]} {score.upper():<5} {one[name]:{sign}.3f}  ({ends})")
    return rows


def _files(summary: dict[str, Any]) -> list[str]:
    if "page" not in summary:
        return []
    hidden = summary["pictures_not_shown"]
    return ["", f"page: {summary['page']}" + (f" ({hidden} pictures could not be shown)" if hidden else "")]
