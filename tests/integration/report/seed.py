"""A night's worth of rows and pictures for tests: written as the platform would, with strangers' texts in them."""

from __future__ import annotations

import hashlib
import io
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from PIL import Image, ImageDraw

from sgob_tasks.harvest.media import media_path
from sgob_tasks.store import tables as t

RUN = "scheduled__2026-11-22T02:00:00+00:00"
EVIL_TITLE = '<script>document.title="owned"</script><img src=x onerror=alert(1)>'
GENERATED = "a person <i>beside"
SAINT = "/90402/SAINT_GEORGE_1"
EVIL = "/90402/EVIL_2"
BROKEN = "/90402/BROKEN_3"
START = datetime(2026, 11, 22, 2, 0, 4, tzinfo=timezone.utc)
SCORES = {
    "before": {"AP": 0.301, "AP50": 0.471, "anachronistic": {"AP50": 0.112}, "by_class": {"horse": 0.4}},
    "after": {"AP": 0.334, "AP50": 0.522, "anachronistic": {"AP50": 0.436}, "by_class": {"horse": 0.61}},
}


def paint(hue: int, size: tuple[int, int] = (900, 700)) -> bytes:
    """Draw a picture of its own kind for each hue."""
    image = Image.new("RGB", size, (hue % 200, 90, 60))
    draw = ImageDraw.Draw(image)
    draw.ellipse((300, 200, 640, 520), fill=(220, 200, 160))
    draw.rectangle((60, 420, 260, 660), fill=(40, 60, hue % 255))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def put_picture(media_dir: Path, content: bytes) -> str:
    """Store a picture as the harvest does and return its hash."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = media_path(media_dir, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return sha256


def _record(record_id: str, **values: Any) -> dict[str, Any]:
    base = {
        "id": record_id, "title": None, "creator": None, "date_text": None, "year_from": None, "year_to": None,
        "rights": "http://creativecommons.org/publicdomain/mark/1.0/", "data_provider": "Museum of Examples",
        "image_url": f"https://example.org{record_id}.jpg", "landing_url": f"https://example.org/item{record_id}",
        "content_hash": record_id, "raw": {},
    }  # fmt: skip
    return base | values


def tagging(record_id: str, uri: str, box: tuple[int, int, int, int]) -> dict[str, Any]:
    """Return a tagging annotation as it is sent to Europeana: the region is in the source's fragment."""
    return {
        "@context": "http://www.w3.org/ns/anno.jsonld",
        "type": "Annotation",
        "motivation": "tagging",
        "created": "2026-11-22T02:10:00Z",
        "body": uri,
        "target": {
            "scope": f"http://data.europeana.eu/item{record_id}",
            "source": f"https://example.org{record_id}.jpg#xywh={','.join(map(str, box))}",
        },
    }


def seed(engine: sa.Engine, media_dir: Path) -> dict[str, str]:
    """Fill an empty store with one enrichment of three pictures.

    Returns:
        SHA-256 of each record's picture.
    """
    hashes = {
        SAINT: put_picture(media_dir, paint(30)),
        EVIL: put_picture(media_dir, paint(120, (500, 900))),
        BROKEN: put_picture(media_dir, b"\xff\xd8\xff this is no JPEG"),
    }
    detector = {
        "model_id": "detector-1", "mask": None, "candidates": {}, "label": None, "label_score": None,
        "label_reason": None,
    }  # fmt: skip
    records = [
        _record(SAINT, title="Saint George and the Dragon", creator="Bernat Martorell", date_text="ca. 1434",
                year_from=1430, year_to=1440),
        _record(EVIL, title=EVIL_TITLE, creator='"><b onclick=alert(1)>', date_text="=1+1", year_from=1890,
                year_to=1890,
                landing_url="javascript:alert(document.cookie)", rights="http://creativecommons.org/licenses/by-sa/4.0/"),
        _record(BROKEN, title="Broken", landing_url="data:text/html,<script>alert(1)</script>"),
    ]  # fmt: skip
    media = [
        {"record_id": record, "url": f"https://example.org{record}.jpg", "state": "fetched", "sha256": sha256,
         "width": width, "height": height, "mime_type": "image/jpeg"}
        for (record, sha256), (width, height) in zip(hashes.items(), [(900, 700), (500, 900), (300, 300)], strict=True)
    ]  # fmt: skip
    detections = [
        detector | {"record_id": SAINT, "sha256": hashes[SAINT], "ordinal": 0, "class_name": "bicycle", "score": 0.91,
                    "x": 300.0, "y": 200.0, "width": 340.0, "height": 320.0, "label": "horse", "label_score": 0.83,
                    "label_reason": "bicycle: not before 1817, the picture is of 1430–1440"},
        detector | {"record_id": SAINT, "sha256": hashes[SAINT], "ordinal": 1, "class_name": "person", "score": 0.88,
                    "x": 60.0, "y": 420.0, "width": 200.0, "height": 240.0, "label": "person", "label_score": 0.88,
                    "mask": {"size": [700, 900], "counts": [42420, 200, 500, 200, 586680]}},
        detector | {"record_id": EVIL, "sha256": hashes[EVIL], "ordinal": 0, "class_name": "dragon", "score": 0.55,
                    "x": 10.5, "y": 20.25, "width": 100.0, "height": 50.0, "label": "dragon", "label_score": 0.62,
                    "label_reason": "the title names a dragon"},
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(sa.insert(t.records), records)
        connection.execute(sa.insert(t.media), media)
        connection.execute(
            sa.insert(t.media).values(
                record_id=SAINT, url="https://example.org/gone.jpg", state="failed", reason="HTTP 404"
            )
        )
        connection.execute(
            sa.insert(t.models).values(
                id="detector-1", name="detector", version=1, state="champion", path="detector-1", sha256="0" * 64,
                config={}, scores=SCORES, training={"images": 400}, created_at=START - timedelta(days=1),
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(t.models).values(
                id="captions-1", name="captions", version=1, state="champion", path="captions-1", sha256="1" * 64,
                config={}, scores={"held_out": {"CIDEr-D": 3.0}}, training={}, created_at=START,
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(t.runs).values(
                id=RUN, kind="enrich", started_at=START, ended_at=START + timedelta(minutes=14), summary={}
            )
        )
        connection.execute(
            sa.insert(t.batches).values(
                id="b1", run_id=RUN, model_id="detector-1", state="loaded", shards=1, pictures=3
            )
        )
        connection.execute(
            sa.insert(t.batch_items),
            [
                {"batch_id": "b1", "sha256": sha256, "shard": 0, "state": "failed" if record == BROKEN else "loaded",
                 "reason": "cannot identify image file" if record == BROKEN else None}
                for record, sha256 in hashes.items()
            ],
        )  # fmt: skip
        ids = [
            connection.execute(sa.insert(t.detections).values(**row).returning(t.detections.c.id)).scalar_one()
            for row in detections
        ]
        connection.execute(
            sa.insert(t.captions),
            [
                {"record_id": SAINT, "source": "description", "ordinal": n, "text": text, "text_hash": str(n),
                 "language": "en", "is_caption": good, "score": score, "classifier": "spacy-1"}
                for n, (text, good, score) in enumerate([
                    ("Saint George on a white horse kills a dragon with his lance.", True, 0.97),
                    ("Bought at auction in 1917.", False, 0.03),
                ])
            ],
        )  # fmt: skip
        connection.execute(
            sa.insert(t.captions).values(
                record_id=SAINT, source="generator", ordinal=0, text=GENERATED, text_hash="g", language="en",
                is_caption=True, score=0.71, classifier="captions-1", sha256=hashes[SAINT],
                attention={
                    "words": [
                        {"word": "a", "boxes": []},
                        {"word": "person", "boxes": [
                            {"label": "person", "box": [60, 420, 200, 240], "weight": 0.8},
                            {"label": "<b>horse", "box": [300, 200, 340, 320], "weight": 0.2},
                        ]},
                        {"word": "<i>beside", "boxes": [{"label": "horse", "box": [300, 200, 340, 320], "weight": 1}]},
                    ],
                    "width": 900, "height": 700,
                },
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(t.relations).values(
                subject_id=ids[1],
                predicate="next_to",
                object_id=ids[0],
                score=0.6,
                reason="side by side <u>",
                version="1",
            )
        )
        connection.execute(
            sa.insert(t.subjects).values(
                record_id=SAINT, sha256=hashes[SAINT], rank=1, notation="11H(GEORGE)41", wikidata="Q48438",
                label="Saint George fighting the dragon", score=0.93, reason="the title names him <s>", version="1",
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(t.annotations),
            [
                {"key": "a" * 64, "record_id": SAINT, "motivation": "tagging", "state": "published", "score": 0.83,
                 "document": tagging(SAINT, "http://www.wikidata.org/entity/Q726", (300, 200, 340, 320)),
                 "detection_id": ids[0], "run_id": RUN, "reason": None, "created_at": START},
                {"key": "b" * 64, "record_id": SAINT, "motivation": "tagging", "state": "rejected", "score": 0.88,
                 "document": tagging(SAINT, "http://www.wikidata.org/entity/Q215627", (60, 420, 200, 240)),
                 "detection_id": ids[1], "run_id": RUN, "reason": "not a person", "created_at": START},
                {"key": "c" * 64, "record_id": EVIL, "motivation": "tagging", "state": "invalid", "score": 0.62,
                 "document": tagging(EVIL, "javascript:alert(2)", (10, 20, 100, 50)), "detection_id": ids[2],
                 "run_id": RUN, "reason": "body is no web address", "created_at": START},
            ],
        )  # fmt: skip
        connection.execute(
            sa.insert(t.publications).values(
                destination="europeana", subject="a" * 64, state="published", attempts=1, run_id=RUN, verified=True,
                external_id="http://data.europeana.eu/annotation/12345", etag='"1"', ended_at=START,
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(t.slurm_jobs).values(
                key="sgob-infer-1", cluster="sandbox", owner=f"dag enrich run {RUN} task detect", state="succeeded",
                job_id="17", run_dir="/scratch/sgob-infer-1", slurm_state="COMPLETED", intended_at=START,
                submitted_at=START, ended_at=START + timedelta(minutes=3),
            )
        )  # fmt: skip
    return hashes
