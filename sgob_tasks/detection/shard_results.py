"""The results of a shard: what the programs that work through one have in common, from the first line to the summary.

A line for each picture goes to ``results/<I>.jsonl`` as it comes, and what the run cost to ``results/<I>.summary.json``
at the end. A program that is started again leaves out the pictures that have a line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from sgob_tasks.detection.files import write_json
from sgob_tasks.errors import InputError

LOG_INTERVAL_S = 10.0


def say(text: str) -> None:
    """Write a line with the time (UTC) to stdout, which is the job's log."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}\n")
    sys.stdout.flush()


def finished_pictures(path: Path) -> set[str]:
    """Return the pictures that have a whole line in a results file, and cut off a torn last line.

    Raises:
        InputError: a line other than the last is damaged: that is no restart, but a broken file.
    """
    if not path.exists():
        return set()
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    done = set()
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            done.add(str(json.loads(line)["sha256"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(path, f"line {number}", line[:80], "is no result") from error
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
            os.fsync(file.fileno())
    return done


class ShardResults:
    """The results files of one shard.

    Attributes:
        path: of the lines.
        before: pictures that had a line when the program began.
    """

    def __init__(self, job: Path, task: int, started: float) -> None:
        """Make the folder, and look at what an earlier start has left.

        Args:
            job: the job folder.
            task: number of the shard.
            started: ``time.monotonic()`` when the program began.

        Raises:
            InputError: the lines that are there are damaged.
        """
        self._task, self._started = task, started
        self.path = job / "results" / f"{task:04d}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.before = frozenset(finished_pictures(self.path))

    def append(self, batches: Iterable[Iterable[str]], progress: Callable[[], str]) -> None:
        """Append lines, each batch on the disk before the next one is asked for; say now and then how far it is."""
        said = time.monotonic()
        with self.path.open("a", encoding="utf-8") as file:
            for lines in batches:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
                if time.monotonic() - said >= LOG_INTERVAL_S:
                    said = time.monotonic()
                    say(progress())

    def lines(self) -> list[dict[str, Any]]:
        """Return all lines."""
        text = self.path.read_text("utf-8") if self.path.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def interrupted(self, wanted: Collection[str]) -> bool:
        """Say that the program makes room, and return False: the shard is not done.

        Args:
            wanted: all pictures of the shard.
        """
        done = len(finished_pictures(self.path) & set(wanted))
        say(f"shard {self._task}: asked to make room; {done} of {len(wanted)} pictures are done")
        return False

    def finish(self, wanted: Collection[str], facts: Mapping[str, Any]) -> bool:
        """Write the summary, and return True: every picture has a line.

        Args:
            wanted: all pictures of the shard.
            facts: what else the summary says.
        """
        summary = {
            "shard": self._task,
            "count": len(wanted),
            "done_before": len(self.before & set(wanted)),
            "seconds": round(time.monotonic() - self._started, 3),
            **facts,
        }
        write_json(self.path.with_suffix(".summary.json"), summary)
        say(f"shard {self._task}: {summary}")
        return True
