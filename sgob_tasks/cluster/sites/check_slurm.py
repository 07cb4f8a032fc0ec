"""What Slurm's answers say about a site's values. Pure: outputs in, findings out."""

from __future__ import annotations

import math
import re

from sgob_tasks.cluster.shell import CommandResult
from sgob_tasks.cluster.sites.check_nodes import check_time, parse_time
from sgob_tasks.cluster.sites.findings import Finding, failed, ok, warning
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.cluster.slurm import parse_config

# The table of states is complete for 22.05 and knows the words up to 25.11; options that are used are older than 17.11.
OLDEST, NEWEST = (17, 11), (25, 11)
SHORTEST_KILL_WAIT_S = 5
_VERSION = re.compile(r"(\d+)\.(\d+)(?:\.\d+)?")


def check_programs(answer: CommandResult) -> list[Finding]:
    """Check that Slurm's commands and the tools that are used are on the path, and Slurm's version.

    Args:
        answer: lines ``command|path|version``.
    """
    rows = [line.split("|", 2) for line in answer.stdout.splitlines() if line.count("|") >= 2]
    missing = [row[0] for row in rows if not row[1]]
    findings = []
    if missing or not rows:
        findings.append(
            failed(
                "commands",
                f"not on the path: {', '.join(missing) or answer.stdout}",
                "all of them",
                "make them known to a shell without login: extend PATH in ~/.bashrc on the site",
            )
        )
    else:
        findings.append(ok("commands", f"{len(rows)} on the path, sbatch is {rows[0][1]}"))
    versions = [match for row in rows if row[0] == "sbatch" and (match := _VERSION.search(row[2]))]
    expected = f"{OLDEST[0]}.{OLDEST[1]:02d} to {NEWEST[0]}.{NEWEST[1]:02d}"
    if not versions:
        findings.append(warning("slurm.version", "not told", expected, "look at `sbatch --version` on the site"))
    elif not OLDEST <= (int(versions[0][1]), int(versions[0][2])) <= NEWEST:
        action = "states that are not in sgob_tasks/cluster/states.py count as running: compare `man squeue` there"
        findings.append(warning("slurm.version", versions[0][0], expected, action))
    else:
        findings.append(ok("slurm.version", versions[0][0], expected))
    return findings


def _seconds(text: str) -> float:
    match = re.match(r"\d+", text)
    return float(match[0]) if match else math.inf


def check_config(site: Site, answer: CommandResult, *, accounting: bool) -> list[Finding]:
    """Check the controller's limits against the site's values.

    Args:
        site: as configured.
        answer: of ``scontrol show config``.
        accounting: whether sacct answers; without it a job that ended is known for MinJobAge only.
    """
    config = parse_config(answer.stdout)
    if answer.exit_code != 0 or "MinJobAge" not in config:
        action = "the other limits are taken as they stand in the site's file; ask the site"
        return [warning("slurm.config", answer.stdout or f"exit {answer.exit_code}", "scontrol show config", action)]
    return [
        _min_job_age(site, _seconds(config["MinJobAge"]), accounting=accounting),
        *_array_size(site, config),
        _accounting_storage(config),
        _kill_wait(config),
    ]


def _min_job_age(site: Site, age_s: float, *, accounting: bool) -> Finding:
    expected = f"at least {2 * site.poll_max_s:g} s (twice poll_max_s)"
    found = f"{age_s:g} s"
    if age_s >= 2 * site.poll_max_s:
        return ok("slurm.MinJobAge", found, expected)
    action = f"set poll_max_s to {max(age_s / 2, 1):g} or less"
    if accounting:
        return warning("slurm.MinJobAge", found, expected, f"sacct knows ended jobs too; else {action}")
    return failed("slurm.MinJobAge", found, expected, f"{action}: without sacct, jobs that ended are forgotten unseen")


def _array_size(site: Site, config: dict[str, str]) -> list[Finding]:
    size, count = _seconds(config.get("MaxArraySize", "")), _seconds(config.get("MaxJobCount", ""))
    expected = f"at least max_array_size ({site.max_array_size})"
    if size < site.max_array_size:
        action = f"set max_array_size = {size:g}"
        array = failed("slurm.MaxArraySize", f"{size:g}", expected, action)
    else:
        array = ok("slurm.MaxArraySize", f"{size:g}", expected)
    if count < site.max_array_size:
        jobs = failed("slurm.MaxJobCount", f"{count:g}", expected, f"set max_array_size = {count:g} or less")
    elif count < 2 * site.max_array_size:
        action = "other users' jobs count too; a smaller max_array_size leaves room"
        jobs = warning("slurm.MaxJobCount", f"{count:g}", f"twice max_array_size ({site.max_array_size})", action)
    else:
        jobs = ok("slurm.MaxJobCount", f"{count:g}", expected)
    return [array, jobs]


def _accounting_storage(config: dict[str, str]) -> Finding:
    kind, enforce = config.get("AccountingStorageType", "?"), config.get("AccountingStorageEnforce", "none")
    if kind.endswith("/none") or kind == "(null)":
        action = "nothing: markers and squeue decide; keep poll_max_s below half of MinJobAge"
        return warning("slurm.AccountingStorageType", kind, "accounting_storage/slurmdbd", action)
    return ok("slurm.AccountingStorageType", f"{kind}, enforces {enforce}")


def _kill_wait(config: dict[str, str]) -> Finding:
    found_s = _seconds(config.get("KillWait", ""))
    expected = f"at least {SHORTEST_KILL_WAIT_S} s between TERM and KILL"
    if found_s < SHORTEST_KILL_WAIT_S:
        action = "set warning_s for train so that its checkpoint does not depend on it"
        return warning("slurm.KillWait", f"{found_s:g} s", expected, action)
    return ok("slurm.KillWait", f"{found_s:g} s", expected)


def check_answers(queue: CommandResult, accounting: CommandResult) -> list[Finding]:
    """Check that squeue and sacct answer."""
    findings = []
    if queue.exit_code == 0:
        rows = sum("|" in line for line in queue.stdout.splitlines())
        findings.append(ok("slurm.squeue", f"answers; {rows} jobs of ours"))
    else:
        findings.append(
            failed("slurm.squeue", queue.stdout, "an answer", "the controller is down, or munge refuses us")
        )
    if accounting.exit_code == 0:
        findings.append(ok("slurm.sacct", "answers"))
    else:
        action = "jobs run without it; ask the site whether slurmdbd is down or there is none"
        findings.append(warning("slurm.sacct", accounting.stdout, "an answer", action))
    return findings


def check_accounts(site: Site, qos: CommandResult, associations: CommandResult) -> list[Finding]:
    """Check account and quality of service against what sacctmgr shows, with their time limits.

    Args:
        site: as configured.
        qos: lines ``name|MaxWall``.
        associations: the user's, lines ``account|partition|qos,qos|MaxWall``.
    """
    rows = [line.strip().split("|") for line in associations.stdout.splitlines() if line.count("|") == 3]
    if associations.exit_code != 0 or not rows:
        if not (site.qos or site.account):
            return []
        action = "sbatch --test-only below tells whether Slurm takes them"
        return [warning("account", associations.stdout or "no associations", f"{site.account} {site.qos}", action)]
    findings = []
    accounts = sorted({row[0] for row in rows if row[0]})
    if site.account and site.account not in accounts:
        action = f"set account to one of {', '.join(accounts)}"
        findings.append(failed("account", site.account, "an account of ours", action))
        return findings
    ours = [row for row in rows if not site.account or row[0] == site.account]
    findings.append(ok("account", site.account or f"default, of {', '.join(accounts)}"))
    names = sorted({name for row in ours for name in row[2].split(",") if name})
    if site.qos and site.qos not in names:
        action = f"set qos to one of {', '.join(names) or 'nothing'}"
        findings.append(failed("qos", site.qos, "one that the account may use", action))
        return findings
    if site.qos:
        findings.append(ok("qos", site.qos))
    walls = [parse_time(row[1]) for line in qos.stdout.splitlines() if (row := line.strip().split("|"))[0] == site.qos]
    limits = [("the qos", wall) for wall in walls if site.qos] + [("the account", parse_time(ours[0][3]))]
    for whose, limit_s in limits:
        for kind in ("train", "infer"):
            asked_s = site.resources(kind).time_limit_s
            if asked_s > limit_s:
                findings.append(check_time(f"{kind}.time_limit", asked_s, limit_s, whose, kind))
    return findings


def check_test_only(kind: str, answer: CommandResult) -> Finding:
    """Check what Slurm says to a job of a kind that is only tested (``sbatch --test-only``): its own judgement."""
    lines = [line.strip() for line in answer.stdout.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("sbatch:", "allocation failure"))] or lines
    text = "; ".join(told)
    if answer.exit_code == 0:
        return ok(f"sbatch.{kind}", text or "accepted", "Slurm takes the job")
    action = "see the findings on partition, constraint, gpus, account, qos and time limit"
    return failed(f"sbatch.{kind}", text or f"exit {answer.exit_code}", "Slurm takes the job", action)
