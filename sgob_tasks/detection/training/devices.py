"""Which GPU and how many threads this process uses."""

from __future__ import annotations

import os

import tensorflow as tf


def cores_per_rank(local_size: int) -> int:
    """Return the number of cores this process may use.

    The scheduler's word counts first; then a binding that ``mpirun`` or a control group set; else the node is shared
    evenly.
    """
    told = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("OMP_NUM_THREADS")
    if told and told.isdigit() and int(told) > 0:
        return int(told)
    bound, present = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    return bound if bound < present else max(1, present // local_size)


def use_devices(local_rank: int, cores: int) -> None:
    """Restrict TensorFlow to one GPU (where there are any) and to ``cores`` threads; before its first operation."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        chosen = gpus[local_rank % len(gpus)]
        tf.config.set_visible_devices(chosen, "GPU")
        tf.config.experimental.set_memory_growth(chosen, True)
    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(max(1, cores // 2))
