"""Measure a detector's results against the truth: figures, charts, a page of mistakes, a comparison of two models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sgob_tasks.context.dates import parse_date
from sgob_tasks.detection.evaluation import figures
from sgob_tasks.detection.evaluation.bootstrap import compare_matchings, matching_interval
from sgob_tasks.detection.evaluation.groups import group, read_works, with_works
from sgob_tasks.detection.evaluation.matching import Matching, match
from sgob_tasks.detection.evaluation.metrics import metrics
from sgob_tasks.detection.evaluation.mistakes import Mistakes, find_mistakes
from sgob_tasks.detection.evaluation.operating_point import OperatingPoint, operating_point
from sgob_tasks.detection.evaluation.results import Result, read_results
from sgob_tasks.detection.evaluation.truth import Truth, read_truth
from sgob_tasks.detection.files import write_json
from sgob_tasks.errors import InputError
from sgob_tasks.progress import track
from sgob_tasks.report.render_evaluation import EvaluationView, write_evaluation

RESAMPLES = 1000


def evaluate(
    truth: Path,
    results: Path,
    *,
    iou_type: str = "both",
    out: Path | None = None,
    images: Path | None = None,
    works: Path | None = None,
    against: Path | None = None,
    resamples: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Evaluate results against a COCO data set.

    Args:
        truth: the data set.
        results: a COCO results list, or the platform's result lines (``.jsonl``).
        iou_type: ``bbox``, ``segm``, or ``both``: masks too where truth and results have them.
        out: folder for ``metrics.json``, charts and ``index.html``; it is made.
        images: folder that the data set's ``file_name`` is relative to; the page then shows the mistakes.
        works: a table (CSV) with a column ``file``, for centuries and styles.
        against: results of another model; the difference (that model minus this one) gets an interval.
        resamples: number of draws for the intervals; None for 1000 with ``against``, and for none without.
        seed: of the draws.

    Returns:
        All figures as JSON values.

    Raises:
        InputError: a file or a field does not fit.
    """
    if images is not None and not images.is_dir():
        raise InputError("evaluate", "images", str(images), "is no folder")
    if out is not None:
        _make(out)
    known = read_truth(truth)
    groups = group(known if works is None else with_works(known, read_works(works), works), _read_date)
    masks = {"bbox": False, "segm": True}.get(iou_type)
    found = read_results(results, known, masks=masks)
    other = read_results(against, known, masks=masks) if against else None
    kinds, note = _kinds(iou_type, known, [(results, found), *([(against, other)] if against and other else [])])
    matchings = {kind: match(known, found, kind) for kind in kinds}
    main = matchings[kinds[0]]
    mistakes = {kind: find_mistakes(matching) for kind, matching in matchings.items()}
    point = operating_point(main)
    summary: dict[str, Any] = {
        "truth": str(truth),
        "results": str(results),
        "images": len(main.images),
        "instances": main.instances,
        "detections": len(main.results),
        **{kind: metrics(matching, groups) | _mistakes(mistakes[kind]) for kind, matching in matchings.items()},
        "threshold": point.to_json()["threshold"],
    }
    if note:
        summary["note"] = note
    sure: dict[str, Any] = {"resamples": resamples or RESAMPLES, "seed": seed, "progress": track}
    if other is not None:
        summary["against"] = str(against)
        summary["comparison"] = {
            kind: compare_matchings(first, match(known, other, kind, sizes=False), **sure).to_json()
            for kind, first in matchings.items()
        }
    elif resamples is not None:
        summary["interval"] = {
            kind: matching_interval(matching, **sure).to_json() for kind, matching in matchings.items()
        }
    if out is not None:
        summary |= _write(out, summary, matchings, mistakes, point, images)
    return summary


def _make(folder: Path) -> None:
    """Make the folder before anything is measured, so that a wrong one does not cost the work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("evaluate", "out", str(folder), error.strerror or str(error)) from error


def _read_date(text: str) -> tuple[int | None, int | None] | None:
    dates = parse_date(text)
    return None if dates is None else (dates.year_from, dates.year_to)


def _kinds(
    iou_type: str, truth: Truth, all_results: Sequence[tuple[Path, list[Result]]]
) -> tuple[tuple[str, ...], str | None]:
    """Return what to evaluate, and why masks are not where they could have been expected."""
    if iou_type in {"bbox", "segm"}:
        return (iou_type,), None
    if iou_type != "both":
        raise InputError("evaluate", "iou_type", iou_type, "must be bbox, segm or both")
    for source, results in all_results:
        bare = sum("segmentation" not in entry for entry in results)
        if bare == len(results):
            return ("bbox",), None
        if bare:
            return ("bbox",), f"Masks were not evaluated: {bare} of {len(results)} results of {source} have none."
    if truth.without_mask:
        count = len(truth.annotations)
        return ("bbox",), f"Masks were not evaluated: {truth.without_mask} of {count} instances of the truth have none."
    return ("bbox", "segm"), None


def _mistakes(mistakes: Mistakes) -> dict[str, Any]:
    return {
        "mistakes": {
            kind: {"count": len(found), "AP50_lost": mistakes.costs[kind]} for kind, found in mistakes.found.items()
        }
    }


def _write(
    out: Path,
    summary: dict[str, Any],
    matchings: Mapping[str, Matching],
    mistakes: Mapping[str, Mistakes],
    point: OperatingPoint,
    images: Path | None,
) -> dict[str, Any]:
    """Write charts, figures and page; return what was written."""
    main = next(iter(matchings.values()))
    charts = _charts(out, summary, matchings, point)
    write_json(out / "metrics.json", summary | {"confusion": point.to_json()})
    view = EvaluationView(
        results=_short(summary["results"], summary.get("against")),
        truth=Path(summary["truth"]).name,
        figures={kind: summary[kind] for kind in matchings},
        mistakes=mistakes,
        matching=main,
        point=point,
        charts=charts,
        against=_short(summary["against"], summary["results"]) if "against" in summary else None,
        comparisons=summary.get("comparison", {}),
        intervals=summary.get("interval", {}),
        notes=[summary["note"]] if "note" in summary else [],
    )
    page, hidden = write_evaluation(view, out, images)
    return {"page": str(page), "charts": [str(out / name) for name, _ in charts], "pictures_not_shown": hidden}


def _short(path: str, other: str | None) -> str:
    """Return a file's name, with its folder where another file has the same name."""
    name = Path(path).name
    return f"{Path(path).parent.name}/{name}" if other and Path(other).name == name else name


def _charts(
    out: Path, summary: Mapping[str, Any], matchings: Mapping[str, Matching], point: OperatingPoint
) -> list[tuple[str, str]]:
    main = next(iter(matchings))
    jobs: list[tuple[str, str, Callable[[Path], Path | None]]] = [
        (
            f"precision-recall-{kind}.png",
            f"Precision against recall, {'boxes' if kind == 'bbox' else 'masks'}",
            lambda path, matching=matching: figures.precision_recall(matching, path),  # type: ignore[misc]
        )
        for kind, matching in matchings.items()
    ]
    jobs += [
        ("classes.png", "Average precision by class", lambda path: figures.class_bars(summary[main]["by_class"], path)),
        (
            "centuries.png",
            "Average precision by century",
            lambda path: figures.century_bars(summary[main]["by_century"], path),
        ),
        (
            "confusion.png",
            "Confusion matrix: what is there in rows, what was found in columns",
            lambda path: figures.confusion_matrix(point, path),
        ),
    ]
    drawn = []
    for name, text, draw in track(jobs, "Drawing charts"):
        if draw(out / name) is not None:
            drawn.append((name, text))
        else:
            (out / name).unlink(missing_ok=True)  # of an earlier evaluation into the same folder
    return drawn
