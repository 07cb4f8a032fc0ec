"""The ranks of a training: a thin layer over Horovod that also works for a single process."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import horovod.tensorflow as hvd
import tensorflow as tf

from sgob_tasks.detection.training.devices import cores_per_rank, use_devices


@dataclass(frozen=True)
class Ranks:
    """This process among all.

    Attributes:
        rank: 0 to ``size - 1``; rank 0 writes the files.
        size: number of processes.
        local_rank: rank on this node.
        local_size: number of processes on this node.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int

    @property
    def leads(self) -> bool:
        """True on the rank that writes the files."""
        return self.rank == 0


_stall_s = 0.0


def start(stall_s: float = 600.0) -> Ranks:
    """Join the other ranks, and give TensorFlow this rank's share of the node: one GPU, or some of the cores.

    Args:
        stall_s: seconds that ranks wait for one that does not answer before they all end; 0 for ever.
    """
    if not tf.config.list_physical_devices("GPU"):
        # The ranks' background threads meet once a cycle, and wait for each other on a busy loop. At Horovod's usual
        # 1 ms that took a third of two cores from the training itself; here a step has one exchange anyway. Yielding
        # while waiting gives the core to the rank that is waited for.
        os.environ.setdefault("HOROVOD_CYCLE_TIME", "10")
        os.environ.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")
    global _stall_s
    _stall_s = stall_s
    # A rank that computes nothing but still answers is found by Horovod, one that does not even answer by `waiting`.
    os.environ.setdefault("HOROVOD_STALL_CHECK_TIME_SECONDS", str(max(1, round(stall_s / 4))))
    os.environ.setdefault("HOROVOD_STALL_SHUTDOWN_TIME_SECONDS", str(round(stall_s)))
    hvd.init()
    ranks = Ranks(hvd.rank(), hvd.size(), hvd.local_rank(), hvd.local_size())
    use_devices(ranks.local_rank, cores_per_rank(ranks.local_size))
    return ranks


@contextlib.contextmanager
def waiting(what: str) -> Iterator[None]:
    """End this process, and so the job, when an exchange with the other ranks takes longer than ``stall_s``.

    A rank whose node hangs answers nothing any more. MPI waits for it for ever, and in a thread that cannot be
    interrupted: without this the job would hold its nodes until its time is up.

    Args:
        what: what is waited for, for the message.
    """
    if hvd.size() == 1 or not _stall_s:
        yield
        return

    def give_up() -> None:
        sys.stderr.write(
            f"rank {hvd.rank()}: another rank has not answered for {_stall_s:.0f} s ({what}), so this one ends;"
            " started again, the training goes on from its last checkpoint\n"
        )
        sys.stderr.flush()
        os._exit(1)

    timer = threading.Timer(_stall_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def is_broken(error: Exception) -> bool:
    """Tell whether an error says that the exchange between the ranks has broken down."""
    return isinstance(error, (hvd.elastic.HorovodInternalError if hasattr(hvd, "elastic") else ())) or (
        isinstance(error, tf.errors.OpError) and "Horovod" in str(error)
    )


def size() -> int:
    """Return the number of ranks."""
    return int(hvd.size())


def total(tensors: Sequence[Any]) -> list[Any]:
    """Return the sum of each tensor over the ranks; all travel together. Usable inside a graph."""
    if hvd.size() == 1:
        return list(tensors)
    return list(hvd.grouped_allreduce(list(tensors), op=hvd.Sum))


def broadcast(variables: Sequence[Any]) -> None:
    """Give all ranks the values of rank 0."""
    if hvd.size() > 1:
        with waiting("weights"):
            hvd.broadcast_variables(list(variables), root_rank=0)


def gather(value: Any) -> list[Any]:
    """Return every rank's value, in rank order, on every rank."""
    if hvd.size() == 1:
        return [value]
    with waiting("results"):
        gathered: list[Any] = hvd.allgather_object(value)
    return gathered


def wait_for_all() -> None:
    """Return once every rank has come here."""
    if hvd.size() > 1:
        with waiting("all ranks"):
            hvd.allreduce(tf.zeros([1]), op=hvd.Sum, name="wait_for_all")


def stop() -> None:
    """Leave the other ranks in good order."""
    hvd.shutdown()
