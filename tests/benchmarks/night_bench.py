"""Seconds of a nightly run that are spent outside the cluster's jobs, on a platform of the benchmark's own."""

from __future__ import annotations

import json
import os
import tempfile
from datetime import datetime
from pathlib import Path

from sgob_tasks.config import Settings
from sgob_tasks.sandbox import slurm
from sgob_tasks.sandbox.night import NIGHT, TRAIN, NightDriver
from sgob_tasks.sandbox.platform import Platform
from sgob_tasks.store.engine import open_store
from sgob_tasks.store.summary import status

# The detector need not be good: the night's work is the same.
TRAINING = {"budget_s": 100, "epochs": 1000}
PAINTED = {"collection": 60, "train": 160, "held_out": 16}


def cluster_seconds(jobs: Path) -> float:
    """Return the seconds between the start of the first task of inference and the end of the last one."""
    markers = [json.loads(path.read_text()) for path in jobs.glob("sgob-infer-*/done/*.json")]
    started = min(datetime.fromisoformat(marker["started_at"]) for marker in markers)
    ended = max(datetime.fromisoformat(marker["ended_at"]) for marker in markers)
    return (ended - started).total_seconds()


def main() -> None:
    """Run a first night and one without news, and print their seconds."""
    slurm_ran = any(slurm.status().values())
    with tempfile.TemporaryDirectory(prefix="sgob-bench-", ignore_cleanup_errors=True) as folder:
        os.environ["SGOB_HOME"] = folder
        platform = Platform(Path(folder), painted=PAINTED, say=lambda _: None)
        try:
            platform.up()
            client = platform.airflow(platform.state()).client()
            first = NightDriver(client, lambda _: None).run(train=(TRAIN,), conf={TRAIN: TRAINING})
            second = NightDriver(client, lambda _: None).run(train=(), conf={})
            counts = status(open_store(Settings(home=platform.home)))
            on_cluster = cluster_seconds(platform.home / "jobs")
        finally:
            platform.down(keep_slurm=slurm_ran)
            os.environ.pop("SGOB_HOME")
    night = sum(first.seconds[dag] for dag in NIGHT)
    published = sum(entry.by_state.get("published", 0) for entry in counts.publications.values())
    print(f"night: {counts.media.total} pictures, {counts.detections.total} detections, {published} publications")
    print(f"night, whole                     {night:7.1f} s  (four DAG runs)")
    print(f"night, Slurm array               {on_cluster:7.1f} s  (first task's start to last task's end)")
    print(f"night, outside cluster jobs      {night - on_cluster:7.1f} s")
    print(f"night without news               {sum(second.seconds[dag] for dag in NIGHT):7.1f} s")


if __name__ == "__main__":
    main()
