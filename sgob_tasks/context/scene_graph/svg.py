"""Draws a scene graph: things where their boxes are in the picture, arrows for what they do. One inline SVG."""

from __future__ import annotations

import itertools
import math
from html import escape

from sgob_tasks.context.scene_graph.geometry import LEAST_SIDE, clean
from sgob_tasks.context.scene_graph.graph import Graph
from sgob_tasks.context.scene_graph.things import FUNCTIONAL, WORDS, Relation, Thing

WIDTH = 640
MOST_THINGS = 24
"""More things than this cannot be read: the surest ones are drawn, and the number of the others is said."""
_LEAST_HEIGHT, _MARGIN, _BOX_HEIGHT, _LETTER, _PAD = 200, 30, 28, 7.4, 22
_LABEL_HEIGHT, _EMPTY_HEIGHT = 15, 80
Point = tuple[float, float]
Place = tuple[float, float, float]
"""Centre and width of a node or a word."""
_LIGHT = "--sg-ink:#231f1a;--sg-soft:#6a6258;--sg-box:#fffdf8;--sg-line:#7a2e12;--sg-place:#8a8073;--sg-back:#f6f1e7"
_DARK = "--sg-ink:#f2ece0;--sg-soft:#b5aa9a;--sg-box:#2c2722;--sg-line:#e9a27c;--sg-place:#8d8478;--sg-back:#1d1a17"
STYLE = (
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
"""Looks of a graph, in light and dark."""


def graph_svg(graph: Graph, *, name: str = "sg", styled: bool = True) -> str:
    """Return the graph as an ``<svg>`` element that follows the page's light or dark colours.

    Args:
        graph: any graph; one without things is drawn as an empty field with a word about it.
        name: unique on the page; made part of ids.
        styled: with ``STYLE`` inside. A page whose policy allows its own style sheet only has it there instead.
    """
    things = sorted(graph.things, key=lambda thing: (-thing.score, thing.id))[:MOST_THINGS]
    places, height = _layout(things, graph)
    shown = {thing.id for thing in things}
    edges = [edge for edge in graph.relations if edge.subject in shown and edge.object in shown]
    said = f"Scene graph: {len(things)} things, {len(edges)} relations"
    parts = [
        f'<svg class="sg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}" role="img" '
        f'aria-label="{escape(said)}" xmlns="http://www.w3.org/2000/svg">'
        + (f"<style>{STYLE}</style>" if styled else ""),
        f"<defs>{_marker(f'{name}-a', 'tip')}{_marker(f'{name}-b', 'tip soft')}</defs>",
        f'<rect class="back" width="{WIDTH}" height="{height:.0f}" rx="8"/>',
    ]
    if not things:
        parts.append(f'<text class="note" x="{WIDTH / 2}" y="{height / 2:.0f}">no boxes in this picture</text>')
    verbs = list(places.values())
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


def _layout(things: list[Thing], graph: Graph) -> tuple[dict[int, Place], float]:
    """Return centre and width of each node, and the drawing's height: boxes' centres, moved until no two overlap."""
    boxes = [clean(thing.box) for thing in things]
    widths = [_wide(thing) for thing in things]
    if not things:
        return {}, _EMPTY_HEIGHT
    wide, tall = graph.size or (max(x + w for x, _, w, _ in boxes), max(y + h for _, y, _, h in boxes))
    shape = min(max(tall / max(wide, LEAST_SIDE), 0.4), 1.2)
    height = min(max(min(0.62 * WIDTH * shape, 90.0 + 70.0 * len(things)), 46.0 * len(things), _LEAST_HEIGHT), 620.0)
    across = _stretch([x + w / 2 for x, _, w, _ in boxes], WIDTH)
    down = _stretch([y + h / 2 for _, y, _, h in boxes], height)
    centres = [list(centre) for centre in zip(across, down, strict=True)]
    for _ in range(300):
        moved = _spread(centres, widths)
        for centre, width in zip(centres, widths, strict=True):
            centre[0] = min(max(centre[0], width / 2 + 6), WIDTH - width / 2 - 6)
            centre[1] = min(max(centre[1], _MARGIN), height - _MARGIN)
        if not moved:
            break
    return {t.id: (c[0], c[1], w) for t, c, w in zip(things, centres, widths, strict=True)}, height


def _stretch(values: list[float], length: float) -> list[float]:
    """Stretch positions over a length, with a margin; they keep their order and their proportions."""
    low, high = min(values), max(values)
    if high - low < LEAST_SIDE:
        return [length / 2] * len(values)
    return [_MARGIN + (value - low) / (high - low) * (length - 2 * _MARGIN) for value in values]


def _spread(centres: list[list[float]], widths: list[float]) -> bool:
    """Push nodes that overlap apart, along the way that is shorter; tell whether any were."""
    moved = False
    for i, j in itertools.combinations(range(len(centres)), 2):
        dx, dy = centres[j][0] - centres[i][0], centres[j][1] - centres[i][1]
        over_x = (widths[i] + widths[j]) / 2 + 44 - abs(dx)
        over_y = _BOX_HEIGHT + 30 - abs(dy)
        if over_x <= 0 or over_y <= 0:
            continue
        moved = True
        axis, step, way = (1, over_y, dy) if over_y <= over_x else (0, over_x, dx)
        sign = 1.0 if way > 0 or (way == 0 and j % 2) else -1.0
        centres[i][axis] -= sign * step * 0.3
        centres[j][axis] += sign * step * 0.3
    return moved


def _box(thing: Thing, place: Place) -> str:
    x, y, width = place
    label = thing.label if len(thing.label) <= 24 else thing.label[:23] + "…"
    return (
        f"<g><title>{escape(thing.label)}, score {thing.score:.2f}</title>"
        f'<rect class="box" x="{x - width / 2:.1f}" y="{y - _BOX_HEIGHT / 2:.1f}" width="{width:.1f}" '
        f'height="{_BOX_HEIGHT}" rx="6"/><text x="{x - 11:.1f}" y="{y + 4.5:.1f}">{escape(label)}</text>'
        f'<text class="score" x="{x + width / 2 - 16:.1f}" y="{y + 4:.1f}">{thing.score:.2f}</text></g>'
    )


def _edge(edge: Relation, places: dict[int, Place], taken: list[Place], name: str) -> tuple[str, str]:
    """Return the arrow and its word; the word goes where no node and no other word is, as near the middle as it can."""
    place = "" if edge.predicate in FUNCTIONAL else " place"
    first, second = places[edge.subject], places[edge.object]
    others = [one for key, one in places.items() if key not in {edge.subject, edge.object}]
    curves = [_curve(first, second, bend) for bend in (0.0, 46.0, -46.0, 92.0, -92.0)]
    curve = min(curves, key=lambda points: sum(_hits(*_on(points, t / 12), 6, others) for t in range(1, 12)))
    marker = f"{name}-b" if place else f"{name}-a"
    (x1, y1), (cx, cy), (x2, y2) = curve
    line = (
        f'<path class="edge{place}" d="M{x1:.1f} {y1:.1f}Q{cx:.1f} {cy:.1f} {x2:.1f} {y2:.1f}" '
        f'marker-end="url(#{marker})"/>'
    )
    word = WORDS[edge.predicate]
    wide = len(word) * 6.4 + 8
    spots = [
        (min(max(x, wide / 2 + 4), WIDTH - wide / 2 - 4), y + off)
        for share in (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74)
        for off in (0, -13, 13)
        for x, y in [_on(curve, share)]
    ]
    x, y = next((spot for spot in spots if not _hits(*spot, wide, taken)), spots[0])
    taken.append((x, y, wide))
    said = f"<title>{escape(edge.reason)} ({edge.score:.2f})</title>"
    return line, f'<text class="verb" x="{x:.1f}" y="{y + 4:.1f}">{said}{escape(word)}</text>'


def _curve(first: Place, second: Place, bend: float) -> tuple[Point, Point, Point]:
    """Return start, control point and end of a curve between two nodes, bent aside by some pixels."""
    (x1, y1, w1), (x2, y2, w2) = first, second
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    middle = ((x1 + x2) / 2 - (y2 - y1) / length * bend, (y1 + y2) / 2 + (x2 - x1) / length * bend)
    return _leave((x1, y1), w1, middle, 0), middle, _leave((x2, y2), w2, middle, 2)


def _on(curve: tuple[Point, Point, Point], share: float) -> Point:
    """Return a point on a quadratic Bezier curve."""
    (x1, y1), (cx, cy), (x2, y2) = curve
    a, b, c = (1 - share) ** 2, 2 * share * (1 - share), share**2
    return a * x1 + b * cx + c * x2, a * y1 + b * cy + c * y2


def _hits(x: float, y: float, wide: float, taken: list[Place]) -> bool:
    return any(
        abs(x - other) < (wide + width) / 2 and abs(y - level) < (_LABEL_HEIGHT + _BOX_HEIGHT) / 2
        for other, level, width in taken
    )


def _leave(centre: Point, width: float, towards: Point, extra: float) -> Point:
    """Return where a line from a node's centre towards a point crosses its outline."""
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    length = math.hypot(dx, dy)
    if length < LEAST_SIDE:
        return centre
    dx, dy = dx / length, dy / length
    sides = [(width / 2 + extra) / abs(dx)] if abs(dx) > 1e-9 else []
    sides += [(_BOX_HEIGHT / 2 + extra) / abs(dy)] if abs(dy) > 1e-9 else []
    reach = min(*sides, length) if sides else 0.0
    return centre[0] + dx * reach, centre[1] + dy * reach
