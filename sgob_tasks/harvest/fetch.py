"""Fetch the pictures that harvests have found: media rows -> files in the media folder.

Threads fetch; this thread alone decides who is asked when and writes what came of it. Each step of a redirect is
queued anew under the host that it leads to, so that limits per host and address checks hold for every step.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import sqlalchemy as sa

from sgob_tasks.config import EuropeanaSettings, MediaSettings
from sgob_tasks.harvest.address import AddressError, parse_target
from sgob_tasks.harvest.breaker import HostBreaker
from sgob_tasks.harvest.media import remove_stale
from sgob_tasks.harvest.picture import pillow_limit
from sgob_tasks.harvest.transfer import Failed, Moved, Outcome, Refused, Stored, fetch_once
from sgob_tasks.progress import track
from sgob_tasks.store import media
from sgob_tasks.store.records import exclusive

log = logging.getLogger(__name__)

MAX_REDIRECTS = 5
FIRST_PAUSE = timedelta(hours=20)
"""Before the second attempt: the next night's run, even if it starts a little earlier."""

HOST_PAUSED = "host left alone after failures in a row"
_BUFFER = 1000


@dataclass(frozen=True)
class MediaCounts:
    """What fetching brought.

    Attributes:
        fetched: pictures stored.
        bytes: their size.
        failed: pictures that did not come, by reason; a later night tries again.
        refused: pictures that will not be tried again, by reason.
        skipped: pictures that were due and not tried, by reason; they stay as they are.
    """

    fetched: int = 0
    bytes: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Job:
    picture: media.DuePicture
    url: str
    host: str
    redirects: int = 0


@dataclass(frozen=True)
class _Done:
    job: _Job
    outcome: Stored | Failed | Refused | None  # None: skipped


def pause_after(attempts: int, retry_after_s: float | None = None) -> timedelta:
    """Return how long to wait after the ``attempts``-th failure: 20 hours, then a day more, doubled each time. Pure."""
    days = 2 ** (max(attempts, 1) - 1) - 1
    return max(FIRST_PAUSE + timedelta(days=days), timedelta(seconds=min(retry_after_s or 0.0, 30 * 86400.0)))


def _host(url: str) -> str:
    """Return the host that limits are counted for; a malformed address has none and is refused when its turn comes."""
    try:
        return parse_target(url).host
    except AddressError:
        return ""


class _Scheduler:
    """Keeps the workers busy within the limits of each host, and yields what came of each picture."""

    def __init__(
        self,
        engine: sa.Engine,
        settings: MediaSettings,
        media_dir: Path,
        user_agent: str,
        now: datetime,
        limit: int,
    ) -> None:
        self._engine, self._settings, self._media_dir = engine, settings, media_dir
        self._user_agent, self._now = user_agent, now
        self._left, self._last_id = limit, 0
        self._queues: dict[str, deque[_Job]] = {}
        self._queued = 0
        self._busy: Counter[str] = Counter()
        self._flying: dict[Future[Outcome], _Job] = {}
        self._breaker = HostBreaker()

    def run(self) -> Iterator[_Done]:
        """Yield each picture once, when it is known what came of it."""
        with ThreadPoolExecutor(self._settings.workers, thread_name_prefix="fetch") as pool:
            try:
                while True:
                    self._fill()
                    yield from self._launch(pool)
                    if not self._flying:
                        if not self._queued and not self._left:
                            return
                        continue
                    for future in wait(self._flying, return_when=FIRST_COMPLETED).done:
                        done = self._land(future)
                        if done:
                            yield done
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _fill(self) -> None:
        """Read due pictures ahead, a bounded number."""
        if not self._left or self._queued > _BUFFER // 2:
            return
        wanted = min(self._left, _BUFFER)
        rows = media.due(self._engine, self._now, self._settings.max_attempts, after=self._last_id, limit=wanted)
        for row in rows:
            self._enqueue(_Job(row, row.url, _host(row.url)))
        self._last_id = rows[-1].id if rows else self._last_id
        self._left = self._left - len(rows) if len(rows) == wanted else 0

    def _enqueue(self, job: _Job) -> None:
        self._queues.setdefault(job.host, deque()).append(job)
        self._queued += 1

    def _launch(self, pool: ThreadPoolExecutor) -> Iterator[_Done]:
        """Hand jobs to free workers, one host after the other; yield those of hosts that are left alone."""
        for host in list(self._queues):
            queue = self._queues[host]
            if not self._breaker.allows(host):
                while queue:
                    self._queued -= 1
                    yield _Done(queue.popleft(), None)
            while queue and self._busy[host] < self._settings.per_host and len(self._flying) < self._settings.workers:
                job = queue.popleft()
                self._queued -= 1
                self._busy[host] += 1
                future = pool.submit(fetch_once, job.url, self._settings, self._media_dir, self._user_agent)
                self._flying[future] = job
            if queue:
                self._queues[host] = self._queues.pop(host)  # to the end: the others come first next time
            else:
                del self._queues[host]

    def _land(self, future: Future[Outcome]) -> _Done | None:
        """Take in what a worker brought; None when the picture has moved on to another address."""
        job = self._flying.pop(future)
        self._busy[job.host] -= 1
        if not self._busy[job.host]:
            del self._busy[job.host]
        outcome = future.result()
        if isinstance(outcome, Failed) and outcome.host_fault:
            self._breaker.failure(job.host)
        else:
            self._breaker.success(job.host)
        if not isinstance(outcome, Moved):
            return _Done(job, outcome)
        if job.redirects >= MAX_REDIRECTS:
            return _Done(job, Failed("too many redirects"))
        self._enqueue(replace(job, url=outcome.url, host=_host(outcome.url), redirects=job.redirects + 1))
        return None


def fetch_media(
    engine: sa.Engine,
    settings: MediaSettings,
    media_dir: Path,
    limit: int | None = None,
    *,
    now: datetime | None = None,
    user_agent: str | None = None,
) -> MediaCounts:
    """Fetch the pictures that are due: new ones, and failed ones whose time has come again.

    Args:
        engine: the store.
        settings: limits for strangers' hosts.
        media_dir: the media folder.
        limit: how many pictures at most; None for all.
        now: the time at which pictures must be due, and from which the next attempt is counted; the present by default.
        user_agent: says who we are and where to complain.

    Raises:
        PermanentError: the media folder cannot be written.
        TransientError: another fetch is running.
    """
    now = now or datetime.now(timezone.utc)
    agent = user_agent or EuropeanaSettings().user_agent
    fetched = size = 0
    failed: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    with exclusive(engine, "fetch of pictures"), pillow_limit(settings.max_pixels):
        remove_stale(media_dir)
        total = media.count_due(engine, now, settings.max_attempts)
        wanted = total if limit is None else min(total, limit)
        scheduler = _Scheduler(engine, settings, media_dir, agent, now, wanted)
        for done in track(scheduler.run(), "Fetching pictures", total=wanted):
            picture, outcome = done.job.picture, done.outcome
            if isinstance(outcome, Stored):
                fetched += 1
                size += outcome.size
                media.mark_fetched(
                    engine,
                    picture.id,
                    sha256=outcome.sha256,
                    mime_type=outcome.mime_type,
                    size=outcome.size,
                    width=outcome.width,
                    height=outcome.height,
                )
            elif isinstance(outcome, Refused):
                refused[outcome.reason] += 1
                media.mark_refused(engine, picture.id, outcome.reason)
            elif isinstance(outcome, Failed):
                failed[outcome.reason] += 1
                attempts = picture.attempts + 1
                last = attempts >= settings.max_attempts
                pause = pause_after(attempts, outcome.retry_after_s)
                media.mark_failed(engine, picture.id, outcome.reason, None if last else now + pause)
            else:
                skipped[HOST_PAUSED] += 1
    counts = MediaCounts(fetched, size, dict(failed), dict(refused), dict(skipped))
    log.info("fetched %d pictures, %d failed, %d refused", fetched, sum(failed.values()), sum(refused.values()))
    return counts
