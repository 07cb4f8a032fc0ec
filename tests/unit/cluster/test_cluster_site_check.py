"""The checks of a site: outputs in, findings out. Slurm's words were recorded from 22.05.8 unless said otherwise."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgob_tasks.cluster.shell import CommandResult
from sgob_tasks.cluster.sites import selfcheck
from sgob_tasks.cluster.sites.check import (
    check_folders,
    check_greeting,
    check_job,
    check_probe,
    check_python,
    check_quota,
    check_space,
    check_unverified,
    parse_quota,
)
from sgob_tasks.cluster.sites.check_nodes import check_partitions, parse_partitions, parse_time
from sgob_tasks.cluster.sites.check_slurm import (
    check_accounts,
    check_answers,
    check_config,
    check_programs,
    check_test_only,
)
from sgob_tasks.cluster.sites.findings import STATUSES, Finding, ok, worst
from sgob_tasks.cluster.sites.site import Resources, Site

SITE = Site(
    "test",
    "/scratch/sgob",
    "/opt/python",
    partition="main",
    constraint="k80",
    gpu_type="k80",
    launcher=("mpirun", "-np", "{ranks}"),
    train=Resources(2, 2, 2, 2, 8000, 86_400),
    infer=Resources(gpus_per_node=1),
)
SINFO = """\
main*|up|2-00:00:00|4|idle|k80|gpu:k80:4|8|16000
debug|up|2:00:00|4|idle|k80|gpu:k80:4|8|16000
scavenge|up|2-00:00:00|4|idle|k80|gpu:k80:4|8|16000
"""
CONFIG = """\
Configuration data as of 2026-11-24T00:01:46
AccountingStorageEnforce = none
AccountingStorageType   = accounting_storage/slurmdbd
KillWait                = 30 sec
MaxArraySize            = 1001
MaxJobCount             = 10000
MinJobAge               = 300 sec
"""


def answer(text: str, code: int = 0) -> CommandResult:
    return CommandResult(code, text)


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


def statuses(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.status for finding in findings if finding.status != "ok"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2-00:00:00", 172_800), ("2:00:00", 7200), ("30:00", 1800), ("60", 3600), ("1-12", 129_600), ("00:00:30", 30),
        ("infinite", math.inf), ("UNLIMITED", math.inf), ("", math.inf), ("n/a", math.inf),
    ],
)  # fmt: skip
def test_times_as_slurm_prints_them(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_times_are_read_back(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert parse_time(f"{days}-{hours:02d}:{minutes:02d}:{seconds:02d}") == total


def test_partitions_are_read_around_banners() -> None:
    rows = parse_partitions("Welcome | to | us\n" + SINFO + "gpu|up|infinite|1|mixed|(null)|(null)|64+|257000+\n")
    assert [row.name for row in rows] == ["main", "debug", "scavenge", "gpu"]
    assert rows[0].default
    assert (rows[0].gpus, rows[0].features) == ((("k80", 4),), frozenset({"k80"}))
    assert (rows[3].cpus, rows[3].memory_mb, rows[3].gpus, rows[3].features) == (64, 257_000, (), frozenset())
    slots = parse_partitions("p|up|1:00|1|idle|a,b|gpu:2(S:0-1),gpu:a100:4(S:0),craynetwork:4|8|1\n")
    assert slots[0].gpus == (("", 2), ("a100", 4))


def test_a_site_that_fits() -> None:
    assert statuses(check_partitions(SITE, answer(SINFO))) == {}


@pytest.mark.parametrize(
    ("changes", "check", "action"),
    [
        ({"partition": "gpu"}, "partition", "debug, main, scavenge"),
        ({"constraint": "v100"}, "constraint", "k80"),
        ({"gpu_type": "v100"}, "train.gpus", "gpu_type to k80"),
        ({"infer": Resources(gpus_per_node=5)}, "infer.gpus", "gpus_per_node to 4"),
        ({"infer": Resources(cpus_per_task=9)}, "infer.cpus", "cpus_per_task"),
        ({"infer": Resources(memory_mb=16_001)}, "infer.memory", "16000"),
        ({"train": Resources(nodes=5)}, "nodes", "train.nodes to 4"),
        ({"partition": "debug"}, "train.time_limit", "train.time_limit_s = 7200"),
    ],
)
def test_what_does_not_fit_is_named_with_its_remedy(changes: dict[str, object], check: str, action: str) -> None:
    found = by_check(check_partitions(replace(SITE, **changes), answer(SINFO)))  # type: ignore[arg-type] # fields
    assert found[check].status == "failed"
    assert action in found[check].action


def test_nodes_that_are_down_do_not_count() -> None:
    text = "main*|up|2-00:00:00|3|down*|k80|gpu:k80:4|8|16000\nmain*|up|2-00:00:00|1|mixed|k80|gpu:k80:4|8|16000\n"
    assert by_check(check_partitions(SITE, answer(text)))["nodes"].status == "failed"
    text = text.replace("down*", "allocated")
    assert by_check(check_partitions(replace(SITE, nodes_total=39), answer(text)))["nodes"].status == "warning"
    assert statuses(check_partitions(SITE, answer("main*|down|1:00|3|idle|k80||8|16000"))) == {"partition": "warning"}


def test_the_default_partition_is_meant_where_none_is_named() -> None:
    assert by_check(check_partitions(replace(SITE, partition=""), answer(SINFO)))["partition"].found == "default (main)"
    none = SINFO.replace("main*", "main")
    assert statuses(check_partitions(replace(SITE, partition=""), answer(none))) == {"partition": "failed"}
    assert statuses(check_partitions(SITE, answer("slurm_load_partitions: Unable to contact", 1))) == {
        "slurm.sinfo": "failed"
    }


@pytest.mark.parametrize(("constraint", "status"), [("k80|v100", "ok"), ("k80&v100", "failed"), ("[k80*2]", "ok")])
def test_constraints_of_several_features(constraint: str, status: str) -> None:
    assert (
        by_check(check_partitions(replace(SITE, constraint=constraint), answer(SINFO)))["constraint"].status == status
    )


@pytest.mark.parametrize(
    ("old", "new", "accounting", "expected"),
    [
        ("", "", True, {}),
        ("300 sec", "20 sec", True, {"slurm.MinJobAge": "warning"}),
        ("300 sec", "20 sec", False, {"slurm.MinJobAge": "failed"}),
        ("= 1001", "= 500", True, {"slurm.MaxArraySize": "failed"}),
        ("= 10000", "= 1500", True, {"slurm.MaxJobCount": "warning"}),
        ("= 10000", "= 900", True, {"slurm.MaxJobCount": "failed"}),
        ("_storage/slurmdbd", "_storage/none", True, {"slurm.AccountingStorageType": "warning"}),
        ("30 sec", "2 sec", True, {"slurm.KillWait": "warning"}),
    ],
)
def test_limits_of_the_controller(old: str, new: str, accounting: bool, expected: dict[str, str]) -> None:
    site = replace(SITE, poll_max_s=150.0)
    assert (
        statuses(check_config(site, answer(CONFIG.replace(old, new, 1) if old else CONFIG), accounting=accounting))
        == expected
    )


def test_a_controller_that_does_not_answer_is_a_warning() -> None:
    text = "slurm_load_ctl_conf error: Unable to contact slurm controller (connect failure)"
    assert statuses(check_config(SITE, answer(text, 1), accounting=True)) == {"slurm.config": "warning"}
    found = statuses(
        check_answers(answer("slurm_load_jobs error", 1), answer("Slurm accounting storage is disabled", 1))
    )
    assert found == {"slurm.squeue": "failed", "slurm.sacct": "warning"}


@pytest.mark.parametrize(
    ("version", "status"),
    [("slurm-wlm 22.05.8", "ok"), ("slurm 17.11.7", "ok"), ("slurm 25.11.0", "ok"), ("slurm 16.05.2", "warning"),
     ("slurm 26.05.0", "warning"), ("", "warning")],
)  # fmt: skip
def test_versions_against_the_table_of_states(version: str, status: str) -> None:
    found = by_check(check_programs(answer(f"sbatch|/usr/bin/sbatch|{version}\nsqueue|/usr/bin/squeue|{version}")))
    assert found["slurm.version"].status == status


def test_commands_that_are_missing_are_named() -> None:
    found = by_check(check_programs(answer("sbatch|/usr/bin/sbatch|slurm 22.05.8\nsacct||\nflock||")))
    assert found["commands"].status == "failed"
    assert "sacct, flock" in found["commands"].found


def test_accounts_and_qos() -> None:
    qos, rows = answer("normal|\ndebug|02:00:00\n"), answer("research||normal,debug|\n")
    assert statuses(check_accounts(SITE, qos, rows)) == {}
    assert statuses(check_accounts(replace(SITE, account="bsc88"), qos, rows)) == {"account": "failed"}
    assert statuses(check_accounts(replace(SITE, qos="bsc_ls"), qos, rows)) == {"qos": "failed"}
    assert statuses(check_accounts(replace(SITE, qos="debug"), qos, rows)) == {"train.time_limit": "failed"}
    assert statuses(check_accounts(SITE, qos, answer("research||normal|12:00:00\n"))) == {"train.time_limit": "failed"}
    assert statuses(check_accounts(replace(SITE, qos="x"), qos, answer("sacctmgr: error", 1))) == {"account": "warning"}
    assert check_accounts(SITE, qos, answer("sacctmgr: error", 1)) == []


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [
        ("sbatch: Job 50 to start at 2026-11-24T00:01:46 using 1 processors on nodes n1 in partition main", 0, "ok"),
        ("allocation failure: Requested time limit is invalid (missing or exceeds some limit)", 1, "failed"),
        (
            "sbatch: error: invalid partition specified: nope\nallocation failure: Invalid partition name specified",
            1,
            "failed",
        ),
        ("", 127, "failed"),
    ],
)
def test_slurm_s_own_judgement(text: str, code: int, status: str) -> None:
    finding = check_test_only("train", answer(text, code))
    assert (finding.check, finding.status) == ("sbatch.train", status)


def greeting(text: str) -> CommandResult:
    return CommandResult(0, f"{text}\n@@sgob begin who\nhpc|login1|/bin/bash|1000.5\n\n@@sgob end who 0\n")


def test_the_login_shell_and_the_clock() -> None:
    assert statuses(check_greeting(greeting(""), 1001.0)) == {}
    found = by_check(check_greeting(greeting("Welcome to \x1b[1mMinoTauro\nload K80/default"), 1300.0))
    assert (found["login.noise"].status, found["clock"].status) == ("warning", "warning")
    assert "\x1b" not in found["login.noise"].found, "what a cluster prints does not reach the terminal raw"
    assert found["clock"].found == "-299.5 s"
    assert statuses(check_greeting(CommandResult(1, "This account is for SFTP only"), 0.0)) == {"login": "failed"}


def folders(root: str, jobs: str = "yes|yes|no", above: str = "yes") -> CommandResult:
    rows = [
        f"/scratch/sgob|{root}",
        f"/scratch/sgob/jobs|{jobs}",
        "/scratch/sgob/code|no|no|no",
        f"/scratch|above|{above}|no",
    ]
    return answer("\n".join(rows))


def test_folders() -> None:
    assert statuses(check_folders(SITE, folders("yes|yes|no"))) == {}
    assert statuses(check_folders(SITE, folders("no|no|no"))) == {"root": "warning"}
    assert statuses(check_folders(SITE, folders("no|no|no", above="no"))) == {"root": "failed"}
    assert statuses(check_folders(SITE, folders("yes|no|no"))) == {"root": "failed"}
    assert statuses(check_folders(SITE, folders("yes|yes|no", jobs="yes|no|no"))) == {"root": "failed"}
    assert statuses(check_folders(SITE, folders("yes|yes|yes", jobs="yes|yes|yes"))) == {"root": "warning"}
    assert statuses(check_folders(SITE, answer("", 1))) == {"root": "failed"}


def df(total: int, free: int) -> CommandResult:
    return answer(f"Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda {total} 1 {free} 1% /\n")


def test_room() -> None:
    assert statuses(check_space(df(10**9, 10**9), df(1000, 900))) == {}
    assert statuses(check_space(df(10**9, 10**7), df(1000, 10))) == {"space": "warning", "inodes": "warning"}
    assert statuses(check_space(df(10**9, 0), df(0, 0))) == {"space": "failed"}
    assert statuses(check_space(answer("df: cannot", 1), answer("", 1))) == {"space": "warning"}


def test_quotas_of_three_kinds() -> None:
    """Shapes from the manuals of quota(1), lfs-quota(1) and mmlsquota(1): none of them runs here."""
    text = (
        "quota|Disk quotas for user me (uid 1001): \n"
        "quota|     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace\n"
        "quota|      /dev/sda1  950000  1000000 1100000             10       0       0        \n"
        "lfs|     /scratch  1200000*  1000000  1100000       -  90  100  200  -\n"
        "mmlsquota|mmlsquota::HEADER:version:reserved:reserved:filesystemName:quotaType:id:name:blockUsage:blockQuota:"
        "blockLimit:blockInDoubt:blockGrace:filesUsage:filesQuota:filesLimit:filesInDoubt:filesGrace:remarks:\n"
        "mmlsquota|mmlsquota::0:1:::gpfs_scratch:USR:1001:me:100:1000:1000:0:none:5:0:0:0:none::\n"
    )
    assert parse_quota(text) == [
        ("/dev/sda1", "KiB", 950_000, 1_000_000),
        ("/scratch", "KiB", 1_200_000, 1_000_000),
        ("/scratch", "files", 90, 100),
        ("gpfs_scratch", "KiB", 100, 1000),
    ]
    assert [finding.status for finding in check_quota(answer(text))] == ["warning", "failed", "warning", "ok"]
    assert check_quota(answer(""))[0].status == "ok"


def python_answer(
    *, before: str = "", prelude: int = 0, launcher: str = "/usr/bin/mpirun", **versions: str | None
) -> CommandResult:
    items: list[dict[str, object]] = [
        {"item": "python", "version": versions.pop("python", "3.10.4"), "executable": "/p"}
    ]
    for name in selfcheck.MODULES:
        version = versions.get(name.partition(".")[0], "2.12.0")
        items.append({"item": name, "version": version, "error": "" if version else "ImportError: libmpi.so.40"})
    lines = [selfcheck.MARK + json.dumps(item) for item in items]
    return answer("\n".join([before, f"@@prelude {prelude}", f"@@launcher {launcher}", *lines]))


def test_the_site_s_python() -> None:
    assert statuses(check_python(SITE, python_answer())) == {}
    assert statuses(check_python(SITE, python_answer(tensorflow="2.16.1"))) == {"python.tensorflow": "failed"}
    assert statuses(check_python(SITE, python_answer(python="3.6.8"))) == {"python": "failed"}
    found = by_check(check_python(SITE, python_answer(horovod=None, launcher="")))
    assert {name for name, one in found.items() if one.status == "failed"} == {"python.horovod", "launcher"}
    assert "libmpi.so.40" in found["python.horovod"].found
    missing = by_check(
        check_python(SITE, answer("@@prelude 0\n@@launcher /m\nbash: /opt/python: No such file or directory", 127))
    )
    assert missing["python"].status == "failed"
    assert "No such file" in missing["python"].found


def test_an_interpreter_that_dies_is_noticed() -> None:
    text = python_answer().stdout.splitlines()
    found = by_check(check_python(SITE, answer("\n".join(text[:-2]), 132)))
    assert {name for name, one in found.items() if one.status == "failed"} == {"python.tensorflow", "python.horovod"}


def test_a_prelude_that_fails_is_named() -> None:
    site = replace(SITE, prelude=("module load K80/default",))
    found = by_check(check_python(site, python_answer(before="bash: line 2: module: command not found", prelude=127)))
    assert found["prelude"].status == "failed"
    assert "modules.sh" in found["prelude"].action
    assert by_check(check_python(site, python_answer(before="load K80/default (PATH)")))["prelude"].status == "ok"


def test_the_self_check_finds_this_interpreter(capsys: pytest.CaptureFixture[str]) -> None:
    assert selfcheck.main([]) == 0
    items = [json.loads(line.removeprefix(selfcheck.MARK)) for line in capsys.readouterr().out.splitlines()]
    assert [item["item"] for item in items] == ["python", "machine", *selfcheck.MODULES, "end"]
    assert items[2]["version"], "numpy is here"


def test_a_job_s_findings() -> None:
    machine = {"item": "machine", "host": "n1", "gpus": ["GPU 0: Tesla K80"]}
    python = [json.loads(line.removeprefix(selfcheck.MARK)) for line in python_answer().stdout.splitlines()[3:]]
    assert statuses(check_job(SITE, [machine, *python], "succeeded: all tasks")) == {}
    blind = statuses(check_job(SITE, [{**machine, "gpus": []}, *python], "succeeded"))
    assert blind == {"job.gpus": "warning"}
    assert statuses(check_job(SITE, [], "failed: exit 1")) == {"job": "failed"}


def test_what_nobody_verified_is_said() -> None:
    assert check_unverified(SITE) == []
    assert check_unverified(replace(SITE, unverified=("qos",)))[0].status == "warning"


def test_the_worst_counts() -> None:
    assert worst([]) == "ok"
    assert worst([ok("a", ""), Finding("b", "failed", ""), Finding("c", "warning", "")]) == "failed"


@given(st.text(), st.integers(-1, 255))
def test_no_answer_breaks_a_check(text: str, code: int) -> None:
    for name in ("programs", "partitions", "folders", "space", "quota", "python", "config", "qos", "associations"):
        section = f"\n@@sgob begin {name}\n{text}\n@@sgob end {name} {abs(code)}\n"
        for finding in check_probe(SITE, CommandResult(0, section)):
            assert finding.status in STATUSES
            assert "\n" not in finding.found
    assert check_greeting(CommandResult(code, text), 0.0)
