"""Draws a scene graph: things where their boxes are in the picture, arrows for what they do. One inline SVG."""

from __future__ import annotations

import itertools
import math
from html import escape

from sgob_tasks.context.scene_graph.geometry import clean
from sgob_tasks.context.scene_graph.graph import Graph
from sgob_tasks.context.scene_graph.things import FUNCTIONAL, WORDS, Relation, Thing

WIDTH = 640
MOST_THINGS = 24
"""More things than this cannot be read: the surest ones are drawn, and the number of the others is said."""
_LEAST_HEIGHT, _MARGIN, _BOX_HEIGHT, _LETTER, _PAD = 260, 26, 28, 7.4, 22
_LABEL_HEIGHT = 15
_LIGHT = "--sg-ink:#231f1a;--sg-soft:#6a6258;--sg-box:#fffdf8;--sg-line:#7a2e12;--sg-place:#8a8073;--sg-back:#f6f1e7"
_DARK = "--sg-ink:#f2ece0;--sg-soft:#b5aa9a;--sg-box:#2c2722;--sg-line:#e9a27c;--sg-place:#8d8478;--sg-back:#1d1a17"
_STYLE = (
    f".sg{{font:13px system-ui,sans-serif;{_LIGHT};max-width:100%;height:auto}}"
    f"@media (prefers-color-scheme:dark){{.sg{{{_DARK}}}}}"
    f":root[data-theme=light] .sg{{{_LIGHT}}}:root[data-theme=dark] .sg{{{_DARK}}}"
    ".sg .back{fill:var(--sg-back)}.sg .box{fill:var(--sg-box);stroke:var(--sg-soft)}"
    ".sg text{fill:var(--sg-ink);text-anchor:middle}.sg .score,.sg .note{fill:var(--sg-soft);font-size:10px}"
    ".sg .edge{stroke:var(--sg-line);stroke-width:1.6;fill:none}"
    ".sg .place{stroke:var(--sg-place);stroke-width:1.1;stroke-dasharray:4 3}"
    ".sg .tip{fill:var(--sg-line)}.sg .tip.soft{fill:var(--sg-place)}"
    ".sg .verb{font-size:11.5px;font-style:italic;paint-order:stroke;stroke:var(--sg-back);stroke-width:4px;"
    "stroke-linejoin:round}"
)
_serial = itertools.count(1)


def graph_svg(graph: Graph) -> str:
    """Return the graph as an ``<svg>`` element that follows the page's light or dark colours.

    Args:
        graph: any graph; one without things is drawn as an empty field with a word about it.
    """
    things = sorted(graph.things, key=lambda thing: (-thing.score, thing.id))[:MOST_THINGS]
    places, height = _layout(things, graph)
    shown = {thing.id for thing in things}
    edges = [edge for edge in graph.relations if edge.subject in shown and edge.object in shown]
    name = f"sg{next(_serial)}"
    said = f"Scene graph: {len(things)} things, {len(edges)} relations"
    parts = [
        f'<svg class="sg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" role="img" '
        f'aria-label="{escape(said)}" xmlns="http://www.w3.org/2000/svg"><style>{_STYLE}</style>',
        f"<defs>{_marker(f'{name}a', 'tip')}{_marker(f'{name}b', 'tip soft')}</defs>",
        f'<rect class="back" width="{WIDTH}" height="{height:.0f}" rx="8"/>',
    ]
    if not things:
        parts.append(f'<text class="note" x="{WIDTH / 2}" y="{height / 2:.0f}">no boxes in this picture</text>')
    verbs: list[tuple[float, float, float]] = [(x, y, w) for x, y, w in places.values()]
    drawn = [_edge(edge, places, verbs, name) for edge in sorted(edges, key=lambda e: e.predicate in FUNCTIONAL)]
    parts += [line for line, _ in drawn]
    parts += [_box(thing, places[thing.id]) for thing in things]
    parts += [verb for _, verb in drawn]
    if len(graph.things) > len(things):
        more = f"{len(graph.things) - len(things)} more things are not drawn"
        parts.append(f'<text class="note" x="{WIDTH / 2}" y="{height - 6:.0f}">{more}</text>')
    return "".join([*parts, "</svg>"])


def _marker(name: str, style: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path class="{style}" d="M0 0 8 4 0 8z"/></marker>'
    )


def _wide(thing: Thing) -> float:
    return min(len(thing.label), 24) * _LETTER + _PAD + 26


def _layout(things: list[Thing], graph: Graph) -> tuple[dict[int, tuple[float, float, float]], float]:
    """Return centre and width of each node, and the drawing's height: boxes' centres, moved until no two overlap."""
    boxes = [clean(thing.box) for thing in things]
    wide = graph.size[0] if graph.size else max((x + w for x, _, w, _ in boxes), default=1.0)
    tall = graph.size[1] if graph.size else max((y + h for _, y, _, h in boxes), default=1.0)
    height = min(max(WIDTH * tall / max(wide, 1e-6), _LEAST_HEIGHT, 34.0 * len(things)), 720.0)
    widths = [_wide(thing) for thing in things]
    centres = [
        [
            min(max((x + w / 2) / max(wide, 1e-6), 0.0), 1.0) * WIDTH,
            min(max((y + h / 2) / max(tall, 1e-6), 0.0), 1.0) * height,
        ]
        for x, y, w, h in boxes
    ]
    for _ in range(200):
        moved = _spread(centres, widths)
        for centre, width in zip(centres, widths, strict=True):
            centre[0] = min(max(centre[0], width / 2 + 6), WIDTH - width / 2 - 6)
            centre[1] = min(max(centre[1], _MARGIN), height - _MARGIN)
        if not moved:
            break
    return {t.id: (c[0], c[1], w) for t, c, w in zip(things, centres, widths, strict=True)}, height


def _spread(centres: list[list[float]], widths: list[float]) -> bool:
    """Push nodes that overlap apart, along the way that is shorter; tell whether any were."""
    moved = False
    for i, j in itertools.combinations(range(len(centres)), 2):
        dx, dy = centres[j][0] - centres[i][0], centres[j][1] - centres[i][1]
        over_x = (widths[i] + widths[j]) / 2 + 34 - abs(dx)
        over_y = _BOX_HEIGHT + 26 - abs(dy)
        if over_x <= 0 or over_y <= 0:
            continue
        moved = True
        axis, step, way = (1, over_y, dy) if over_y <= over_x else (0, over_x, dx)
        sign = 1.0 if way > 0 or (way == 0 and j % 2) else -1.0
        centres[i][axis] -= sign * step * 0.3
        centres[j][axis] += sign * step * 0.3
    return moved


def _box(thing: Thing, place: tuple[float, float, float]) -> str:
    x, y, width = place
    label = thing.label if len(thing.label) <= 24 else thing.label[:23] + "…"
    return (
        f"<g><title>{escape(thing.label)}, score {thing.score:.2f}</title>"
        f'<rect class="box" x="{x - width / 2:.1f}" y="{y - _BOX_HEIGHT / 2:.1f}" width="{width:.1f}" '
        f'height="{_BOX_HEIGHT}" rx="6"/><text x="{x - 11:.1f}" y="{y + 4.5:.1f}">{escape(label)}</text>'
        f'<text class="score" x="{x + width / 2 - 16:.1f}" y="{y + 4:.1f}">{thing.score:.2f}</text></g>'
    )


def _edge(
    edge: Relation,
    places: dict[int, tuple[float, float, float]],
    taken: list[tuple[float, float, float]],
    name: str,
) -> tuple[str, str]:
    """Return the arrow and its word; the word goes where no node and no other word is, as near the middle as it can."""
    place = "" if edge.predicate in FUNCTIONAL else " place"
    (x1, y1), (x2, y2) = _ends(places[edge.subject], places[edge.object])
    marker = f"{name}b" if place else f"{name}a"
    line = f'<path class="edge{place}" d="M{x1:.1f} {y1:.1f} {x2:.1f} {y2:.1f}" marker-end="url(#{marker})"/>'
    word = WORDS[edge.predicate]
    wide = len(word) * 6.4 + 8
    free = next(
        (
            (x, y)
            for share in (0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78)
            for off in (0, -14, 14)
            if not _hits((x := x1 + (x2 - x1) * share), (y := y1 + (y2 - y1) * share + off), wide, taken)
        ),
        ((x1 + x2) / 2, (y1 + y2) / 2),
    )
    taken.append((free[0], free[1], wide))
    said = f"<title>{escape(edge.reason)} ({edge.score:.2f})</title>"
    return line, f'<text class="verb" x="{free[0]:.1f}" y="{free[1] + 4:.1f}">{said}{escape(word)}</text>'


def _hits(x: float, y: float, wide: float, taken: list[tuple[float, float, float]]) -> bool:
    return any(
        abs(x - other) < (wide + width) / 2 and abs(y - level) < (_LABEL_HEIGHT + _BOX_HEIGHT) / 2
        for other, level, width in taken
    )


def _ends(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where the line between two nodes leaves the first and meets the second."""
    (x1, y1, w1), (x2, y2, w2) = first, second
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    dx, dy = (x2 - x1) / length, (y2 - y1) / length

    def reach(width: float, extra: float) -> float:
        sides = [(width / 2 + extra) / abs(dx)] if abs(dx) > 1e-9 else []
        sides += [(_BOX_HEIGHT / 2 + extra) / abs(dy)] if abs(dy) > 1e-9 else []
        return min(sides, default=0.0)

    out, into = reach(w1, 0), reach(w2, 2)
    return (x1 + dx * out, y1 + dy * out), (x2 - dx * into, y2 - dy * into)
