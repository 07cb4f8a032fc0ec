"""Run all benchmarks, or those that are named: ``python -m tests.benchmarks [NAME ...]``.

``painter`` and ``paintings`` train a detector for a quarter to half an hour each, ``generator`` two caption generators
for a quarter of an hour each (after ``painter``); they run only where they are named.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys

NAMES = ("dags", "harvest", "night", "cluster", "captions", "language", "detector")
LONG = ("painter", "paintings")
OPTIONAL = ("generator",)


def main() -> int:
    """Print the figures of the chosen benchmarks."""
    chosen = [name for name in sys.argv[1:] if not name.startswith("-")] or NAMES
    options = [word for word in sys.argv[1:] if word.startswith("-")]
    unknown = set(chosen) - {*NAMES, *LONG, *OPTIONAL}
    if unknown:
        known = ", ".join(NAMES + LONG + OPTIONAL)
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {known}", file=sys.stderr)
        return 2
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    for name in chosen:
        print(f"\n== {name}", flush=True)
        sys.argv[1:] = options
        if name in LONG:
            importlib.import_module("tests.benchmarks.learning_bench").main(name)
        else:
            importlib.import_module(f"tests.benchmarks.{name}_bench").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
