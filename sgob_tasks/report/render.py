"""From a run's view to one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from sgob_tasks.report import present
from sgob_tasks.store.scores import ScoreTable, score_table
from sgob_tasks.store.views import RunView


def _nowhere(_: str) -> str | None:
    return None


@dataclass(frozen=True)
class Links:
    """Where the page finds what lies beside it; None leaves a link or a picture out.

    Attributes:
        picture: SHA-256 of a picture -> address of a copy of it.
        run: id of a run -> address of its page.
    """

    picture: Callable[[str], str | None] = _nowhere
    run: Callable[[str], str | None] = _nowhere


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sgob_tasks.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=present.percent,
        when=present.when,
        duration=present.duration,
        number=lambda value: f"{value:,}",
    )
    return environment


@functools.cache
def _asset(name: str) -> Markup:
    """Return our own style sheet or script as it stands between its tags."""
    environment = _environment()
    assert environment.loader is not None  # noqa: S101 - tells mypy what _environment sets
    source = environment.loader.get_source(environment, name)[0].strip()
    return Markup(source)  # noqa: S704 - a file of this package, not input


def content_security_policy() -> str:
    """Return the policy of the page: nothing but its own style, its own script, and pictures from beside it.

    A browser that obeys it runs no script that got into a title in spite of the escaping.
    """

    def digest(name: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; img-src 'self'; style-src {digest('style.css')}; "
        f"script-src {digest('page.js.j2')}; base-uri 'none'; form-action 'none'"
    )


def render_run(view: RunView, links: Links, *, wanted: str | None = None) -> str:
    """Render the page of a run.

    Args:
        view: what the store says.
        links: where pictures and other runs are.
        wanted: id of the run that was asked for, to name it where the store does not have it.
    """
    cards = present.cards(view)
    others = [(run, url) for run in view.runs if (url := links.run(run.id)) is not None]
    return _environment().get_template("run.html.j2").render(
        run=view.run,
        wanted=wanted,
        counts=view.counts,
        model=view.model,
        table=score_table(view.model.scores) if view.model else ScoreTable((), ()),
        failures=view.failures,
        jobs=view.jobs,
        cards=cards,
        total=max(view.counts.pictures, len(cards)),
        corrected=sum(card.picture.corrected for card in cards),
        failed=sum(card.picture.state == "failed" for card in cards),
        others=others,
        picture_url=links.picture,
        policy=content_security_policy(),
        css=_asset("style.css"),
        js=_asset("page.js.j2"),
    )  # fmt: skip
