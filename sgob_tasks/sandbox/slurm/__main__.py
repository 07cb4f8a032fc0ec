"""Command line of the Slurm sandbox alone; prints JSON. This is what runs under sudo."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from sgob_tasks.errors import SgobError
from sgob_tasks.sandbox.slurm import BATCH_USER, SlurmPorts, down, status, up


def main() -> int:
    """Run one of up, down and status."""
    parser = argparse.ArgumentParser(prog="python -m sgob_tasks.sandbox.slurm", description=__doc__)
    parser.add_argument("action", choices=["up", "down", "status"])
    parser.add_argument("--root", type=Path, help="state folder")
    parser.add_argument("--environment", type=Path, help="virtual environment for the jobs")
    parser.add_argument("--ports", type=json.loads, help="JSON with ssh, slurmctld, slurmdbd, slurmd_first")
    parser.add_argument("--user", default=BATCH_USER, help="batch user")
    arguments = parser.parse_args()
    try:
        if arguments.action == "up":
            ports = SlurmPorts(**arguments.ports) if arguments.ports else None
            answer = up(arguments.root, arguments.environment, ports, arguments.user).to_json()
        elif arguments.action == "down":
            answer = json.dumps(down(arguments.root))
        else:
            answer = json.dumps(status(arguments.root))
    except SgobError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(answer + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
