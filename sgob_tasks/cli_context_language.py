"""``sgob context train-lm`` and ``sgob context rank``: the language model, by hand."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_TRAIN = """\
Train the language model on records: a CSV `id,title,artist,year_from,year_to,classification,subjects` with paths of
subjects separated by `|`, or a CSV or JSON Lines file with title and labels (and description, captions, year_from,
year_to). Files may be compressed (.gz). The model says how probable a depicted thing is, given title, other things and
date, and which relations between things the texts tell."""

_RANK = """\
Rank candidate labels of pictures. A line of the input is a case {"id", "title", "year_from", "year_to",
"labels": [...], "candidates": [...]}, a line of the output {"id", "ranking": [{"label", "log_prob"}]}, best first."""


def add_language_actions(actions: Any) -> None:
    """Add the actions to those of ``sgob context``."""
    train = _action(actions, "train-lm", "train the language model on records", _TRAIN)
    train.add_argument("--data", type=Path, required=True, metavar="FILE", help="records (.csv, .jsonl, also .gz)")
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="the model; an earlier one is replaced")
    train.add_argument("--seed", type=_natural, default=7, metavar="S", help="same records and seed, same model")
    train.set_defaults(handler=_train, render=render_training)
    rank = _action(actions, "rank", "rank candidate labels of pictures by title, date and other labels", _RANK)
    rank.add_argument("--model", type=Path, required=True, metavar="DIR", help="as `train-lm` wrote it")
    rank.add_argument("--in", dest="cases", type=Path, required=True, metavar="FILE.jsonl", help="cases")
    rank.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl", help="rankings, in the cases' order")
    rank.add_argument("--scorer", metavar="MODULE:FACTORY", help="another model to combine with, such as a transformer")
    rank.add_argument("--scorer-files", type=Path, metavar="DIR", help="its local files")
    rank.add_argument("--scorer-weight", type=_weight, default=0.5, metavar="W", help="of its scores (default: 0.5)")
    rank.set_defaults(handler=_rank)


def _action(actions: Any, name: str, help_: str, about: str) -> Any:
    sub = actions.add_parser(name, help=help_, description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub.add_argument("--json", action="store_true", help="print the result as JSON")
    return sub


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("has to be a whole number, 0 or more")
    return int(text)


def _weight(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("has to be a number, 0 or more")
    return value


def _train(parsed: argparse.Namespace) -> Any:
    from dataclasses import asdict

    from sgob_tasks.context.language.training import train_language_model

    return {"model": str(parsed.out), **asdict(train_language_model(parsed.data, parsed.out, seed=parsed.seed))}


def _rank(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.context.language.ranking import Plugin, rank_file

    plugin = Plugin(parsed.scorer, parsed.scorer_files, parsed.scorer_weight) if parsed.scorer else None
    return rank_file(parsed.model, parsed.cases, parsed.out, plugin)


def render_training(result: dict[str, Any]) -> str:
    """Return what a training gave, as text."""
    data, scores = result["data"], result["scores"]
    return "\n".join(
        [
            f"{result['model']}: version {result['version']}",
            f"{data['with_labels']} of {data['records']} records with labels, {data['labels']} labels; "
            f"{data['relations']} relations told in texts",
            f"validation ({scores['trials']} questions of ten candidates): top-1 {scores['top1']:.3f} "
            f"({scores['top1_low']:.3f}-{scores['top1_high']:.3f}), mean reciprocal rank {scores['mrr']:.3f}",
        ]
    )
