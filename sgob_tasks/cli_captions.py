"""``sgob captions``: which sentences are captions; train, use and examine the classifier that tells."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

_TEXT = """\
Without an action: classify the sentences of the records in the store, as the nightly run does. Actions work on files.
"""
_TRAIN = """\
Train the caption classifier on labelled sentences: a CSV with the columns text and label (caption or other), and, where
it has them, language (ISO 639-1), group (held out whole when validating) and source. The package's own sentences, in
eight languages, are added unless --no-seed says otherwise. The figures are those of cross-validation: each sentence is
judged by a classifier that was trained without it and its group. They also give the calibration and the threshold.
"""
_CLASSIFY = """\
Judge each row of a CSV file as one sentence. All columns are kept; label (caption or other) and score (the calibrated
probability of caption) are added. A column of the input that has one of these names is kept as label_given or
score_given. Files of any size; the output appears when all is done.
"""
_ERRORS = """\
Judge labelled sentences (CSV as for train-classifier) and write a page: confusion, F1 by source, calibration, precision
and recall by threshold, and the most confident errors with the words that drove them; and errors.csv, metrics.json.
"""


def add_captions(verbs: Any, nightly: Callable[[argparse.Namespace], Any]) -> Any:
    """Add ``captions`` to the command line.

    Args:
        verbs: the command line's verbs.
        nightly: what ``sgob captions`` without an action does.

    Returns:
        The actions, for more to be added.
    """
    group = verbs.add_parser(
        "captions",
        help="classify the sentences of the metadata; train and examine the classifier",
        description=_TEXT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    group.add_argument("--json", action="store_true", help="print the result as JSON")
    group.set_defaults(handler=nightly)
    actions = group.add_subparsers(dest="action", metavar="ACTION")

    def action(name: str, handler: Callable[..., Any], show: Callable[[Any], str], help_: str, about: str) -> Any:
        formatter = argparse.RawDescriptionHelpFormatter
        sub = actions.add_parser(name, help=help_, description=about, formatter_class=formatter)
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        sub.set_defaults(handler=handler, render=show)
        return sub

    train = action("train-classifier", _train, render_training, "train the caption classifier", _TRAIN)
    train.add_argument("--data", type=Path, metavar="FILE.csv", help="labelled sentences; default: the package's alone")
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="the model; an earlier one is replaced")
    train.add_argument("--no-seed", action="store_true", help="leave the package's own sentences out (needs --data)")
    train.add_argument("--seed", type=int, default=7, metavar="S", help="of the order of training (default: 7)")
    train.set_defaults(parser=train)
    classify = action("classify", _classify, render_table, "judge the sentences of a CSV file", _CLASSIFY)
    classify.add_argument("--model", type=Path, required=True, metavar="DIR", help="what train-classifier wrote")
    classify.add_argument("--in", dest="source", type=Path, required=True, metavar="FILE.csv", help="column text")
    classify.add_argument("--out", type=Path, required=True, metavar="FILE.csv", help="may be the input itself")
    classify.add_argument("--text-column", default="text", metavar="NAME", help="the column to judge (default: text)")
    errors = action("errors", _errors, render_errors, "a page of where the classifier errs", _ERRORS)
    errors.add_argument("--model", type=Path, required=True, metavar="DIR", help="what train-classifier wrote")
    errors.add_argument("--data", type=Path, required=True, metavar="FILE.csv", help="labelled sentences")
    errors.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the page")
    errors.add_argument("--text-column", default="text", metavar="NAME", help="the column to judge (default: text)")
    return actions


def _train(parsed: argparse.Namespace) -> dict[str, Any]:
    if parsed.no_seed and parsed.data is None:
        parsed.parser.error("--no-seed needs --data: nothing else is left to train on")
    from sgob_tasks.captions.classifier import train_classifier

    info = train_classifier(parsed.data, parsed.out, with_seed=not parsed.no_seed, random_seed=parsed.seed)
    return asdict(info) | {"model": str(parsed.out)}


def _classify(parsed: argparse.Namespace) -> dict[str, Any]:
    from sgob_tasks.captions.classifier import classify_table

    counts = classify_table(parsed.model, parsed.source, parsed.out, text_column=parsed.text_column)
    return asdict(counts) | {"out": str(parsed.out)}


def _errors(parsed: argparse.Namespace) -> dict[str, Any]:
    from sgob_tasks.captions.classifier import evaluate_classifier
    from sgob_tasks.report.render_classifier import write_classifier_page

    evaluation = evaluate_classifier(parsed.model, parsed.data, text_column=parsed.text_column)
    page = write_classifier_page(evaluation, parsed.out)
    return {
        "scores": asdict(evaluation.scores),
        "by_source": {name: asdict(scores) for name, scores in evaluation.by_source.items()},
        "calibration_error": evaluation.calibration_error,
        "errors": len(evaluation.misjudged),
        "page": str(page),
    }


def render_training(result: dict[str, Any]) -> str:
    """Return what a training found, as text."""
    calibration = result["calibration"]
    return "\n".join(
        [
            f"{result['name']}: {result['rows']} sentences in {', '.join(result['languages']) or 'no language'}",
            *_table(result["scores_by_source"]),
            f"calibration error {result['calibration_error']:.3f}; "
            f"caption from a score of {calibration['threshold']:.3f}",
            f"model: {result['model']}",
        ]
    )


def render_table(result: dict[str, Any]) -> str:
    """Return what was classified, as text."""
    renamed = [f"the input's column {old} is kept as {new}" for old, new in result["renamed"].items()]
    return "\n".join([f"{result['rows']} rows, {result['captions']} captions", *renamed, result["out"]])


def render_errors(result: dict[str, Any]) -> str:
    """Return what an evaluation found, as text."""
    return "\n".join(
        [
            *_table({"all": result["scores"]} | result["by_source"]),
            f"calibration error {result['calibration_error']:.3f}; {result['errors']} errors",
            f"page: {result['page']}",
        ]
    )


def _table(scores: dict[str, dict[str, Any]]) -> list[str]:
    head = f"{'':<28}{'sentences':>10}{'macro F1':>10}{'precision':>10}{'recall':>10}"
    return [head] + [
        f"{name if len(name) <= 27 else name[:26] + '…':<28}{one['sentences']:>10}{one['macro_f1']:>10.3f}"
        f"{one['precision']:>10.3f}{one['recall']:>10.3f}"
        for name, one in scores.items()
    ]
