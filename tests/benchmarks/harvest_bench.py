"""Throughput and peak memory of a harvest of synthetic records: ``python tests/benchmarks/harvest_bench.py [N ...]``.

The stand-in Europeana serves N records made on the fly; each N is harvested by a process of its own into an embedded
PostgreSQL, so that the peak is that of this harvest alone. Prints one line for each figure.
"""

from __future__ import annotations

import argparse
import os
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr

from sgob_tasks.config import EuropeanaSettings
from sgob_tasks.harvest.client import EuropeanaClient
from sgob_tasks.harvest.ingest import harvest
from sgob_tasks.store import tables
from sgob_tasks.store.embedded import EmbeddedPostgres
from sgob_tasks.store.engine import migrate

SIZES = (10_000, 50_000, 100_000)
GROWTH_ALLOWED = 1.25
"""Peak of the largest harvest relative to the smallest; ten times the records must not cost a quarter more."""


def report(line: str) -> None:
    """Print one line at once, also into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def free_port() -> int:
    """Return a TCP port of the loopback address that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def stand_in(records: int, state: Path, key: str) -> Iterator[str]:
    """Run the stand-in Europeana with synthetic records; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "sgob_tasks.sandbox.europeana", "--synthetic", str(records)]
    command += ["--state", str(state), "--port", str(port), "--api-key", key]
    with (state / "log").open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            for _ in range(100):
                time.sleep(0.2)
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/_control/health", timeout=5).close()
                    break
                except OSError:
                    if process.poll() is not None:
                        raise
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def run_one(url: str, database: str, key: str, records: int) -> None:
    """Harvest everything into an empty database and print seconds, records and peak memory of this process."""
    engine = sa.create_engine(database)
    settings = EuropeanaSettings(
        api_url=url, api_key=SecretStr(key), filters=["TYPE:IMAGE"], min_interval_s=0, max_window_records=20_000
    )
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    end = datetime(2026, 1, 4, tzinfo=timezone.utc)
    began = time.perf_counter()
    with EuropeanaClient(settings) as client:
        counts = harvest(engine, client, start, end, settings)
    seconds = time.perf_counter() - began
    with engine.connect() as connection:
        stored = connection.execute(sa.select(sa.func.count()).select_from(tables.records)).scalar_one()
    if stored != records or counts.windows_open:
        raise SystemExit(f"{stored} records stored of {records}; {counts}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report(f"{seconds:.3f} {peak:.1f}")


def main() -> int:
    """Measure each size; return 1 when the peak memory grows with the number of records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES, help="numbers of records")
    parser.add_argument("--one", nargs=2, metavar=("URL", "DATABASE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run_one(*arguments.one, key=os.environ["BENCH_API_KEY"], records=arguments.sizes[0])
        return 0
    key = secrets.token_hex(8)
    peaks = []
    with tempfile.TemporaryDirectory(prefix="sgob-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder) / "data")
        server.start()
        try:
            for records in arguments.sizes:
                server.create_database(f"bench_{records}")
                database = server.url(f"bench_{records}")
                migrate(sa.create_engine(database, poolclass=sa.NullPool))
                state = Path(folder) / f"state_{records}"
                state.mkdir()
                with stand_in(records, state, key) as url:
                    result = subprocess.run(
                        [sys.executable, __file__, str(records), "--one", url, database],
                        env=os.environ | {"BENCH_API_KEY": key},
                        check=True,
                        capture_output=True,
                        text=True,
                    )
                seconds, peak = (float(word) for word in result.stdout.split())
                peaks.append(peak)
                report(f"harvest_throughput records={records}: {records / seconds:.0f} records/s")
                report(f"harvest_peak_memory records={records}: {peak:.1f} MiB")
        finally:
            server.stop()
    growth = peaks[-1] / peaks[0]
    report(f"harvest_memory_growth from={arguments.sizes[0]} to={arguments.sizes[-1]}: {growth:.2f}")
    return int(growth > GROWTH_ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
