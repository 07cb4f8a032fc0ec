"""``sgob context``: what the date and the words of a work say of the labels. The actions are in files of their own."""

from __future__ import annotations

import argparse
from typing import Any

from sgob_tasks.cli_context_language import add_language_actions
from sgob_tasks.cli_context_time import add_time_actions
from sgob_tasks.cli_iconography import add_iconography

_ABOUT = """\
Correct detections by the date and the words of the work. Without an action: all detections in the store, as the night
does it. The same code answers for files: see the actions."""


def add_context(verbs: Any) -> None:
    """Add ``context`` with its actions to the command line."""
    context = verbs.add_parser(
        "context",
        help="correct detections by date and words; measure and train what does it",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    context.add_argument("--json", action="store_true", help="print the result as JSON")
    context.set_defaults(handler=_night)
    actions = context.add_subparsers(dest="action", metavar="ACTION")
    add_time_actions(actions)
    add_language_actions(actions)
    add_iconography(actions)


def _night(_: argparse.Namespace) -> Any:
    from sgob_tasks.config import load_settings
    from sgob_tasks.steps import enrich

    return enrich.context(load_settings())
