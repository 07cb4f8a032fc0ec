"""What the command-line programs of the cluster's side have in common: options, messages, exit codes."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from sgob_tasks.detection.options import Command
from sgob_tasks.errors import InputError, SgobError

EXIT_FAILED, EXIT_WRONG_USE, EXIT_STOPPED = 1, 2, 130


def run_program(
    command: Command,
    work: Callable[[argparse.Namespace], tuple[Any, int]],
    render: Callable[[Any], str],
    arguments: list[str] | None,
) -> int:
    """Parse the options, do the work, print its result, and return the exit code.

    Args:
        command: its options.
        work: returns the result and the exit code.
        render: the result in words, where nobody asked for JSON.
        arguments: of the command line; None for this process'.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {command.module}", description=command.description)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    command.add_to(parser)
    parsed = parser.parse_args(arguments)
    # TensorFlow's own remarks on what it finds in this machine are no business of whoever wants a result.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        result, code = work(parsed)
    except SgobError as error:
        sys.stderr.write(f"{command.name}: {error}\n")
        return EXIT_WRONG_USE if isinstance(error, InputError) else EXIT_FAILED
    except KeyboardInterrupt:
        sys.stderr.write(f"{command.name}: stopped\n")
        return EXIT_STOPPED
    text = json.dumps(result, indent=2, ensure_ascii=False) if parsed.json else render(result)
    sys.stdout.write(text + "\n")
    return code
