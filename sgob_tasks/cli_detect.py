"""``sgob detect``, ``weights`` and ``export-model``: run by the Python of the cluster's side, which has TensorFlow."""

from __future__ import annotations

import argparse
import functools
import subprocess
from typing import Any

from sgob_tasks.detection.options import COMMANDS, Command


def add_detect(verbs: Any) -> None:
    """Add the verbs to the command line."""
    for command in COMMANDS:
        sub = verbs.add_parser(
            command.name,
            help=command.help,
            description=command.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_to(sub)
        sub.set_defaults(handler=functools.partial(_run, command))


def _run(command: Command, parsed: argparse.Namespace) -> None:
    """Run the program with the same options; its output and its exit code are the command's."""
    from sgob_tasks.cluster_python import cluster_environment, cluster_python

    program = [str(cluster_python()), "-m", command.module, *command.arguments(parsed)]
    parsed.exit_code = subprocess.run(program, env=cluster_environment(), check=False).returncode
