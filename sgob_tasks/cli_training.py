"""``sgob training-curves`` and ``sgob batch-size-study``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_training(verbs: Any) -> None:
    """Add the verbs to the command line."""
    text = "draw losses, average precision and learning rate of a training, also of one that is running"
    curves = verbs.add_parser("training-curves", help=text, description=text[0].upper() + text[1:] + ".")
    curves.add_argument("folder", type=Path, metavar="DIR", help="job folder, or its results/ with metrics.jsonl")
    curves.add_argument("--out", type=Path, metavar="FILE.png", help="default: training.png beside metrics.jsonl")
    curves.add_argument("--json", action="store_true", help="print the result as JSON")
    curves.set_defaults(handler=_curves)

    text = "train with several batch sizes for the same time, measure the noise of gradients, and recommend one"
    study = verbs.add_parser("batch-size-study", help=text, description=text[0].upper() + text[1:] + ".")
    study.add_argument("--dataset", type=Path, required=True, metavar="DIR", help="as `sgob dataset prepare` writes it")
    study.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the study; it can be resumed")
    study.add_argument(
        "--sizes", type=_sizes, default=(16, 64, 256), metavar="N,N,...", help="global batch sizes (default: 16,64,256)"
    )
    study.add_argument("--preset", choices=["tiny", "resnet50", "resnet101"], default="tiny")
    study.add_argument("--budget", type=float, default=600.0, metavar="S", help="seconds a training (default: 600)")
    study.add_argument("--ranks", type=_natural, default=1, metavar="N", help="processes a training (default: 1)")
    study.add_argument("--evaluations", type=_natural, default=4, metavar="N", help="a training (default: 4)")
    study.add_argument(
        "--pictures",
        type=_natural,
        default=1024,
        metavar="N",
        help="for the gradients at each evaluation (default: 1024)",
    )
    study.add_argument("--json", action="store_true", help="print the result as JSON")
    study.set_defaults(handler=_study, render=_render)


def _natural(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(_natural(part) for part in text.split(","))


def _curves(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.report.training_curves import draw_training_curves

    results = parsed.folder if (parsed.folder / "metrics.jsonl").exists() else parsed.folder / "results"
    return {"picture": str(draw_training_curves(results, parsed.out or results / "training.png"))}


def _study(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.steps.study import batch_size_study

    return batch_size_study(
        parsed.dataset,
        parsed.out,
        parsed.sizes,
        preset=parsed.preset,
        budget_s=parsed.budget,
        ranks=parsed.ranks,
        evaluations=parsed.evaluations,
        pictures=parsed.pictures,
    )


def _render(study: Any) -> str:
    lines = ["batch  steps  epochs  pictures/s  AP50"]
    for training in study["trainings"]:
        score = "none" if training["ap50"] is None else f"{training['ap50']:.3f}"
        lines.append(
            f"{training['batch_size']:>5}  {training['steps']:>5}  {training['epochs']:>6.1f}"
            f"  {training['pictures_per_s']:>10.1f}  {score}"
        )
    return "\n".join([*lines, study["recommendation"]["text"], study["picture"]])
