"""Read an item of a search answer (profile ``rich``) or a record object into plain types. Pure; nothing crashes.

The metadata comes from thousands of providers: any field may be missing, and some have another type than they should.
A missing field is None, a malformed one is None with a note that is counted.

Fields: research on API2's ``BriefView``, ``ApiView`` and ``RichView``; nearly every field is a list, and
``...LangAware`` maps a language (``def``: none given) to a list.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

from sgob_tasks.harvest.clean import is_uri, plain_text, unwrap_redirect
from sgob_tasks.harvest.rights import judge, judge_all

_ID = re.compile(r"/[^/\s?#]+/[^/\s?#]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

VOLATILE = frozenset({
    "apikey", "guid", "index", "link", "score", "timestamp", "timestamp_update", "timestamp_update_epoch",
    "timestamp_created", "timestamp_created_epoch", "completeness", "europeanaCompleteness", "edmPreview",
})  # fmt: skip
"""Fields that a re-index at Europeana changes without a change of the metadata that we use."""

_DATE_FIELDS = ("dcDate", "dctermsCreated", "dctermsIssued", "dctermsTemporal")
_FIRST_LANGUAGES = ("en", "def")


@dataclass(frozen=True)
class Record:
    """One Europeana record as the search describes it.

    Attributes:
        id: Europeana id, ``/dataset/local``.
        title: English title, else one without language, else any.
        creator: names of the makers, joined by ``; ``.
        description: every description text, one a line: English first, then without language, then the others.
        language: language of the metadata.
        date_text: the date as the metadata has it.
        rights: rights statement URI; of several the one that allows least.
        image_url: ``edm:isShownBy``.
        landing_url: ``edm:isShownAt``.
        data_provider: the museum's name (or its URI).
        timestamp_update: when Europeana last updated the record.
        content_hash: SHA-256 of the item without the fields in ``VOLATILE``.
        raw: the item as received, API key removed.
        notes: what was missing or malformed, as words to count.
    """

    id: str
    title: str | None
    creator: str | None
    description: str | None
    language: str | None
    date_text: str | None
    rights: str | None
    image_url: str | None
    landing_url: str | None
    data_provider: str | None
    timestamp_update: datetime | None
    content_hash: str
    raw: dict[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unusable:
    """An item that cannot even be kept, because nothing identifies it."""

    reason: str


class _Reader:
    """Takes values out of one item and notes what is not as it should be."""

    def __init__(self, item: dict[str, Any]) -> None:
        self.item = item
        self.notes: list[str] = []

    def texts(self, name: str) -> list[str]:
        """Return a field that should be a list of strings; a bare string is accepted."""
        value = self.item.get(name)
        if value is None:
            return []
        values = value if isinstance(value, list) else [value]
        good = [text for text in values if isinstance(text, str)]
        if len(good) != len(values):
            self.notes.append(f"malformed: {name}")
        return [text for text in good if text.strip()]

    def first(self, name: str) -> str | None:
        """Return the first string of a field."""
        return next((text.strip() for text in self.texts(name)), None)

    def languages(self, name: str) -> dict[str, list[str]]:
        """Return a ``LangAware`` field: language to texts."""
        value = self.item.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.notes.append(f"malformed: {name}")
            return {}
        found: dict[str, list[str]] = {}
        for language, texts in value.items():
            values = texts if isinstance(texts, list) else [texts]
            good = [text for text in values if isinstance(text, str) and text.strip()]
            if any(not isinstance(text, str) for text in values):
                self.notes.append(f"malformed: {name}")
            if good:
                found[str(language)] = good
        return found

    def preferred(self, name: str, flat: str) -> Iterator[str]:
        """Yield the cleaned texts of ``nameLangAware``, then of the flat field; URIs and repeats are left out."""
        by_language = self.languages(f"{name}LangAware")
        order = [language for language in _FIRST_LANGUAGES if language in by_language]
        order += sorted(set(by_language) - set(order))
        candidates = [text for language in order for text in by_language[language]] + self.texts(flat)
        seen: set[str] = set()
        for candidate in candidates:
            text = plain_text(candidate)
            if text and not is_uri(text) and text not in seen:
                seen.add(text)
                yield text


def _join(texts: Iterable[str], separator: str) -> str | None:
    return separator.join(texts) or None


def _agent_names(reader: _Reader) -> dict[str, str]:
    """Return the name of each agent URI, as far as the flat lists of the search answer tell.

    ``edmAgent`` (URIs) and ``edmAgentLabel`` (names) run in parallel only while each agent has one label.
    """
    agents = reader.texts("edmAgent")
    if not agents:
        return {}
    by_language = reader.languages("edmAgentLabelLangAware")
    order = (*_FIRST_LANGUAGES, *sorted(set(by_language) - set(_FIRST_LANGUAGES)))
    for language in order:
        if len(by_language.get(language, [])) == len(agents):
            return dict(zip(agents, by_language[language], strict=True))
    labels = reader.item.get("edmAgentLabel")
    if isinstance(labels, list) and len(labels) == len(agents):
        found = {}
        for agent, label in zip(agents, labels, strict=True):
            name = next(iter(label.values()), None) if isinstance(label, dict) else label
            if isinstance(name, str):
                found[agent] = name
        return found
    if len(agents) == 1 and by_language:
        return {agents[0]: next(by_language[language][0] for language in order if language in by_language)}
    return {}


def _creator(reader: _Reader) -> str | None:
    names = list(reader.preferred("dcCreator", "dcCreator"))
    if not names:
        by_language = reader.languages("dcCreatorLangAware")
        references = [text for texts in by_language.values() for text in texts] + reader.texts("dcCreator")
        known = _agent_names(reader)
        names = list(dict.fromkeys(plain_text(known[uri]) for uri in references if uri in known))
        if references and not names:
            reader.notes.append("creator without a name")
    return _join(names, "; ")


def _date_text(reader: _Reader) -> str | None:
    """Return the provider's own date, else Europeana's year, else the label of its first time span."""
    for name in _DATE_FIELDS:
        text = _join(reader.preferred(name, name), "; ")
        if text:
            return text
    text = _join(dict.fromkeys(plain_text(year) for year in reader.texts("year")), "; ")
    if text:
        return text
    labels = reader.preferred("edmTimespanLabel", "")
    spans = reader.languages("edmTimespanLabelLangAware")
    plain = [label for label in spans.get("def", []) if any(character.isdigit() for character in label)]
    return plain_text(plain[0]) if plain else next(labels, None)


def _rights(reader: _Reader) -> str | None:
    """Return the record's rights statement; where it has several, one that does not allow our use."""
    found = list(dict.fromkeys(text.strip() for text in reader.texts("rights")))
    if len(found) > 1:
        reader.notes.append("several rights statements")
        if not judge_all(found).allowed:
            return next(uri for uri in found if not judge(uri).allowed)
    return found[0] if found else None


def parse_time(value: object) -> datetime | None:
    """Return a time of an answer (``2018-01-16T10:52:45.548Z`` or milliseconds since 1970), or None."""
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(_microseconds(value.strip()))
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _EPOCH + timedelta(milliseconds=value)
    except (ValueError, OverflowError):
        return None
    return None


def _microseconds(text: str) -> str:
    """Return an ISO time in the form that Python 3.10 reads: offset for ``Z``, six digits of fraction."""
    text = re.sub(r"[zZ]$", "+00:00", text)
    return re.sub(r"\.(\d{1,6})\d*", lambda match: "." + match[1].ljust(6, "0"), text)


def content_hash(item: dict[str, Any]) -> str:
    """Return the SHA-256 of an item without the fields in ``VOLATILE``; the order of keys does not matter."""
    stable = {name: value for name, value in item.items() if name not in VOLATILE}
    text = json.dumps(stable, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def parse_item(item: object) -> Record | Unusable:
    """Read one item of a search answer.

    Args:
        item: the item, already scrubbed (see ``clean.scrub``).

    Returns:
        The record with None for what is missing, or ``Unusable`` where there is no proper id.
    """
    if not isinstance(item, dict):
        return Unusable("item is not an object")
    identifier = item.get("id")
    if identifier is None:
        return Unusable("no id")
    if not isinstance(identifier, str) or not _ID.fullmatch(identifier):
        return Unusable("malformed id")
    reader = _Reader(item)
    title = next(reader.preferred("dcTitle", "title"), None)
    date_text = _date_text(reader)
    updated = parse_time(item.get("timestamp_update")) or parse_time(item.get("timestamp_update_epoch"))
    landing_url = reader.first("edmIsShownAt")
    values = {"no title": title, "no date": date_text, "no update time": updated}
    fields: dict[str, Any] = {
        "creator": _creator(reader),
        "description": _join(reader.preferred("dcDescription", "dcDescription"), "\n"),
        "language": reader.first("language"),
        "rights": _rights(reader),
        "image_url": reader.first("edmIsShownBy"),
        "landing_url": unwrap_redirect(landing_url) if landing_url else None,
        "data_provider": reader.first("dataProvider"),
    }
    notes = dict.fromkeys([*reader.notes, *(note for note, value in values.items() if value is None)])
    return Record(
        id=identifier,
        title=title,
        date_text=date_text,
        timestamp_update=updated,
        content_hash=content_hash(item),
        raw=item,
        notes=tuple(notes),
        **fields,
    )


def refusal(record: Record) -> str | None:
    """Return why a record cannot be enriched, or None where it can: it needs a picture that we may use."""
    if record.image_url is None:
        return "no image"
    try:
        parts = urlsplit(record.image_url)
        usable = parts.scheme.lower() in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        return "image is not a web address"
    return judge(record.rights).reason


@dataclass(frozen=True)
class PictureResource:
    """What the Record API says about the picture of a record.

    Attributes:
        url: address of the picture, ``edm:isShownBy``.
        rights: rights statement URI of this very web resource, where it has one.
        mime_type: as Europeana's crawler saw it.
    """

    url: str
    rights: str | None
    mime_type: str | None


def picture_resource(record: object) -> PictureResource | None:
    """Find the picture among a record's web resources: the one whose address is ``edm:isShownBy``.

    The first web resource is no help: it may be the landing page or a IIIF manifest.

    Args:
        record: ``object`` of a Record API answer; any part may be missing.
    """
    for aggregation in _objects(record, "aggregations"):
        shown_by = aggregation.get("edmIsShownBy")
        url = next((text for text in (shown_by if isinstance(shown_by, list) else [shown_by])), None)
        if not isinstance(url, str) or not url.strip():
            continue
        for resource in _objects(aggregation, "webResources"):
            if resource.get("about") == url:
                rights = _Reader(resource).languages("webResourceEdmRights")
                mime_type = resource.get("ebucoreHasMimeType")
                return PictureResource(
                    url=url.strip(),
                    rights=next((text.strip() for texts in rights.values() for text in texts), None),
                    mime_type=mime_type if isinstance(mime_type, str) else None,
                )
        return PictureResource(url.strip(), None, None)
    return None


def _objects(parent: object, name: str) -> list[dict[str, Any]]:
    children = parent.get(name) if isinstance(parent, dict) else None
    return [child for child in children if isinstance(child, dict)] if isinstance(children, list) else []
