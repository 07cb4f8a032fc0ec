"""``sgob context apply``, ``evaluate``, ``fit`` and ``learn-time``: date and words against files."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sgob_tasks import cli_context_text as text

_APPLY = """\
Correct a file of detections (COCO results or JSON lines, with `candidates`: the class scores of each box) by a table of
works (CSV or JSON lines: id, title, description, date as written or year, year_from, year_to; or a COCO data set whose
images carry them). Written are the same detections with label, label_before, score, score_before, reason, evidence."""

_EVALUATE = """\
Measure what each kind of evidence is worth on pictures with known boxes, dates and titles: the detector alone, + time,
+ language model, + both, each with a 95 % interval (bootstrap over pictures, the same draws for every row); on all
pictures and on those that are `anachronistic`. With --records also the ranking test of the language model."""

_FIT = """\
Fit the weights of detector, time priors and language model on pictures with known boxes that neither detector nor
language model was trained on; never on those that are evaluated."""


def _action(
    actions: Any,
    name: str,
    handler: Callable[..., Any],
    help_: str,
    about: str,
    show: Callable[[Any], str] | None = None,
) -> argparse.ArgumentParser:
    """Add one action."""
    sub: argparse.ArgumentParser = actions.add_parser(
        name, help=help_, description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sub.add_argument("--json", action="store_true", help="print the result as JSON")
    sub.set_defaults(handler=handler, parser=sub, **({"render": show} if show else {}))
    return sub


def add_time_actions(actions: Any) -> None:
    """Add the actions to those of ``sgob context``."""
    apply = _action(actions, "apply", _apply, "correct a file of detections", _APPLY)
    apply.add_argument("--in", "--results", dest="results", type=Path, required=True, metavar="FILE", help="detections")
    apply.add_argument("--works", "--truth", dest="works", type=Path, required=True, metavar="FILE", help="the works")
    apply.add_argument("--out", type=Path, required=True, metavar="FILE", help="corrected detections")
    _add_models(apply)
    evaluate = _action(
        actions, "evaluate", _evaluate, "what each kind of evidence is worth", _EVALUATE, text.render_evaluation
    )
    evaluate.add_argument("--truth", type=Path, metavar="FILE", help="COCO data set with titles and dates")
    evaluate.add_argument("--results", type=Path, metavar="FILE", help="the detector's results on it")
    evaluate.add_argument("--records", type=Path, metavar="FILE", help="works with subjects: rank a hidden one")
    evaluate.add_argument("--out", type=Path, metavar="FILE.png", help="draw the table as a picture")
    evaluate.add_argument("--resamples", type=_positive, default=1000, metavar="N", help="draws (default: 1000)")
    evaluate.add_argument("--seed", type=int, default=0, metavar="S", help="of the draws (default: 0)")
    _add_models(evaluate)
    fit = _action(actions, "fit", _fit, "fit the weights of the evidence", _FIT)
    fit.add_argument("--truth", type=Path, required=True, metavar="FILE", help="COCO data set with titles and dates")
    fit.add_argument("--results", type=Path, required=True, metavar="FILE", help="the detector's results on it")
    fit.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="the weights")
    fit.add_argument("--version", default="", metavar="NAME", help="name of the weights; default: a hash of them")
    _add_models(fit, weights=False)
    learn = _action(
        actions,
        "learn-time",
        _learn,
        "learn from dated works how common each class is at which time",
        "Learn the time priors: how common each class is in works of each quarter of a century, from records with "
        "labels.",
    )
    learn.add_argument("--data", type=Path, required=True, metavar="FILE", help="records: CSV or JSON lines, also .gz")
    learn.add_argument("--out", type=Path, required=True, metavar="FILE.json", help="the priors")


def _add_models(sub: argparse.ArgumentParser, *, weights: bool = True) -> None:
    sub.add_argument("--language", type=Path, metavar="DIR", help="a language model (see train-lm); default: none")
    sub.add_argument("--priors", type=Path, metavar="FILE", help="time priors (see learn-time); default: none")
    if weights:
        sub.add_argument(
            "--weights", type=Path, metavar="FILE", help="fitted weights (see fit); default: cautious ones"
        )


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return number


def _models(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.context.load_models import load_models

    return load_models(parsed.language, parsed.priors, getattr(parsed, "weights", None))


def _apply(parsed: argparse.Namespace) -> Any:
    from dataclasses import asdict

    from sgob_tasks.context.apply import apply_to_file

    return asdict(apply_to_file(parsed.results, parsed.works, parsed.out, _models(parsed)))


def _evaluate(parsed: argparse.Namespace) -> Any:
    if (parsed.truth is None) != (parsed.results is None):
        parsed.parser.error("--truth and --results belong together")
    if parsed.truth is None and parsed.records is None:
        parsed.parser.error("give --truth and --results, or --records, or all of them")
    if parsed.out and parsed.truth is None:
        parsed.parser.error("--out draws the table of --truth and --results")
    from sgob_tasks.context.evaluation import evaluate_context

    return evaluate_context(
        _models(parsed),
        parsed.truth,
        parsed.results,
        records=parsed.records,
        picture=parsed.out,
        resamples=parsed.resamples,
        seed=parsed.seed,
    )


def _fit(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.context.evaluation import fit_to_file

    return fit_to_file(_models(parsed), parsed.truth, parsed.results, parsed.out, parsed.version)


def _learn(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.context.load_models import learn_to_file

    return learn_to_file(parsed.data, parsed.out)
