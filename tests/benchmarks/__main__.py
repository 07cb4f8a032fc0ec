"""Run all benchmarks, or those that are named: ``python -m tests.benchmarks [dags] [harvest] [night] [cluster]``."""

from __future__ import annotations

import importlib
import os
import platform
import sys

NAMES = ("dags", "harvest", "night", "cluster")


def main() -> int:
    """Print the figures of the chosen benchmarks."""
    chosen = sys.argv[1:] or NAMES
    unknown = set(chosen) - set(NAMES)
    if unknown:
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    for name in chosen:
        print(f"\n== {name}", flush=True)
        sys.argv[1:] = []
        importlib.import_module(f"tests.benchmarks.{name}_bench").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
