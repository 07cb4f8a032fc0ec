from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster.batch import BatchJob, render
from sgob_tasks.cluster.sites.site import TEMPLATES, Resources, Site, load_site
from sgob_tasks.errors import InputError

SITE = Site(name="test", root="/scratch/sgob", python="/opt/env/bin/python")
JOB = BatchJob(
    "sgob-infer-1.2", "a comment", "/scratch/sgob/jobs/sgob-infer-1", "/scratch/sgob/code/abc", 2, (0, 1, 2, 7)
)
SHIPPED = sorted(path.stem for path in (TEMPLATES / "sites").glob("*.toml"))


def overlay(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "over.toml"
    path.write_text(text)
    return path


def test_the_shipped_sites(tmp_path: Path) -> None:
    assert {"sandbox", "minotauro"} <= set(SHIPPED)
    minotauro = load_site("minotauro")
    assert (minotauro.constraint, minotauro.transfer_host) == ("k80", "dt01.bsc.es")
    assert (minotauro.train.gpus_per_node, minotauro.train.time_limit) == (4, "2-00:00:00")
    with pytest.raises(InputError, match="root"):
        load_site("sandbox")
    sandbox = load_site(
        "sandbox", overlay(tmp_path, 'root = "/a/b/"\npython = "/p"\n[environment]\nSLURM_CONF = "/c"\n')
    )
    assert sandbox.root == "/a/b"
    assert sandbox.environment["SLURM_CONF"] == "/c"
    assert sandbox.environment["OMPI_MCA_btl"] == "tcp,self"
    assert sandbox.train.ranks == 2


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("colour = 1", "colour"),
        ("partition = 3", "partition"),
        ('poll_min_s = "fast"', "poll_min_s"),
        ("poll_min_s = 999", "poll_max_s"),
        ("max_failures = 1.5", "max_failures"),
        ('root = "relative"', "root"),
        ('root = "/"', "root"),
        ('prelude = "module load"', "prelude"),
        ("[train]\ngpus = 4", "gpus"),
        ("[train]\nnodes = 0", "nodes"),
        ("[train]\nnodes = true", "nodes"),
        ("train = 4", "train"),
        ("plan = 1", "plan"),
        ("nodes_total = 1.5", "nodes_total"),
        ("[environment]\nA = 1", "environment"),
        ('name = "Mino Tauro"', "name"),
        ("name = ", "TOML"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(InputError, match=field) as caught:
        load_site("minotauro", overlay(tmp_path, text))
    assert caught.value.field == field


def test_an_unknown_site_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="minotauro, sandbox"):
        load_site("marenostrum")


@given(st.integers(60, 10_000_000))
def test_the_time_limit_is_never_cut_short(seconds: int) -> None:
    text = Resources(time_limit_s=seconds).time_limit
    days, _, clock = text.rpartition("-")
    hours, minutes, rest = (int(part) for part in clock.split(":"))
    total = int(days or 0) * 86400 + hours * 3600 + minutes * 60 + rest
    assert seconds <= total < seconds + 60
    assert hours < 24


def bash_accepts(script: str) -> bool:
    return subprocess.run(["/bin/bash", "-n"], input=script.encode(), check=False).returncode == 0


@pytest.mark.parametrize("kind", ["train", "infer"])
def test_scripts_are_bash_and_hold_every_option(kind: str) -> None:
    site = replace(
        SITE,
        partition="main",
        qos="bsc_ls",
        account="bsc88",
        constraint="k80",
        gpu_type="k80",
        directives=("--exclusive",),
        prelude=("module load cuda",),
        environment={"NCCL_DEBUG": "WARN"},
        launcher=("mpirun", "-np", "{ranks}"),
    )
    resources = Resources(2, 4, 4, 4, 6000, 172_800, 600, 3)
    script = render(kind, JOB, site, resources)
    assert bash_accepts(script)
    options = [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH ")]
    expected = {
        "--job-name=sgob-infer-1.2", "--comment='a comment'", "--nodes=2", "--ntasks-per-node=4", "--cpus-per-task=4",
        "--time=2-00:00:00", "--mem=6000M", "--gres=gpu:k80:4", "--signal=B:USR1@600", "--partition=main",
        "--qos=bsc_ls", "--account=bsc88", "--constraint=k80", "--exclusive", "--no-requeue", "--open-mode=append",
    }  # fmt: skip
    assert expected <= set(options)
    assert ("--array=0-2,7%3" in options) == (kind == "infer")
    first_command = next(number for number, line in enumerate(script.splitlines()) if line and line[0] != "#")
    assert all("#SBATCH" not in line for line in script.splitlines()[first_command:]), (
        "Slurm stops at the first command"
    )
    assert ("mpirun -np 8 " in script) == (kind == "train")
    assert "\nmodule load cuda\n" in script


@given(st.text(st.characters(exclude_characters="\n\r\x00", exclude_categories=["Cs"]), max_size=40))
def test_no_value_can_break_out_of_its_quotes(text: str) -> None:
    hostile = replace(SITE, python=f"/opt/{text}", environment={"A": text})
    script = render("infer", replace(JOB, comment=text or "-", run_dir=f"/r/{text}"), hostile, Resources())
    assert bash_accepts(script)
    assert sum(line.startswith("#SBATCH --comment=") for line in script.splitlines()) == 1


@pytest.mark.parametrize("field", ["comment", "run_dir", "code"])
def test_a_line_break_would_be_a_command(field: str) -> None:
    with pytest.raises(InputError, match=field):
        render("infer", replace(JOB, **{field: "x\nrm -rf ~"}), SITE, Resources())


def test_environment_names_are_names() -> None:
    with pytest.raises(InputError, match="environment"):
        render("infer", JOB, replace(SITE, environment={"A;B": "1"}), Resources())


def test_an_array_the_site_cannot_take() -> None:
    with pytest.raises(InputError, match="at most"):
        render("infer", replace(JOB, indices=tuple(range(6))), replace(SITE, max_array_size=5), Resources())
