"""Time to parse ``dags/`` beyond importing Airflow: what every task start and every parsing loop pays for our files."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REPEATS = 5
GOAL_S = 1.0

# In a process of its own, as the DAG processor does it: first what belongs to Airflow, with what it imports only when
# the first DAG or asset is made (the assets of all installed providers), then one file of ours.
_PARSE = """
import json, runpy, sys, time
import airflow.sdk, pendulum
from airflow.providers.standard.operators import hitl, python
from airflow.providers.ssh.hooks import ssh
import airflow.triggers.base
with airflow.sdk.DAG("empty", schedule=[airflow.sdk.Asset(name="empty", uri="bench://empty")]):
    airflow.sdk.task(lambda: None)
start = time.perf_counter()
runpy.run_path(sys.argv[1])
print(json.dumps(time.perf_counter() - start))
"""


def parse_s(path: Path, home: str) -> float:
    """Return the seconds that one file takes in a fresh process that has imported Airflow."""
    environment = {**os.environ, "AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [sys.executable, "-c", _PARSE, str(path)], env=environment, capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print the median of each file and the sum."""
    total = 0.0
    with tempfile.TemporaryDirectory(prefix="sgob-bench-") as home:
        for path in sorted((ROOT / "dags").glob("*.py")):
            median = statistics.median(parse_s(path, home) for _ in range(REPEATS))
            total += median
            print(f"parse {path.name:<26} {median:7.3f} s  (median of {REPEATS})")
    print(f"parse all of dags/               {total:7.3f} s  beyond importing Airflow (goal: under {GOAL_S} s)")


if __name__ == "__main__":
    main()
