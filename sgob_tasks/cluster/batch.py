"""Batch scripts from ``hpc_templates/*.sbatch.j2``. A script holds every option: it can be read, and run by hand."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from sgob_tasks.cluster.sites.site import TEMPLATES, Resources, Site
from sgob_tasks.cluster.slurm import check_name, format_indices
from sgob_tasks.errors import InputError, PermanentError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class BatchJob:
    """What a template sees of one submission, besides site and resources.

    Attributes:
        name: Slurm's job name: key and generation.
        comment: for people who look at the queue.
        run_dir: job directory on the cluster.
        code: folder on the cluster that holds the package.
        generation: number of this submission of the same work, from 1.
        indices: tasks of this submission; empty for a job that is no array.
    """

    name: str
    comment: str
    run_dir: str
    code: str
    generation: int
    indices: tuple[int, ...] = ()

    @property
    def array(self) -> str:
        """The indices as ``--array`` takes them."""
        return format_indices(self.indices)

    @property
    def log_pattern(self) -> str:
        """Name of the log file, with Slurm's place holder for the index."""
        return f"task-{'%4a' if self.indices else '0000'}.g{self.generation}.log"

    def log_file(self, index: int) -> str:
        """Return the log file of one task, relative to the job directory."""
        return f"logs/task-{index:04d}.g{self.generation}.log"


@functools.lru_cache(maxsize=4)
def _environment(templates: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - shell, not HTML: values go through `q`
    )
    environment.filters["q"] = lambda value: shlex.quote(str(value))
    return environment


def render(kind: str, job: BatchJob, site: Site, resources: Resources, templates: Path = TEMPLATES) -> str:
    """Return the batch script of a submission.

    Args:
        kind: name of the template: ``train`` or ``infer``.
        job: what is submitted.
        site: where.
        resources: what it asks for.
        templates: folder of the templates.

    Raises:
        InputError: a value cannot stand in a script.
        PermanentError: the template asks for something that is not there.
    """
    check_name(job.name)
    for name in site.environment:
        if not _VARIABLE.fullmatch(name):
            raise InputError(f"site {site.name}", "environment", name, "is no name for a variable")
    for field, text in (("comment", job.comment), ("run_dir", job.run_dir), ("code", job.code)):
        # A line break would end a comment line of options and begin a command.
        if set(text) & {"\n", "\r", "\0"}:
            raise InputError(f"job {job.name}", field, text, "has to be one line")
    if len(job.indices) > site.max_array_size:
        raise InputError(
            f"job {job.name}", "tasks", len(job.indices), f"{site.name} takes {site.max_array_size} at most"
        )
    try:
        template = _environment(templates).get_template(f"{kind}.sbatch.j2")
        return template.render(job=job, site=site, resources=resources, launcher=launcher(site, resources))
    except jinja2.TemplateError as error:
        raise PermanentError(f"template {kind}.sbatch.j2: {error}") from error


def launcher(site: Site, resources: Resources) -> Sequence[str]:
    """Return the command that starts one process for each rank."""
    return [part.replace("{ranks}", str(resources.ranks)) for part in site.launcher]
