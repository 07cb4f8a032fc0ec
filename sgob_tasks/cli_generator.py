"""``sgob captions train-generator``, ``generate`` and ``score``."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Any

from sgob_tasks.captions.generator.options import DESCRIBE


def add_generator(verbs: Any) -> None:
    """Add the verbs to the group ``captions``.

    Args:
        verbs: the group's subparsers.
    """
    text = "train a caption generator on this machine"
    train = verbs.add_parser("train-generator", help=text, description=text[0].upper() + text[1:] + ".")
    train.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="train/ and val/, each with regions/*.jsonl and captions.json",
    )
    train.add_argument("--out", type=Path, required=True, metavar="DIR", help="job folder; started again, it goes on")
    train.add_argument("--budget", type=float, metavar="S", help="seconds (default: as many as 20 passes take)")
    train.add_argument("--ranks", type=_natural, default=1, metavar="N", help="processes (default: 1)")
    train.add_argument("--features", action="store_true", help="also read the regions' features (regions/*.npz)")
    train.add_argument("--json", action="store_true", help="print the result as JSON")
    train.set_defaults(handler=_train, render=_render_training)

    generate = verbs.add_parser(
        DESCRIBE.name,
        help=DESCRIBE.help,
        description=DESCRIBE.description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    DESCRIBE.add_to(generate)
    generate.set_defaults(handler=_generate)

    text = "score captions against references: BLEU, ROUGE-L and CIDEr-D with bootstrap intervals"
    score = verbs.add_parser("score", help=text, description=text + ".")
    score.add_argument(
        "--truth", type=Path, required=True, metavar="FILE.json", help="references, COCO's caption format"
    )
    score.add_argument(
        "--results",
        type=Path,
        required=True,
        metavar="FILE.json",
        help="[{image_id, caption}]; image_id may be a sha256",
    )
    score.add_argument("--json", action="store_true", help="print the result as JSON")
    score.set_defaults(handler=_score, render=_render_scores)


def _natural(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not positive")
    return value


def _train(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.captions.generator.local import train_here

    return train_here(parsed.data, parsed.out, budget_s=parsed.budget, ranks=parsed.ranks, features=parsed.features)


def _generate(parsed: argparse.Namespace) -> None:
    """Run the program with the same options; its output and its exit code are the command's."""
    from sgob_tasks.cluster_python import cluster_environment, cluster_python

    program = [str(cluster_python()), "-m", DESCRIBE.module, *DESCRIBE.arguments(parsed)]
    parsed.exit_code = subprocess.run(program, env=cluster_environment(), check=False).returncode


def _score(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.captions.coco_captions import score_files

    return score_files(parsed.truth, parsed.results).to_json()


def _render_scores(result: Any) -> str:
    lines = [f"{result['pictures']} pictures"]
    for name, value in result["scores"].items():
        low, high = result["intervals"][name]
        lines.append(f"{name:<8} {value:.3f}  [{low:.3f}, {high:.3f}]")
    return "\n".join(lines)


def _render_training(result: Any) -> str:
    done = result["training"]
    data = f"{done['captions']} captions of {done['pictures']} pictures"
    lines = [f"{done['steps']} steps on {data} in {done['seconds']:.0f} s: {result['model']}", "held-out:"]
    return "\n".join([*lines, _render_scores(result)])
