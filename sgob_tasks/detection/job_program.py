"""What the programs have in common that Slurm starts in a job directory: options, messages, exit codes.

An exit code of 85 asks for the job to be started again: the program has made room and will go on. 2 means that the job
directory does not fit, 1 that something went wrong.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from sgob_tasks.detection.training.interruption import EXIT_CONTINUE, Interruption
from sgob_tasks.errors import InputError, SgobError

if TYPE_CHECKING:
    from sgob_tasks.detection.training.distributed import Ranks

EXIT_FAILED, EXIT_WRONG_USE = 1, 2


class _Stalls(Protocol):
    @property
    def stall_s(self) -> float: ...


Parameters = TypeVar("Parameters", bound=_Stalls)


@dataclass(frozen=True)
class JobProgram:
    """A program of the cluster's side.

    Attributes:
        module: that ``python -m`` starts.
        about: its description, for ``--help``.
        reads: what it reads of the job directory beside ``job.json``.
    """

    module: str
    about: str | None
    reads: str

    def parser(self) -> argparse.ArgumentParser:
        """Return a parser with the job directory as ``job``."""
        parser = argparse.ArgumentParser(prog=f"python -m {self.module}", description=self.about)
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.add_argument("job", type=Path, metavar="JOBDIR", help=f"job folder with job.json and {self.reads}")
        return parser


def prepare_log() -> None:
    """Log to stderr; TensorFlow's own remarks on what it finds in this machine are left out."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


def exit_code(work: Callable[[], int], who: str = "") -> int:
    """Do the work; return its exit code, or that of its error, which is written to stderr.

    Args:
        work: returns an exit code.
        who: put before the message.
    """
    try:
        return work()
    except SgobError as error:
        sys.stderr.write(f"{who}{error}\n")
        return EXIT_WRONG_USE if isinstance(error, InputError) else EXIT_FAILED


def run_shard(
    program: JobProgram, run: Callable[[Path, int, float, Callable[[], bool]], bool], arguments: list[str] | None
) -> int:
    """Run one task of an array and return the exit code.

    Args:
        program: the program.
        run: given the job directory, the shard's number, the time of the start (``time.monotonic()``) and what tells
            whether room is asked for; returns whether the shard is done.
        arguments: of the command line; None for this process'.
    """
    started, interruption = time.monotonic(), Interruption()
    parser = program.parser()
    parser.add_argument("--task", type=int, default=0, metavar="I", help="number of the shard (default: 0)")
    parsed = parser.parse_args(arguments)
    prepare_log()

    def work() -> int:
        return 0 if run(parsed.job, parsed.task, started, lambda: interruption.requested) else EXIT_CONTINUE

    return exit_code(work)


def run_training(
    program: JobProgram,
    kind: type[Parameters],
    run: Callable[[Path, Parameters, Ranks, Interruption, float], int],
    arguments: list[str] | None,
) -> int:
    """Run a training on this rank and return the exit code.

    Args:
        program: the program.
        kind: of the parameters in ``job.json``; they have ``stall_s``.
        run: given the job directory, its parameters, the ranks, the handler of signals and the time of the start;
            returns the exit code.
        arguments: of the command line; None for this process'.
    """
    started, interruption = time.monotonic(), Interruption()
    job = program.parser().parse_args(arguments).job
    prepare_log()
    from sgob_tasks.detection.parameters import read_parameters

    try:
        parameters = read_parameters(job, kind)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_WRONG_USE
    from sgob_tasks.detection.training import distributed  # imports TensorFlow: after the signal handler

    ranks = distributed.start(parameters.stall_s)
    try:
        code = exit_code(lambda: run(job, parameters, ranks, interruption, started), f"rank {ranks.rank}: ")
    except Exception as error:
        if not distributed.is_broken(error):
            raise
        sys.stderr.write(
            f"rank {ranks.rank}: another rank has ended or does not answer (see its own message), so this one ends too;"
            " started again, the training goes on from its last checkpoint\n"
        )
        sys.stderr.flush()
        os._exit(EXIT_FAILED)  # an orderly end would wait for the rank that is gone
    if code not in {EXIT_FAILED, EXIT_WRONG_USE}:
        distributed.stop()
    return code
