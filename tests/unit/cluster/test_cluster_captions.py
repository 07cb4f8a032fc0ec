"""The kinds of jobs of the caption generator live as those of the detector do."""

from __future__ import annotations

import pytest

from sgob_tasks.cluster.batch import BatchJob, render
from sgob_tasks.cluster.jobdir import Checkpoint, Job
from sgob_tasks.cluster.resume import next_step
from sgob_tasks.cluster.sites.site import Resources, Site
from sgob_tasks.cluster.verdict import JobVerdict, Outcome

SITE = Site("test", "/scratch/sgob", "/python", infer=Resources(memory_mb=7), train=Resources(memory_mb=9))


@pytest.mark.parametrize(
    ("kind", "indices", "program"),
    [
        ("train_captions", (), "srun /python -m sgob_tasks.captions.generator.train"),
        ("generate_captions", (0, 1), "/python -m sgob_tasks.captions.generator.generate"),
    ],
)
def test_the_scripts_start_the_generators_programs(kind: str, indices: tuple[int, ...], program: str) -> None:
    job = BatchJob("k.1", "c", "/job", "/code", 1, indices)
    script = render(kind, job, SITE, SITE.resources(kind))
    assert program in script
    assert ("--array=0-1" in script) == bool(indices)


def test_generation_is_an_array_and_leaves_a_file_a_shard() -> None:
    job = Job("k", "generate_captions", tasks=2)
    assert job.array
    assert job.leaves()[1] == ("results/0001.jsonl", "results/0001.summary.json")
    assert job.asks(SITE).memory_mb == 7


def test_a_training_goes_on_from_checkpoint_to_checkpoint() -> None:
    job = Job("k", "train_captions")
    assert not job.array
    assert job.asks(SITE).memory_mb == 9
    resume = JobVerdict(Outcome.RESUME, "time", (0,))
    first = next_step(job, SITE, resume, {}, Checkpoint("step-1", 1.0))
    assert first.indices == (0,)
    assert first.details["resubmissions"] == first.details["failures"] == 0
    assert next_step(job, SITE, resume, first.details, Checkpoint("step-1", 1.0)).details["failures"] == 1
