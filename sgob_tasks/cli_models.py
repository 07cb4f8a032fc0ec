"""``sgob models`` and ``sgob reenrich``: versions of the detector, and what a promotion leaves to do."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from sgob_tasks.cli_models_text import render_backfill, render_change, render_comparison, render_list, render_model

if TYPE_CHECKING:
    from sgob_tasks.config import Settings

POLICIES = ("auto", "ask", "always", "never")


def add_models(verbs: Any) -> None:
    """Add ``models`` with its actions, and ``reenrich``, to the command line."""
    text = "list, show and compare model versions; promote and retire them"
    models = verbs.add_parser("models", help=text, description=text[0].upper() + text[1:] + ".")
    actions = models.add_subparsers(dest="action", metavar="ACTION", required=True)

    def command(sub: Any, handler: Callable[..., Any], show: Callable[[Any], str]) -> Any:
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        sub.set_defaults(handler=handler, render=show)
        return sub

    def action(name: str, handler: Callable[..., Any], show: Callable[[Any], str], help_: str) -> Any:
        sub = actions.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".")
        return command(sub, handler, show)

    action("list", _list, render_list, "all versions: state, scores, what they took and were made from")
    show = action("show", _show, render_model, "one version: scores with intervals, data, code, hours, decisions")
    show.add_argument("id", metavar="ID", help="as `sgob models list` prints it")
    compare = action("compare", _compare, render_comparison, "two versions on the same held-out pictures")
    compare.add_argument("first", metavar="A")
    compare.add_argument("second", metavar="B", help="on the held-out pictures of this one's training")
    promote = action("promote", _promote, render_change, "make a version the champion, also one that was retired")
    retire = action("retire", _retire, render_change, "take a version out of use")
    for sub in (promote, retire):
        sub.add_argument("id", metavar="ID")
        sub.add_argument("--reason", metavar="TEXT", help="why, for those who look later")

    text = "bring pictures up to date that an earlier champion has looked at, as many as the bounds say"
    again = verbs.add_parser("reenrich", help=text, description=text[0].upper() + text[1:] + ".")
    command(again, _reenrich, render_backfill)
    again.add_argument("--limit", type=_natural, metavar="N", help="at most this many (default: enrich.backfill_limit)")
    again.add_argument("--dataset", metavar="PREFIX", help="only records whose id begins so, such as 2021618")
    again.add_argument("--from", dest="year_from", type=int, metavar="YEAR", help="only records from this year on")
    again.add_argument("--to", dest="year_to", type=int, metavar="YEAR", help="only records up to this year")
    again.add_argument("--only", choices=["all", "annotated", "published"], default="all", help="pictures that are")
    again.add_argument(
        "--order", choices=["affected", "oldest"], default="affected", help="the most tags, or looked at longest ago"
    )
    again.add_argument("--shard-size", type=int, metavar="N", help="pictures per task of the array")


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("has to be 0 or more")
    return value


def run_id_by_hand() -> str:
    """Return the id of a run that the command line begins now."""
    return f"by-hand-{datetime.now(timezone.utc):%Y%m%dT%H%M%S}"


def finish_enrichment(settings: Settings, run_id: str, batch: dict[str, Any]) -> dict[str, Any]:
    """Do with a planned batch all that the DAGs do: infer, load, correct, describe, classify, annotate, report."""
    from sgob_tasks.steps import captions, cluster, enrich, report

    result: dict[str, Any] = {"run": run_id, "batch": batch}
    if batch["pictures"]:
        found = cluster.run_job(settings, batch | {"owner": f"sgob/{run_id}/enrich"})
        result["load"] = enrich.load(settings, batch=found, run_id=run_id)
    result["context"] = enrich.context(settings, run_id=run_id)
    result["scenes"] = enrich.describe_scenes(settings, run_id=run_id)
    to_describe = captions.plan_generation(settings, run_id=run_id)
    if to_describe["pictures"]:
        written = cluster.run_job(settings, to_describe | {"owner": f"sgob/{run_id}/describe"})
        result["written"] = captions.load_generation(settings, batch=written, run_id=run_id)
    result["captions"] = enrich.classify_captions(settings, run_id=run_id)
    result["annotations"] = enrich.annotate(settings, run_id=run_id)
    result["report"] = report.write_report(settings, run_id=run_id, ends=True)
    return result


def finish_training(settings: Settings, run_id: str, job: dict[str, Any], policy: str) -> dict[str, Any]:
    """Register a trained model, and promote it where the rule says so; a person is told how, not asked."""
    from sgob_tasks.registry.promotion import ASK, PROMOTE
    from sgob_tasks.steps import models, train

    registered = train.register(settings, run_id=run_id, job=job, promote=policy)
    text = registered.pop("text")
    action = registered["decision"]["action"]
    if action == PROMOTE:
        registered["promotion"] = models.promote_decided(settings, run_id, registered)
    elif action == ASK:
        registered["next"] = f"`sgob models promote {registered['model']}` makes it the champion"
    return registered | {"text": text}


def _settings() -> Settings:
    from sgob_tasks.config import load_settings

    return load_settings()


def _list(_: argparse.Namespace) -> Any:
    from sgob_tasks.steps import models

    return models.list_models(_settings())


def _show(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.steps import models

    return models.show_model(_settings(), parsed.id)


def _compare(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.steps import models

    return models.compare(_settings(), parsed.first, parsed.second)


def _promote(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.steps import models

    return models.promote(_settings(), parsed.id, reason=parsed.reason)


def _retire(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.steps import models

    return models.retire(_settings(), parsed.id, reason=parsed.reason)


def _reenrich(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.steps import reenrich

    settings, run_id = _settings(), run_id_by_hand()
    names = ("limit", "shard_size", "dataset", "year_from", "year_to", "only", "order")
    batch = reenrich.plan_batch(settings, run_id, **{name: getattr(parsed, name) for name in names})
    return finish_enrichment(settings, run_id, batch) if batch["pictures"] else {"batch": batch}
