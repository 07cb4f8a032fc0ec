"""How a record looks in answers: Search items by profile, and the Record API's object.

Search gives almost every field as a list of strings; the Record API gives single strings and language maps. Empty
fields are left out in both. After BriefView, ApiView and RichView of europeana/api2.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sgob_tasks.sandbox.europeana.items import Item, picture_size
from sgob_tasks.sandbox.europeana.query import Lookup
from sgob_tasks.sandbox.europeana.rights import reusability

PORTAL = "https://www.europeana.eu"
_MIME = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".tif": "image/tiff", ".gif": "image/gif"}
_PROVIDER = "Sandbox Aggregator"


def iso(moment: datetime) -> str:
    """Return a time the way the API writes it: ``2018-01-16T10:52:45.548Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _epoch_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def mime_type(item: Item) -> str:
    """Return the media type by the file's name."""
    suffix = item.path.suffix.lower() if item.path else ".jpg"
    return _MIME.get(suffix, "application/octet-stream")


class Views:
    """Builds the JSON of records, with links under ``base_url``."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/")

    def media_url(self, item: Item) -> str:
        """Return edm:isShownBy: the picture at its provider."""
        suffix = item.path.suffix.lower() if item.path else ".jpg"
        return f"{self._base}/provider/{item.dataset}/{item.local}/full{suffix}"

    def landing_url(self, item: Item) -> str:
        """Return edm:isShownAt: the page of the picture at its provider."""
        return f"{self._base}/provider/{item.dataset}/{item.local}"

    def thumbnail_url(self, item: Item) -> str:
        """Return edmPreview."""
        return f"{self._base}/thumbnail/v2/url.json?uri={quote(self.media_url(item), safe='')}&type=IMAGE"

    def search_item(self, item: Item, updated: datetime, profile: set[str], key: str) -> dict[str, Any]:
        """Return one item of a search page: fields by profile, key echoed in ``guid`` and ``link`` (a trap)."""
        year = item.date_text if item.date_text.isdecimal() and len(item.date_text) == 4 else None
        view: dict[str, Any] = {
            "id": item.record_id,
            "type": item.extra.get("type", "IMAGE"),
            "title": [item.title],
            "dcCreator": [item.creator],
            "rights": [item.rights],
            "dataProvider": [item.extra.get("dataProvider", "Sandbox Museum")],
            "provider": [item.extra.get("provider", _PROVIDER)],
            "country": [item.extra.get("country", "Netherlands")],
            "year": [year],
            "edmIsShownAt": [self.landing_url(item)],
            "edmPreview": [self.thumbnail_url(item) if item.has_media else None],
            "previewNoDistribute": False,
            "completeness": 10,
            "europeanaCompleteness": 10,
            "score": 1.0,
            "guid": f"{PORTAL}/item{item.record_id}?utm_source=api&utm_medium=api&utm_campaign={quote(key)}",
            "link": f"{self._base}/record/v2{item.record_id}.json?wskey={quote(key)}",
            "timestamp": _epoch_ms(updated),
        }
        if profile != {"minimal"}:
            view |= {
                "language": [item.language],
                "edmDatasetName": [f"{item.dataset}_Sandbox"],
                "europeanaCollectionName": [f"{item.dataset}_Sandbox"],
                "ugc": [False],
                "dcLanguage": [item.language],
                "dcTitleLangAware": {item.language or "def": [item.title]},
                "dcCreatorLangAware": {"def": [item.creator]},
                "edmIsShownBy": [self.media_url(item) if item.has_media else None],
                "timestamp_created": iso(min(updated, item.updated)),
                "timestamp_created_epoch": _epoch_ms(min(updated, item.updated)),
                "timestamp_update": iso(updated),
                "timestamp_update_epoch": _epoch_ms(updated),
                "index": 0,
            }
        if "rich" in profile:
            view |= {
                "dcDescription": [item.description],
                "dcDescriptionLangAware": {item.language or "def": [item.description]},
                "edmTimespanLabel": [{"def": item.date_text}] if item.date_text else [],
                "edmTimespanLabelLangAware": {"def": [item.date_text]},
                "edmAgentLabelLangAware": {"def": [item.creator]},
            }
        return _without_empty(view)

    def record(self, item: Item, updated: datetime) -> dict[str, Any]:
        """Return ``object`` of a Record API answer."""
        rid, language = item.record_id, item.language or "def"
        media_url, size = self.media_url(item), picture_size(item.path) if item.path else None
        resource: dict[str, Any] = {
            "about": media_url,
            "webResourceEdmRights": {"def": [item.extra.get("webResourceRights", item.rights)]},
            "textAttributionSnippet": f"{item.title} - {PORTAL}/item{rid}. {item.creator}. {item.rights}",
            "ebucoreHasMimeType": mime_type(item),
        }
        if size is not None and item.path is not None:
            resource |= {
                "ebucoreFileByteSize": item.path.stat().st_size,
                "ebucoreWidth": size[0],
                "ebucoreHeight": size[1],
                "edmHasColorSpace": "sRGB",
                "ebucoreOrientation": "landscape" if size[0] >= size[1] else "portrait",
            }
        landing = {"about": self.landing_url(item), "ebucoreHasMimeType": "text/html", "ebucoreFileByteSize": 0}
        provider_proxy = {
            "about": f"/proxy/provider{rid}",
            "dcTitle": {language: [item.title]},
            "dcCreator": {"def": [item.creator]},
            "dcDescription": {language: [item.description]},
            "dcDate": {"def": [item.date_text]},
            "dcLanguage": {"def": [item.language]},
            "proxyIn": [f"/aggregation/provider{rid}"],
            "proxyFor": f"/item{rid}",
            "edmType": item.extra.get("type", "IMAGE"),
            "europeanaProxy": False,
        }
        europeana_proxy = {
            "about": f"/proxy/europeana{rid}",
            "proxyIn": [f"/aggregation/europeana{rid}"],
            "proxyFor": f"/item{rid}",
            "edmType": item.extra.get("type", "IMAGE"),
            "europeanaProxy": True,
        }
        aggregation = {
            "about": f"/aggregation/provider{rid}",
            "edmDataProvider": {"def": [item.extra.get("dataProvider", "Sandbox Museum")]},
            "edmProvider": {"def": [item.extra.get("provider", _PROVIDER)]},
            "edmIsShownBy": media_url if item.has_media else None,
            "edmIsShownAt": self.landing_url(item),
            "edmObject": media_url if item.has_media else None,
            "edmRights": {"def": [item.rights]},
            "edmUgc": "false",
            "aggregatedCHO": f"/item{rid}",
            # The landing page stands first: a client that takes the first web resource gets a page, not a picture.
            "webResources": [landing, _without_empty(resource)] if item.has_media else [landing],
        }
        tier = item.extra.get("contentTier", "4")
        return {
            "about": rid,
            "type": item.extra.get("type", "IMAGE"),
            "edmDatasetName": [f"{item.dataset}_Sandbox"],
            "proxies": [_without_empty(provider_proxy), europeana_proxy],
            "aggregations": [_without_empty(aggregation)],
            "europeanaAggregation": {
                "about": f"/aggregation/europeana{rid}",
                "edmPreview": self.thumbnail_url(item),
                "edmCountry": {"def": [item.extra.get("country", "Netherlands")]},
            },
            "providedCHOs": [{"about": f"/item{rid}"}],
            "qualityAnnotations": [
                {"about": f"/item{rid}", "body": f"http://www.europeana.eu/schemas/epf/contentTier{tier}"}
            ],
            "europeanaCompleteness": 10,
            "timestamp_created": iso(min(updated, item.updated)),
            "timestamp_created_epoch": _epoch_ms(min(updated, item.updated)),
            "timestamp_update": iso(updated),
            "timestamp_update_epoch": _epoch_ms(updated),
        }

    def lookup(self, item: Item, updated: datetime) -> Lookup:
        """Return the values of a record by the names used in queries and facets."""
        fields: dict[str, Callable[[], list[str]]] = {
            "TYPE": lambda: [item.extra.get("type", "IMAGE")],
            "RIGHTS": lambda: [item.rights.replace("https://", "http://")],
            "REUSABILITY": lambda: [reusability(item.rights)],
            "contentTier": lambda: [item.extra.get("contentTier", "4")],
            "metadataTier": lambda: [item.extra.get("metadataTier", "B")],
            "timestamp_update": lambda: [iso(updated)],
            "timestamp_created": lambda: [iso(min(updated, item.updated))],
            "europeana_id": lambda: [item.record_id],
            "edmDatasetName": lambda: [f"{item.dataset}_Sandbox"],
            "LANGUAGE": lambda: [item.language],
            "COUNTRY": lambda: [item.extra.get("country", "Netherlands")],
            "DATA_PROVIDER": lambda: [item.extra.get("dataProvider", "Sandbox Museum")],
            "PROVIDER": lambda: [item.extra.get("provider", _PROVIDER)],
            "YEAR": lambda: [item.date_text],
            "MIME_TYPE": lambda: [mime_type(item)],
            "MEDIA": lambda: ["true" if item.has_media else "false"],
            "THUMBNAIL": lambda: ["true" if item.has_media else "false"],
            "provider_aggregation_edm_isShownBy": lambda: [self.media_url(item)] if item.has_media else [],
            "IMAGE_SIZE": lambda: _image_size(item),
            "title": lambda: [item.title],
            "description": lambda: [item.description],
            "who": lambda: [item.creator],
            "what": lambda: [item.title],
            "text": lambda: [item.title, item.creator, item.description, item.date_text],
        }
        return lambda name: fields[name]() if name in fields else []


def _image_size(item: Item) -> list[str]:
    size = picture_size(item.path) if item.path else None
    if size is None:
        return []
    megapixels = size[0] * size[1] / 1e6
    return [
        "small" if megapixels < 0.5 else "medium" if megapixels < 1 else "large" if megapixels < 4 else "extra_large"
    ]


def _without_empty(view: dict[str, Any]) -> dict[str, Any]:
    """Drop what has no value: the API leaves such fields out, it never writes null."""
    kept: dict[str, Any] = {}
    for name, value in view.items():
        if isinstance(value, list):
            value = [entry for entry in value if entry not in {None, ""}] if _flat(value) else value
        elif isinstance(value, dict):
            value = {k: [e for e in v if e] for k, v in value.items() if any(v)}
        if value not in (None, "", [], {}):
            kept[name] = value
    return kept


def _flat(values: list[Any]) -> bool:
    return all(not isinstance(value, dict) for value in values)
