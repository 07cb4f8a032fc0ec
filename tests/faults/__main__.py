"""Run trials of faults: ``python -m tests.faults [names] [--trials N]``; exit 1 when work was lost or done twice."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from sgob_tasks.sandbox.slurm import down, status, up
from sgob_tasks.sandbox.slurm.cluster import SBIN
from sgob_tasks.store.embedded import EmbeddedPostgres
from sgob_tasks.store.engine import migrate
from tests.faults.trials import FAULTS, HEADER, Tally, markdown, row
from tests.faults.world import World
from tests.integration.cluster.conftest import PORTS, ROOT, USER

for _module in ("submission", "processes", "outages", "endings"):
    importlib.import_module(f"tests.faults.{_module}")


@contextlib.contextmanager
def a_world() -> Iterator[World]:
    """Start the tests' Slurm and a store of our own; leave things as they were."""
    ran = bool(status(ROOT)) and all(status(ROOT).values())
    with tempfile.TemporaryDirectory(prefix="sgob-faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = EmbeddedPostgres(folder / "data")
        server.start()
        try:
            engine = sa.create_engine(server.url("sgob"), poolclass=sa.NullPool)
            migrate(engine)
            world = World(up(ROOT, ports=PORTS, user=USER), engine, folder)
            try:
                yield world
            finally:
                world.close()
        finally:
            server.stop()
            if not ran:
                down(ROOT)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of: {', '.join(FAULTS)}")
    parser.add_argument("--trials", type=int, help="trials of each fault; by default 20 of the first five, fewer else")
    parser.add_argument("--quick", action="store_true", help="as many trials as `make test` does")
    parser.add_argument("--verbose", action="store_true", help="show what the platform logs meanwhile")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="put the table into a Markdown file, between its marks"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(FAULTS)
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    if arguments.trials is not None and arguments.trials < 1:
        parser.error("--trials has to be 1 or more")
    return arguments


def main() -> int:
    """Run the chosen faults and print the table."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO if arguments.verbose else logging.CRITICAL)
    if not arguments.verbose:
        threading.excepthook = lambda _: None  # paramiko's own threads, when their connection is killed
    widths = (56, 7, 11, 7, 8, 13, 8)

    def line(cells: tuple[str, ...]) -> str:
        return cells[0].ljust(widths[0]) + "".join(
            cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)
        )

    tallies: list[Tally] = []
    print(line(HEADER), flush=True)
    with a_world() as world:
        for name in arguments.names or FAULTS:
            trials = FAULTS[name].quick if arguments.quick else arguments.trials
            tallies.append(world.run(name, trials))
            print(line(row(tallies[-1])), flush=True)
            for remark in tallies[-1].remarks:
                print(f"    {remark}", flush=True)
    if arguments.write:
        write(arguments.write, tallies)
    return 0 if all(tally.clean for tally in tallies) else 1


BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def write(path: Path, tallies: list[Tally]) -> None:
    """Put lines into the table between the marks of a Markdown file; those of faults that were not run stay."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    table, _, after = rest.partition(END)
    cells = (line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| "))
    rows = {words[0]: tuple(words) for words in cells} | {tally.fault: row(tally) for tally in tallies}
    known = [rows[fault.title] for fault in FAULTS.values() if fault.title in rows]
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, Slurm {slurm_version()}"
    total = f"{sum(int(words[1]) for words in known)} trials, {sum(int(words[-1]) for words in known)} s"
    path.write_text(f"{before}{BEGIN}\n\n{markdown(known)}\n{where}: {total}.\n\n{END}{after}", encoding="utf-8")


def slurm_version() -> str:
    """Return the release of the Slurm that is installed."""
    program = shutil.which("slurmctld", path=SBIN) or "slurmctld"
    return subprocess.run([program, "-V"], capture_output=True, text=True, check=True).stdout.split()[-1]


if __name__ == "__main__":
    sys.exit(main())
