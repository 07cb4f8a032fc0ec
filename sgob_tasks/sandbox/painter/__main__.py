"""``python -m sgob_tasks.sandbox.painter``: paint a collection, a training set or a contact sheet."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from sgob_tasks.errors import SgobError
from sgob_tasks.sandbox.painter import paint_collection, paint_training_set
from sgob_tasks.sandbox.painter.dataset import orders, paint_order
from sgob_tasks.sandbox.painter.sheet import contact_sheet


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 done, 1 failed, 2 wrong use."""
    parser = argparse.ArgumentParser(prog="python -m sgob_tasks.sandbox.painter", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder (or PNG file of a sheet) to write")
    parser.add_argument("--seed", type=int, default=1, help="the same seed paints the same pictures")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 192), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--processes", type=int, help="processes that paint (default: 2, or 1 on one core)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--count", type=int, help="paint a collection of this many pictures")
    what.add_argument("--training", type=int, nargs=2, metavar=("TRAIN", "HELD_OUT"), help="paint a training set")
    what.add_argument("--sheet", type=int, metavar="N", help="paint N pictures of a collection on one sheet")
    parser.add_argument("--boxes", action="store_true", help="a sheet with the true boxes")
    parser.add_argument("--no-faults", action="store_true", help="a collection without broken records")
    options = parser.parse_args(arguments)
    size, start = (options.size[0], options.size[1]), time.monotonic()
    try:
        if options.training:
            train, held_out = options.training
            paint_training_set(options.out, train, held_out, options.seed, size=size, processes=options.processes)
            count = train + held_out
        elif options.sheet:
            count = options.sheet
            plan = orders(count, options.seed, "served")
            contact_sheet([paint_order(order, size) for order in plan], boxes=options.boxes).save(options.out)
        else:
            count, faults = options.count, not options.no_faults
            paint_collection(options.out, count, options.seed, size=size, processes=options.processes, faults=faults)
    except SgobError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stderr.write(f"{count} pictures in {options.out} ({time.monotonic() - start:.1f} s)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
