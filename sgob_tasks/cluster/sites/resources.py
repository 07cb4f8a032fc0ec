"""What a job asks Slurm for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sgob_tasks.cluster.sites.values import unknown_key
from sgob_tasks.errors import InputError


@dataclass(frozen=True)
class Resources:
    """What one job, or each task of an array, asks Slurm for.

    Attributes:
        nodes: number of nodes.
        tasks_per_node: processes on each; for training one a GPU.
        cpus_per_task: processors of each process.
        gpus_per_node: GPUs on each node; 0 asks for none.
        memory_mb: memory on each node; 0 leaves it to the partition.
        time_limit_s: wall-clock limit.
        warning_s: how long before the limit the script gets SIGUSR1; 0 for never. Slurm may be a minute early.
        parallel_tasks: how many tasks of an array may run at once; 0 for all.
    """

    nodes: int = 1
    tasks_per_node: int = 1
    cpus_per_task: int = 1
    gpus_per_node: int = 0
    memory_mb: int = 0
    time_limit_s: int = 3600
    warning_s: int = 0
    parallel_tasks: int = 0

    def __post_init__(self) -> None:
        for name, least in (("nodes", 1), ("tasks_per_node", 1), ("cpus_per_task", 1), ("time_limit_s", 60)):
            if getattr(self, name) < least:
                raise InputError("resources", name, getattr(self, name), f"has to be {least} or more")
        for name in ("gpus_per_node", "memory_mb", "warning_s", "parallel_tasks"):
            if getattr(self, name) < 0:
                raise InputError("resources", name, getattr(self, name), "cannot be negative")

    @property
    def ranks(self) -> int:
        """Processes in all."""
        return self.nodes * self.tasks_per_node

    @property
    def time_limit(self) -> str:
        """The limit as ``--time`` takes it; Slurm counts whole minutes, so it is rounded up."""
        hours, minutes = divmod(-(-self.time_limit_s // 60), 60)
        days, hours = divmod(hours, 24)
        return f"{days}-{hours:02d}:{minutes:02d}:00" if days else f"{hours:02d}:{minutes:02d}:00"


def override(resources: Resources, values: Mapping[str, Any], source: str) -> Resources:
    """Return ``resources`` with some values replaced.

    Raises:
        InputError: a field is unknown or not a whole number in its range.
    """
    known = {item.name for item in fields(Resources)}
    for key, value in values.items():
        if key not in known:
            raise unknown_key(source, key, value, known)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(source, key, value, "has to be a whole number")
    return replace(resources, **values)
