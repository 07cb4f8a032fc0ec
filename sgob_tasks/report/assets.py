"""What all pages share: templates, filters, style sheets, scripts, and the policy that lets nothing else in."""

from __future__ import annotations

import base64
import functools
import hashlib

import jinja2
from markupsafe import Markup

from sgob_tasks.report import present


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment of the templates: everything is escaped, nothing may be missing."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("sgob_tasks.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        percent=present.percent,
        when=present.when,
        moment=present.moment,
        clock=present.clock,
        duration=present.duration,
        hours=present.hours,
        number=lambda value: f"{value:,}",
    )
    return made


@functools.cache
def asset(*names: str) -> Markup:
    """Return our own style sheets or scripts, one after the other, as they stand between their tags."""
    loader = environment().loader
    assert loader is not None  # noqa: S101 - tells mypy what `environment` sets
    sources = [loader.get_source(environment(), name)[0].strip() for name in names]
    return Markup("\n".join(sources))  # noqa: S704 - files of this package, not input


def policy(css: Markup, js: Markup) -> str:
    """Return the policy of a page: nothing but its own style, its own script, and pictures from beside it.

    A browser that obeys it runs no script that got into a title in spite of the escaping.
    """

    def digest(source: Markup) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; img-src 'self'; style-src {digest(css)}; "
        f"script-src {digest(js)}; base-uri 'none'; form-action 'none'"
    )
