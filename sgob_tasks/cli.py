"""``sgob``: every step that a DAG runs, by hand; and the sandbox.

Exit codes: 0 done, 1 failed, 2 wrong use.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sgob_tasks import __version__
from sgob_tasks.cli_captions import add_captions
from sgob_tasks.cli_context import add_context
from sgob_tasks.cli_dataset import add_dataset
from sgob_tasks.cli_detect import add_detect
from sgob_tasks.cli_evaluate import add_evaluate
from sgob_tasks.cli_generator import add_generator
from sgob_tasks.cli_jobs import add_jobs
from sgob_tasks.cli_models import POLICIES, add_models, finish_enrichment, finish_training, run_id_by_hand
from sgob_tasks.cli_site import add_site_verbs, run_site_verb
from sgob_tasks.cli_training import add_training
from sgob_tasks.errors import SgobError

Handler = Callable[[argparse.Namespace], Any]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="sgob",
        description="Saint George on a Bike: nightly enrichment of Europe's digitised art.",
        epilog="Settings: environment SGOB_... or $SGOB_HOME/sgob.toml (see sgob_tasks/config.py). "
        "Every step that a DAG runs can be run by hand; running one twice changes nothing.",
    )
    parser.add_argument("--version", action="version", version=f"sgob {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what is done, not only what is wrong")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    def verb(name: str, handler: Handler, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        sub.set_defaults(handler=handler)
        return sub

    sandbox = verb("sandbox", _sandbox, "start, stop or show the platform on this one machine")
    sandbox.add_argument("action", choices=["up", "down", "status"])
    sandbox.add_argument(
        "--collection", type=Path, metavar="DIR", help="pictures and a CSV that Europeana's stand-in serves"
    )
    sandbox.add_argument("--keep-slurm", action="store_true", help="with down: leave Slurm and sshd to other platforms")
    demo = verb("demo", _demo, "start the sandbox and run one night through Airflow")
    demo.add_argument("--collection", type=Path, metavar="DIR", help="a folder with pictures and a CSV")
    demo.add_argument("--budget", type=int, metavar="S", help="training budget in seconds")

    verb("migrate", _step("store.migrate"), "bring the store's tables up to date")
    harvest = verb("harvest", _step("harvest.harvest", "window_from", "window_to"), "harvest new and changed records")
    harvest.add_argument(
        "--from", dest="window_from", metavar="TIME", help="changed since (ISO 8601); default: the last harvest"
    )
    harvest.add_argument("--to", dest="window_to", metavar="TIME", help="changed until; default: now")
    fetch = verb("fetch", _step("harvest.fetch_pictures", "limit"), "fetch the pictures of harvested records")
    fetch.add_argument("--limit", type=int, metavar="N", help="at most this many")
    recheck = verb("recheck", _step("harvest.recheck_records", "limit"), "ask again for records that may have gone")
    recheck.add_argument("--limit", type=int, default=500, metavar="N", help="at most this many (default: 500)")

    train = verb("train", _train, "train a detector on the cluster and register it")
    train.add_argument(
        "--dataset", metavar="DIR", help="what `sgob dataset prepare` wrote, or anything it reads: VOC, COCO, VIA"
    )
    train.add_argument("--preset", choices=["tiny", "resnet50", "resnet101"])
    train.add_argument("--epochs", type=int, metavar="N")
    train.add_argument("--budget", dest="budget_s", type=int, metavar="S", help="training budget in seconds")
    train.add_argument("--nodes", type=int, metavar="K", help="default: as the plan says (see `sgob plan`)")
    train.add_argument(
        "--promote",
        choices=POLICIES,
        default="auto",
        help="make it the champion; auto: where it is better beyond doubt; ask: say how to (see docs/dags.md)",
    )
    plan = verb(
        "plan",
        _step("plan.plan", "images", "batch_size", "nodes", "site", "epochs", "preset"),
        "forecast nodes, GPUs, hours and links of a training, from published figures and own jobs (docs/plan.md)",
    )
    plan.add_argument("--images", type=int, required=True, metavar="N", help="pictures of the data set")
    plan.add_argument(
        "--batch-size", type=int, required=True, metavar="B", help="pictures of one training batch sent to the cluster"
    )
    plan.add_argument(
        "--nodes", type=int, metavar="K", help="forecast for K nodes; default: the fewest that fit the site's limit"
    )
    plan.add_argument("--site", metavar="S", help="a site of hpc_templates/sites; default: the configured one")
    plan.add_argument("--epochs", type=int, default=50, metavar="E", help="passes over the data (default: 50)")
    plan.add_argument(
        "--preset", choices=["tiny", "resnet50", "resnet101"], help="network whose own jobs count; default: configured"
    )
    enrich = verb("enrich", _enrich, "find what new pictures show, correct it and compose annotations")
    enrich.add_argument("--limit", type=int, metavar="N", help="at most this many pictures")
    enrich.add_argument("--shard-size", type=int, metavar="N", help="pictures per task of the array")
    annotate = verb("annotate", _step("enrich.annotate", "run_id"), "compose Web Annotations")
    annotate.add_argument("--run", dest="run_id", default=None, help=argparse.SUPPRESS)
    verb("approve", _step("publish.approve"), "approve all proposed annotations for publication")
    publish = verb("publish", _step("publish.publish", "limit"), "publish approved annotations to Europeana")
    publish.add_argument("--limit", type=int, metavar="N", help="at most this many")
    verb("share", _step("share.share"), "build the data set and put it on the object store")
    report = verb("report", _step("report.write_report", "run_id"), "write the page of a run")
    report.add_argument("--run", dest="run_id", metavar="ID", help="default: the last run")
    deploy = verb(
        "deploy",
        _step("cluster.deploy_environment", "site", "rollback", "show"),
        "build the cluster's Python environment there without internet, try it, and switch to it",
    )
    deploy.add_argument("--site", metavar="NAME", help="the configured site, to be sure; any other is refused")
    only = deploy.add_mutually_exclusive_group()
    only.add_argument("--rollback", action="store_true", help="only go back to the environment before this one")
    only.add_argument("--list", dest="show", action="store_true", help="only list the environments on the cluster")
    add_generator(add_captions(verbs, _step("enrich.classify_captions")))
    add_context(verbs)
    add_dataset(verbs)
    add_detect(verbs)
    add_evaluate(verbs)
    add_jobs(verbs)
    add_models(verbs)
    add_training(verbs)
    site = verbs.add_parser("site", help="list, show, begin, check and clean up sites (clusters)")
    site.set_defaults(handler=run_site_verb)
    add_site_verbs(site)
    verb("status", _step("report.status"), "counts by state of everything in the store")
    return parser


def _step(name: str, *arguments: str) -> Handler:
    """Return a handler that runs one step with some of the parsed arguments."""

    def handle(parsed: argparse.Namespace) -> Any:
        import importlib

        from sgob_tasks.config import load_settings

        module, function = name.rsplit(".", 1)
        step = getattr(importlib.import_module(f"sgob_tasks.steps.{module}"), function)
        return step(load_settings(), **{argument: getattr(parsed, argument) for argument in arguments})

    return handle


def _train(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.config import load_settings
    from sgob_tasks.steps import cluster, train

    settings, run_id = load_settings(), run_id_by_hand()
    options = {name: getattr(parsed, name) for name in ("dataset", "preset", "epochs", "budget_s", "nodes")}
    job = train.prepare(settings, run_id=run_id, **options)
    cluster.run_job(settings, job | {"owner": f"sgob/{run_id}/train"})
    return finish_training(settings, run_id, job, parsed.promote)


def _enrich(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.config import load_settings
    from sgob_tasks.steps import enrich

    settings, run_id = load_settings(), run_id_by_hand()
    batch = enrich.plan_batch(settings, run_id=run_id, limit=parsed.limit, shard_size=parsed.shard_size)
    return finish_enrichment(settings, run_id, batch)


def _sandbox(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.sandbox.platform import Platform

    platform = Platform.here()
    if parsed.action == "up":
        return platform.up(collection=parsed.collection)
    if parsed.action == "down":
        return platform.down(keep_slurm=parsed.keep_slurm)
    return platform.status()


def _demo(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.sandbox.demo import run_demo

    return run_demo(collection=parsed.collection, budget_s=parsed.budget)


def _show(result: Any, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result, indent=2, default=str))  # noqa: T201 - the command's output
        return
    _show_tree(result, 0)


def _show_tree(value: Any, depth: int) -> None:
    if not isinstance(value, dict):
        print("  " * depth + str(value))  # noqa: T201 - the command's output
        return
    for name, entry in value.items():
        if isinstance(entry, dict) and entry:
            print("  " * depth + f"{name}:")  # noqa: T201 - the command's output
            _show_tree(entry, depth + 1)
        else:
            print("  " * depth + f"{name}: {'-' if entry in ({}, None) else entry}")  # noqa: T201 - the command's output


def _store_error() -> type[Exception]:
    """Return what the database's driver raises; imported only where something was raised."""
    from sqlalchemy.exc import DBAPIError

    return DBAPIError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    parsed = build_parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if parsed.verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        result = parsed.handler(parsed)
    except SgobError as error:
        print(f"sgob {parsed.verb}: {error}", file=sys.stderr)  # noqa: T201 - the command's output
        return 1
    except KeyboardInterrupt:
        print(f"sgob {parsed.verb}: stopped", file=sys.stderr)  # noqa: T201 - the command's output
        return 1
    except _store_error() as error:
        hint = " (`sgob migrate` brings the tables up to date)" if "does not exist" in str(error) else ""
        print(f"sgob {parsed.verb}: the store: {error.args[0]}{hint}", file=sys.stderr)  # noqa: T201 - the command's output
        return 1
    if result is not None and not parsed.json and hasattr(parsed, "render"):
        print(parsed.render(result))  # noqa: T201 - the command's output
    elif result is not None:
        _show(result, as_json=parsed.json)
    return int(getattr(parsed, "exit_code", 0))


if __name__ == "__main__":
    sys.exit(main())
