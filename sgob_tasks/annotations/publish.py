"""Sends approved annotations to Europeana, each exactly once.

The intent is written before a call and the outcome after it. What a crash or a lost answer left open is looked up at
the destination before anything is sent: what is there is adopted. The index that the look-up asks may lag, so an
absence is believed only ``settle_s`` after the call. Every published annotation is read back and compared, because
Europeana drops what it does not know without a word.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from sgob_tasks.annotations.client import (
    AccessError,
    DuplicateError,
    NotFoundError,
    RefusedError,
    StoredAnnotation,
    annotation_uri,
)
from sgob_tasks.annotations.ledger import differences, find_published, is_ours
from sgob_tasks.errors import AmbiguousError, TransientError
from sgob_tasks.progress import track
from sgob_tasks.store import annotations as queries
from sgob_tasks.store import publications as store
from sgob_tasks.store.publications import EUROPEANA, AnnotationRow

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH = 200
FIRST_PAUSE_S = 2.0


class Destination(Protocol):
    """What publishing needs of a client; ``AnnotationClient`` is one."""

    def own_creator(self) -> str | None:
        """Return who we are there."""

    def create(self, document: Mapping[str, Any]) -> StoredAnnotation:
        """Store a new annotation."""

    def get(self, uri: str) -> StoredAnnotation:
        """Return an annotation."""

    def search(self, record_id: str) -> list[Mapping[str, Any]]:
        """Return all annotations of a record."""


@dataclass(frozen=True)
class PublicationCounts:
    """What ``publish`` did.

    Attributes:
        published: sent and stored.
        adopted: found at Europeana, sent by a run that broke off.
        duplicates: Europeana had the same tag already, ours or somebody else's.
        failed: refused; the reason is in the store.
        ambiguous: still not known whether it took effect; the next run looks.
        verified: read back and found whole.
        altered: read back and found changed; what differs is in the store.
        remaining: approved and not published yet.
    """

    published: int = 0
    adopted: int = 0
    duplicates: int = 0
    failed: int = 0
    ambiguous: int = 0
    verified: int = 0
    altered: int = 0
    remaining: int = 0


def approve(engine: sa.Engine, run_id: str | None = None, before: datetime | None = None) -> int:
    """Approve proposed annotations, all or those of one run or those from before a time; return their number."""
    return queries.approve_proposed(engine, run_id, before)


def reopen_refused(engine: sa.Engine) -> int:
    """Propose again what Europeana refused, once the cause is mended; return the number of annotations."""
    return queries.reopen_refused(engine)


def publish(
    engine: sa.Engine,
    client: Destination,
    run_id: str | None = None,
    *,
    limit: int | None = None,
    settle_s: float = 60.0,
    max_attempts: int = 5,
    max_wait_s: float = 300.0,
    sleep: Callable[[float], None] = time.sleep,
) -> PublicationCounts:
    """Send approved annotations.

    Args:
        engine: of the store.
        client: of the Annotation API.
        run_id: written into the ledger.
        limit: send at most this many.
        settle_s: how long after a call Europeana's index surely knows what it stored.
        max_attempts: calls for one annotation while the server is busy.
        max_wait_s: longest pause between two of them; when the server asks for more, the step ends.
        sleep: how to pause.

    Returns:
        Counts. Refused annotations are counted, they do not end the step.

    Raises:
        AccessError: we may not write (401, 403). Nothing is lost: the next run goes on.
        TransientError: the server stays busy, or another publication is under way.
    """
    with store.only_publisher(engine):
        run = _Run(engine, client, run_id, settle_s, max_attempts, max_wait_s, sleep)
        run.check_earlier()
        run.settle()
        run.send_approved(limit)
        run.settle()
        return run.result()


class _Run:
    """One run of ``publish``."""

    def __init__(
        self,
        engine: sa.Engine,
        client: Destination,
        run_id: str | None,
        settle_s: float,
        max_attempts: int,
        max_wait_s: float,
        sleep: Callable[[float], None],
    ) -> None:
        self._engine, self._client, self._run_id, self._settle_s = engine, client, run_id, settle_s
        self._max_attempts, self._max_wait_s, self._sleep = max_attempts, max_wait_s, sleep
        self._counts: Counter[str] = Counter()

    def result(self) -> PublicationCounts:
        """Return the counts."""
        ambiguous = len(store.unsettled(self._engine, EUROPEANA))
        remaining = store.count_approved(self._engine, EUROPEANA)
        return PublicationCounts(**self._counts, ambiguous=ambiguous, remaining=remaining)

    def check_earlier(self) -> None:
        """Read back what an earlier run published and could not read back."""
        for row in store.unchecked(self._engine, EUROPEANA):
            self._read_back(row.annotation, row.external_id)

    def send_approved(self, limit: int | None) -> None:
        """Send what is approved, at most ``limit``."""
        waiting = store.count_approved(self._engine, EUROPEANA)
        total = waiting if limit is None else min(limit, waiting)
        for annotation in track(self._approved(limit), "Publishing annotations", total):
            self._send(annotation)

    def _approved(self, limit: int | None) -> Iterable[AnnotationRow]:
        left, after = limit, ("", "")
        while left is None or left > 0:
            size = BATCH if left is None else min(BATCH, left)
            batch = store.approved_batch(self._engine, EUROPEANA, after, size)
            if not batch:
                return
            yield from batch
            after = (batch[-1].record_id, batch[-1].key)
            left = None if left is None else left - len(batch)

    def settle(self) -> None:
        """Find out what became of publications with an unknown outcome; send again what surely is not there."""
        for row in store.unsettled(self._engine, EUROPEANA):
            if self._adopt(row.annotation):
                continue
            wait_s = self._settle_s - (datetime.now(timezone.utc) - row.intended_at).total_seconds()
            if wait_s > 0:
                self._sleep(wait_s)
                if self._adopt(row.annotation):
                    continue
            if row.annotation.state == "approved":
                self._send(row.annotation)
            else:
                self._fail(row.annotation, "the call did not take effect, and it is no longer approved")

    def _adopt(self, annotation: AnnotationRow) -> bool:
        """Take an annotation that is at the destination for the one we wanted to publish; say whether there is one."""
        there = self._patiently(lambda: self._client.search(annotation.record_id))
        found = find_published(annotation, there, self._client.own_creator())
        if found is None:
            return False
        store.settle(self._engine, EUROPEANA, annotation.key, "published", external_id=found["id"], error=None)
        self._counts["adopted"] += 1
        self._read_back(annotation, str(found["id"]))
        return True

    def _send(self, annotation: AnnotationRow) -> None:
        try:
            stored = self._patiently(lambda: self._create(annotation))
        except DuplicateError as error:
            uri = annotation_uri(error.ids[0])
            store.settle(self._engine, EUROPEANA, annotation.key, "published", external_id=uri, error=None)
            self._counts["duplicates"] += 1
            self._read_back(annotation, uri)
        except RefusedError as error:
            self._fail(annotation, str(error))
            queries.invalidate(self._engine, annotation.key, queries.REFUSED + str(error))
        except AmbiguousError as error:
            log.warning("%s: %s", annotation.key, error)
            store.settle(self._engine, EUROPEANA, annotation.key, "ambiguous", error=str(error))
        except (AccessError, TransientError) as error:
            # Surely not stored: it is sent again when the next run comes.
            store.settle(self._engine, EUROPEANA, annotation.key, "failed", error=str(error))
            raise
        else:
            store.settle(
                self._engine,
                EUROPEANA,
                annotation.key,
                "published",
                external_id=stored.uri,
                etag=stored.etag or None,
                error=None,
            )
            self._counts["published"] += 1
            self._read_back(annotation, stored.uri)

    def _create(self, annotation: AnnotationRow) -> StoredAnnotation:
        store.intend(self._engine, EUROPEANA, annotation.key, self._run_id)
        return self._client.create(annotation.document)

    def _fail(self, annotation: AnnotationRow, reason: str) -> None:
        log.warning("%s: %s", annotation.key, reason)
        store.settle(self._engine, EUROPEANA, annotation.key, "failed", error=reason)
        self._counts["failed"] += 1

    def _read_back(self, annotation: AnnotationRow, external_id: str) -> None:
        """Compare what is stored at the destination with what was meant."""
        try:
            kept = self._patiently(lambda: self._client.get(external_id))
        except NotFoundError as error:
            lost = [str(error)]
            document: Mapping[str, Any] = {}
        else:
            lost, document = differences(annotation.document, kept.document), kept.document
        self._counts["altered" if lost else "verified"] += 1
        if lost:
            log.warning("%s: published as %s, but %s", annotation.key, external_id, "; ".join(lost))
        ours = is_ours(document, self._client.own_creator())
        response = {"document": dict(document), "differences": lost, "ours": ours}
        store.set_checked(self._engine, EUROPEANA, annotation.key, verified=not lost, response=response)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Make a call, again with growing pauses while the server is busy.

        Raises:
            TransientError: it stays busy, or asks for a longer pause than is allowed.
        """
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, self._max_attempts + 1):
            try:
                return call()
            except TransientError as error:
                wait_s = pause_s if error.retry_after_s is None else error.retry_after_s
                if attempt == self._max_attempts or wait_s > self._max_wait_s:
                    raise
                log.info("%s; again in %.0f s", error, wait_s)
                self._sleep(wait_s)
                pause_s = min(2 * pause_s, self._max_wait_s)
        raise AssertionError("the loop returns or raises")
