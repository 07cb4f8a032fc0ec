"""From a run's view to one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from sgob_tasks.captions.generated import looked_at
from sgob_tasks.captions.generator import show as attention
from sgob_tasks.context.scene_graph import svg as scene_graph
from sgob_tasks.context.scene_graph.graph import Graph
from sgob_tasks.report import present
from sgob_tasks.report.assets import asset, environment, policy
from sgob_tasks.store.scores import ScoreTable, held_out, score_table
from sgob_tasks.store.views import CaptionView, RunView


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


def _style() -> Markup:
    return asset("style.css") + Markup(f"\n{attention.STYLE.strip()}\n{scene_graph.STYLE}")  # noqa: S704 - our own files


def _graph(graph: Graph, number: int) -> Markup:
    """Return a scene graph as the page shows it; the drawing escapes the texts in it."""
    return Markup(scene_graph.graph_svg(graph, name=f"graph-{number}", styled=False))  # noqa: S704


def _attention(caption: CaptionView, picture_url: str | None, number: int) -> Markup | None:
    """Return where a generated caption was looked at, word by word; None where that is not known."""
    if not caption.attention or picture_url is None:
        return None
    words = looked_at(caption.attention)
    width, height = int(caption.attention["width"]), int(caption.attention["height"])
    return Markup(attention.attention_page(words, width, height, picture_url, name=f"looked-{number}"))  # noqa: S704


def _script() -> Markup:
    return asset("page.js.j2", "frame.js.j2")


def content_security_policy() -> str:
    """Return the policy of the page of a run."""
    return policy(_style(), _script())


def render_run(view: RunView, links: Links, *, wanted: str | None = None) -> str:
    """Render the page of a run.

    Args:
        view: what the store says.
        links: where pictures and other runs are.
        wanted: id of the run that was asked for, to name it where the store does not have it.
    """
    cards = present.cards(view)
    others = [(run, url) for run in view.runs if (url := links.run(run.id)) is not None]
    return environment().get_template("run.html.j2").render(
        run=view.run,
        wanted=wanted,
        counts=view.counts,
        model=view.model,
        held_out=held_out(view.model.scores) if view.model else None,
        table=score_table(view.model.scores) if view.model else ScoreTable((), ()),
        failures=view.failures,
        jobs=view.jobs,
        cards=cards,
        total=max(view.counts.pictures, len(cards)),
        corrected=sum(card.picture.corrected for card in cards),
        failed=sum(card.picture.state == "failed" for card in cards),
        others=others,
        picture_url=links.picture,
        graph=_graph,
        attention=_attention,
        policy=content_security_policy(),
        css=_style(),
        js=_script(),
    )  # fmt: skip
