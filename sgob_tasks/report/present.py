"""From rows to what a template can show: pure functions, no I/O.

All texts and addresses of records come from strangers. Texts are left as they are (the template escapes them);
addresses that are not plain web addresses are dropped here.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, urlsplit

from sgob_tasks.context.scene_graph.graph import Graph
from sgob_tasks.context.scene_graph.things import PREDICATES, Relation, Thing
from sgob_tasks.store.views import AnnotationView, DetectionView, PictureView, RecordView, RunView, SubjectView

COLOURS = 12
"""Number of box colours in style.css (c0 to c11)."""

_CARD_WIDTH_PX, _PICTURE_HEIGHT_PX, _LABEL_PX = 400, 520, 15
_LABEL_CHAR = 0.66
"""Width of a letter, in parts of the font size: that of the widest usual font, so that no label is cut off."""

_CHANGES = ("relabelled", "removed", "rescored", "")
"""What context did, in the order in which it is listed."""

_RIGHTS = (
    (re.compile(r"creativecommons\.org/publicdomain/mark/"), "Public Domain"),
    (re.compile(r"creativecommons\.org/publicdomain/zero/"), "CC0"),
)
_LICENCE = re.compile(r"creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)")
_STATEMENT = re.compile(r"rightsstatements\.org/(?:vocab|page)/([A-Za-z-]+)/")


@dataclass(frozen=True)
class Box:
    """A detection as it is drawn: all lengths in pixels of the stored picture.

    ``labelled`` boxes say their class at first sight; the others of the same group say it when they are pointed at.
    """

    detection: DetectionView
    group: int
    colour: str
    labelled: bool
    x: float
    y: float
    width: float
    height: float
    label_x: float
    label_y: float
    anchor: str


@dataclass(frozen=True)
class Group:
    """Detections that are listed in one line: those that context left alone by class, all others one by one."""

    number: int
    colour: str
    detections: tuple[DetectionView, ...]

    @property
    def first(self) -> DetectionView:
        """The detection with the highest score."""
        return self.detections[0]


@dataclass(frozen=True)
class Tag:
    """What an annotation says: a text, an address, or both."""

    text: str
    url: str | None
    language: str | None


@dataclass(frozen=True)
class Note:
    """One annotation as it is listed."""

    annotation: AnnotationView
    tag: Tag
    url: str | None


@dataclass(frozen=True)
class Subject:
    """A saint or scene as it is listed; ``url`` leads to its page at Iconclass."""

    view: SubjectView
    url: str | None


@dataclass(frozen=True)
class Card:
    """One picture as it is shown."""

    picture: PictureView
    title: str
    dates: str
    rights: str | None
    rights_url: str | None
    item_url: str | None
    landing_url: str | None
    groups: tuple[Group, ...]
    boxes: tuple[Box, ...]
    notes: tuple[Note, ...]
    subjects: tuple[Subject, ...]
    graph: Graph | None
    font_size: float


def safe_url(url: str | None) -> str | None:
    """Return ``url`` if it is a plain http or https address of a host, or else None.

    Addresses with control characters or blanks are refused: browsers drop these characters before they look at the
    scheme, so that a line break can hide ``javascript:``.
    """
    if not url or not url.isprintable() or any(character in url for character in ' <>"\\`'):
        return None
    try:
        parts = urlsplit(url)
        return url if parts.scheme.lower() in {"http", "https"} and parts.hostname else None
    except ValueError:
        return None


def item_url(record_id: str) -> str | None:
    """Return the address of a Europeana item, which leads to its page."""
    return safe_url(f"http://data.europeana.eu/item{quote(record_id)}") if record_id.startswith("/") else None


def iconclass_url(notation: str) -> str | None:
    """Return the address of a notation's page at Iconclass."""
    return safe_url(f"https://iconclass.org/{quote(notation, safe='()')}")


def rights_name(uri: str | None) -> str | None:
    """Return the short name of a rights statement's URI, such as ``CC BY-SA 4.0``."""
    if not uri:
        return None
    for pattern, name in _RIGHTS:
        if pattern.search(uri):
            return name
    if licence := _LICENCE.search(uri):
        return f"CC {licence[1].upper()} {licence[2]}"
    if statement := _STATEMENT.search(uri):
        return statement[1]
    return "Other rights"


def date_line(record: RecordView) -> str:
    """Return the date as the metadata has it, followed by the years we read from it where they say more.

    Years before 1 are shown as BC; year 0 does not occur in the metadata and is shown as 1 BC.
    """

    def year(number: int) -> str:
        return str(number) if number > 0 else f"{1 - number} BC"

    first, last = record.year_from, record.year_to
    if first is None or last is None:
        years = f"from {year(first)}" if first is not None else f"until {year(last)}" if last is not None else ""
    else:
        years = year(first) if first == last else f"{year(first)}–{year(last)}"
    text = (record.date_text or "").strip()
    if not text or text == years:
        return years or text
    return f"{text} ({years})" if years else text


def palette(detections: Iterable[DetectionView]) -> dict[str, str]:
    """Give each class a colour: the most frequent ones get one of their own."""
    ranked = sorted(Counter(found.final for found in detections).items(), key=lambda one: (-one[1], one[0]))
    return {name: f"c{rank % COLOURS}" for rank, (name, _) in enumerate(ranked)}


def font_size(width: int, height: int) -> float:
    """Return the size of box labels in pixels of the picture: on the page they come out about 15 pixels high."""
    return round(_LABEL_PX * max(width / _CARD_WIDTH_PX, height / _PICTURE_HEIGHT_PX), 2)


def group(detections: Sequence[DetectionView], colours: Mapping[str, str]) -> tuple[Group, ...]:
    """Gather the detections of a picture for its list: what context changed comes first."""
    lines: dict[tuple[int, str, int], list[DetectionView]] = {}
    for found in detections:
        key = (_CHANGES.index(found.change), found.final if not found.change else "", found.id if found.change else 0)
        lines.setdefault(key, []).append(found)
    ranked = sorted(lines.items(), key=lambda line: (line[0][0], -len(line[1]), line[0]))
    return tuple(
        Group(
            number,
            colours.get(line[0].final, "c0"),
            tuple(sorted(line, key=lambda found: (-found.final_score, found.id))),
        )
        for number, (_, line) in enumerate(ranked, 1)
    )


def box_label(detection: DetectionView) -> str:
    """Return the words beside a box."""
    return f"{detection.class_name} → {detection.label}" if detection.change == "relabelled" else detection.final


def draw(detection: DetectionView, line: Group, size: tuple[int, int], *, labelled: bool = True) -> Box:
    """Place a box and its label within the picture.

    Args:
        detection: box in pixels; parts outside of the picture are cut off.
        line: the group it is listed in.
        size: width and height of the picture in pixels.
        labelled: whether its label is always shown.
    """
    columns, rows = map(float, size)
    left, top, width, height = detection.box
    x, y = min(max(left, 0.0), columns), min(max(top, 0.0), rows)
    right, bottom = min(max(left + width, x), columns), min(max(top + height, y), rows)
    letter = font_size(*size)
    at_end = x + letter * (0.3 + len(box_label(detection)) * _LABEL_CHAR) > columns
    above = y >= letter * 1.3
    return Box(
        detection,
        line.number,
        line.colour,
        labelled,
        x=round(x, 1),
        y=round(y, 1),
        width=round(right - x, 1),
        height=round(bottom - y, 1),
        label_x=round(right - letter * 0.3 if at_end else x + letter * 0.3, 1),
        label_y=round(y - letter * 0.35 if above else y + letter * 1.1, 1),
        anchor="end" if at_end else "start",
    )


def tag(document: Mapping[str, Any]) -> Tag:
    """Read the body of a Web Annotation: a text, a URI, or a resource with one of them."""
    body = document.get("body", document.get("bodyValue"))
    if isinstance(body, list):
        body = body[0] if body else None
    if isinstance(body, str):
        return Tag(body, safe_url(body), None)
    if not isinstance(body, Mapping):
        return Tag("", None, None)
    address = body.get("source", body.get("id"))
    url = safe_url(address) if isinstance(address, str) else None
    value = body.get("value")
    language = body.get("language")
    text = value if isinstance(value, str) else str(address or "")
    return Tag(text, url, language if isinstance(language, str) else None)


def _note(annotation: AnnotationView, labels: Mapping[int, str]) -> Note:
    said = tag(annotation.document)
    label = labels.get(annotation.detection_id) if annotation.detection_id is not None else None
    if label and said.url and said.text == said.url:
        said = Tag(label, said.url, said.language)
    return Note(annotation, said, safe_url(annotation.external_id))


def scene_graph(picture: PictureView) -> Graph | None:
    """Return what the things of a picture do with each other; None where nothing is known of that."""
    edges = tuple(
        Relation(edge.subject_id, edge.predicate, edge.object_id, edge.score, edge.reason or "")
        for edge in picture.relations
        if edge.predicate in PREDICATES
    )
    if not edges:
        return None
    size = (picture.width, picture.height) if picture.width > 0 and picture.height > 0 else None
    things = tuple(
        Thing(found.id, found.final, found.final_score, found.box)
        for found in picture.detections
        if found.change != "removed"
    )
    return Graph(picture.record.item_uri, picture.sha256, things, edges, title=picture.record.title, size=size)


def card(picture: PictureView, colours: Mapping[str, str]) -> Card:
    """Prepare one picture for the page.

    The largest boxes come first, so that small ones lie on top, and what context changed lies on top of all.
    """
    record = picture.record
    groups = group(picture.detections, colours)
    boxes = [
        draw(found, line, (picture.width, picture.height), labelled=found is line.first)
        for line in groups
        for found in line.detections
        if picture.width > 0 and picture.height > 0
    ]
    labels = {found.id: found.final for found in picture.detections}
    return Card(
        picture=picture,
        title=(record.title or "").strip() or "Untitled",
        dates=date_line(record),
        rights=rights_name(record.rights),
        rights_url=safe_url(record.rights),
        item_url=item_url(record.id),
        landing_url=safe_url(record.landing_url),
        groups=groups,
        boxes=tuple(sorted(boxes, key=lambda box: (box.detection.change != "", -box.width * box.height))),
        notes=tuple(_note(annotation, labels) for annotation in picture.annotations),
        subjects=tuple(Subject(one, iconclass_url(one.notation)) for one in picture.subjects),
        graph=scene_graph(picture),
        font_size=font_size(picture.width, picture.height),
    )


def cards(view: RunView) -> tuple[Card, ...]:
    """Prepare all pictures of a run."""
    colours = palette(found for picture in view.pictures for found in picture.detections)
    return tuple(card(picture, colours) for picture in view.pictures)


def percent(value: float) -> str:
    """Return a score between 0 and 1 as a whole percentage."""
    return f"{100 * value:.0f} %"


def when(moment: datetime | None) -> str:
    """Return a time for people, in UTC."""
    return f"{moment.astimezone(timezone.utc):%-d %B %Y, %H:%M} UTC" if moment else "–"


def moment(time: datetime | None) -> str:
    """Return a time for tables, in UTC, which the table says."""
    return f"{time.astimezone(timezone.utc):%-d %b %Y, %H:%M}" if time else "–"


def clock(time: datetime) -> str:
    """Return the time of day, in UTC."""
    return f"{time.astimezone(timezone.utc):%H:%M:%S} UTC"


def duration(seconds: float | None) -> str:
    """Return a duration for people, such as ``1 h 05 min``."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def hours(value: float | None) -> str:
    """Return node-hours or GPU-hours for people, with the digits that matter."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if 0 < size < 0.005:
        return "< 0.01" if value > 0 else "> −0.01"
    if size >= 1e6:
        return f"{value:.2e}"
    return f"{value:,.0f}" if size >= 100 else f"{value:,.1f}" if size >= 10 else f"{value:.2f}"
