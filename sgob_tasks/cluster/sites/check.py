"""What a login node's answers say about a site: shell, folders, room, clock, Python. Pure: outputs in, findings out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sgob_tasks.cluster.environments.deployment import CURRENT
from sgob_tasks.cluster.shell import CommandResult, split
from sgob_tasks.cluster.sites.check_nodes import check_partitions
from sgob_tasks.cluster.sites.check_slurm import (
    check_accounts,
    check_answers,
    check_config,
    check_programs,
    check_test_only,
)
from sgob_tasks.cluster.sites.findings import Finding, failed, ok, warning
from sgob_tasks.cluster.sites.selfcheck import MARK
from sgob_tasks.cluster.sites.site import Site

SKEW_S = 30.0
FREE_BYTES = 20 * 10**9
FREE_PART = 0.05
QUOTA_PART = 0.9
TENSORFLOW = ((2, 11), (2, 15))
_SILENT = CommandResult(127, "no answer")


def check_unverified(site: Site) -> list[Finding]:
    """Say which values nobody has checked on the cluster."""
    if not site.unverified:
        return []
    action = "what this check and a job confirm, set in your own file: then it is no longer on the list"
    return [warning("site.unverified", ", ".join(site.unverified), "values seen on the cluster itself", action)]


def check_greeting(result: CommandResult, told_at: float) -> list[Finding]:
    """Check the answer to the first command: the account, what the login shell adds to it, the clock.

    Args:
        result: of ``greeting_command``.
        told_at: our clock when the answer came, in seconds since 1970.
    """
    section = split(result.stdout).get("who")
    fields = section.stdout.strip().split("|") if section else []
    if len(fields) != 4:
        action = "its shell has to be a POSIX shell that runs commands without a terminal"
        return [failed("login", result.text or f"exit {result.exit_code}", "an answer", action)]
    user, host, shell, clock = fields
    findings = [ok("login", f"{user} on {host}, {shell}")]
    noise = result.stdout.partition("@@sgob begin")[0].strip()
    if noise:
        action = "answers are read around it; better print nothing in ~/.bashrc unless the shell is interactive"
        findings.append(warning("login.noise", noise, "nothing on standard output", action))
    else:
        findings.append(ok("login.noise", "none"))
    skew_s = float(clock) - told_at if re.fullmatch(r"\d+(\.\d+)?", clock) else None
    expected = f"within {SKEW_S:g} s of ours"
    if skew_s is None:
        findings.append(warning("clock", clock, expected, "`date +%s.%N` is not GNU's"))
    elif abs(skew_s) > SKEW_S:
        action = "synchronise the clock that is wrong: ages of checkpoints and jobs are compared by it"
        findings.append(warning("clock", f"{skew_s:+.1f} s", expected, action))
    else:
        findings.append(ok("clock", f"{skew_s:+.1f} s", expected))
    return findings


def check_probe(site: Site, result: CommandResult) -> list[Finding]:
    """Check the answer to ``probe_command``."""
    sections = split(result.stdout)

    def answer(name: str) -> CommandResult:
        return sections.get(name, _SILENT)

    return [
        *check_programs(answer("programs")),
        *check_answers(answer("queue"), answer("accounting")),
        *check_config(site, answer("config"), accounting=answer("accounting").exit_code == 0),
        *check_partitions(site, answer("partitions")),
        *check_accounts(site, answer("qos"), answer("associations")),
        *(check_test_only(kind, answer(kind)) for kind in ("train", "infer")),
        *check_folders(site, answer("folders")),
        *check_space(answer("space"), answer("inodes")),
        *check_quota(answer("quota")),
        *check_python(site, answer("python")),
    ]


def parse_folders(answer: CommandResult) -> dict[str, tuple[str, bool, bool]]:
    """Read lines ``path|yes, no or above|writable|link``: state, whether writable, whether a link, by path."""
    rows = (line.split("|") for line in answer.stdout.splitlines())
    found: dict[str, tuple[str, bool, bool]] = {}
    for row in rows:
        if len(row) == 4:
            found.setdefault(row[0] if row[1] != "above" else "", (row[1], row[2] == "yes", row[3] == "yes"))
    return found


def check_folders(site: Site, answer: CommandResult) -> list[Finding]:
    """Check that the root and its folders can be written, or can be made."""
    folders = parse_folders(answer)
    if site.root not in folders or "" not in folders:
        return [failed("root", answer.stdout, "an answer", "the login shell is no POSIX shell")]
    there, writable, _ = folders[site.root]
    expected = "a folder we can write"
    if there == "no":
        if folders[""][1]:
            return [warning("root", f"{site.root} does not exist", expected, "nothing: the first job makes it")]
        action = "choose another root, or have the folder made"
        return [failed("root", f"{site.root} does not exist and we cannot make it", expected, action)]
    findings = []
    for path in (site.root, f"{site.root}/jobs", f"{site.root}/code"):
        there, writable, link = folders.get(path, ("no", False, False))
        if there == "yes" and not writable:
            findings.append(failed("root", f"{path} is read-only for us", expected, "mend its owner or mode"))
        elif link and path != site.root:
            action = "`sgob site clean` leaves it alone; make it a folder, or move root to where it leads"
            findings.append(warning("root", f"{path} is a link", "a folder of its own", action))
    return findings or [ok("root", site.root, expected)]


def check_space(space: CommandResult, inodes: CommandResult) -> list[Finding]:
    """Check the room on the work folder's file system, from ``df -Pk`` and ``df -Pi``."""
    findings = []
    for name, answer, unit in (("space", space, "GB"), ("inodes", inodes, "files")):
        row = answer.stdout.splitlines()[-1].split() if answer.stdout.strip() else []
        if answer.exit_code != 0 or len(row) < 6 or not (row[1].isdecimal() and row[3].isdecimal()):
            # File systems without a fixed number of inodes show "-": nothing to check.
            if name == "space":
                findings.append(warning("space", answer.stdout, "an answer of df", "look for free room yourself"))
            continue
        total, free = int(row[1]), int(row[3])
        if total == 0:
            continue
        text = f"{free * 1024 / 1e9:.1f} GB free" if unit == "GB" else f"{free} {unit} free"
        text += f" of {row[0]} ({100 * free / total:.0f} %)"
        little = free < FREE_PART * total or (unit == "GB" and free * 1024 < FREE_BYTES)
        expected = f"{FREE_PART:.0%} or more" + (f" and {FREE_BYTES / 1e9:g} GB" if unit == "GB" else "")
        if free == 0:
            findings.append(failed(name, text, expected, "make room: `sgob site clean`"))
        elif little:
            findings.append(warning(name, text, expected, "make room: `sgob site clean`"))
        else:
            findings.append(ok(name, text, expected))
    return findings


def parse_quota(text: str) -> list[tuple[str, str, int, int]]:
    """Read quotas of three kinds of file system: lines begin with ``quota|``, ``lfs|`` or ``mmlsquota|``.

    Returns:
        file system, ``KiB`` or ``files``, used, limit; without a limit no row.
    """
    found = []
    header: list[str] = []
    for line in text.splitlines():
        kind, _, rest = line.partition("|")
        if kind in {"quota", "lfs"}:
            match = re.fullmatch(r"\s*(\S+)\s+(\d+)\*?\s+(\d+)\s+(\d+)\s+(.*)", rest)
            if match:
                numbers = [int(word) for word in re.findall(r"(?<!\S)\d+(?!\S)", match[5])]
                found.append((match[1], "KiB", int(match[2]), int(match[3]) or int(match[4])))
                if len(numbers) >= 3:
                    found.append((match[1], "files", numbers[0], numbers[1] or numbers[2]))
        elif kind == "mmlsquota":
            cells = rest.split(":")
            if "HEADER" in cells:
                header = cells
            elif header and len(cells) >= len(header) - 1:
                row: Mapping[str, str] = dict(zip(header, cells, strict=False))
                for unit, name in (("KiB", "block"), ("files", "files")):
                    numbers = [int(row.get(f"{name}{part}", "") or 0) for part in ("Usage", "Quota", "Limit")]
                    found.append((row.get("filesystemName", "?"), unit, numbers[0], numbers[1] or numbers[2]))
    return [row for row in found if row[3] > 0]


def check_quota(answer: CommandResult) -> list[Finding]:
    """Check how much of each quota is used."""
    rows = parse_quota(answer.stdout)
    if not rows:
        return [ok("quota", "none told (quota, lfs quota, mmlsquota)")]
    findings = []
    for system, unit, used, limit in rows:
        part = used / limit
        amount = (
            f"{used * 1024 / 1e9:.1f} of {limit * 1024 / 1e9:.1f} GB" if unit == "KiB" else f"{used} of {limit} files"
        )
        text = f"{system}: {amount} ({part:.0%})"
        expected = f"below {QUOTA_PART:.0%}"
        if part >= 1:
            findings.append(failed("quota", text, expected, "make room (`sgob site clean`), or ask for more"))
        elif part >= QUOTA_PART:
            findings.append(warning("quota", text, expected, "make room (`sgob site clean`), or ask for more"))
        else:
            findings.append(ok("quota", text, expected))
    return findings


def parse_selfcheck(text: str) -> list[dict[str, Any]]:
    """Return the findings that ``sgob_tasks.cluster.sites.selfcheck`` printed; other lines are skipped."""
    found = []
    for line in text.splitlines():
        if line.startswith(MARK):
            try:
                value = json.loads(line.removeprefix(MARK))
            except ValueError:
                continue
            if isinstance(value, dict) and "item" in value:
                found.append(value)
    return found


def check_python(site: Site, answer: CommandResult) -> list[Finding]:
    """Check prelude, launcher, and the site's Python with its packages, from the login node.

    Args:
        site: as configured.
        answer: output of prelude and self-check.
    """
    text = answer.stdout
    before, _, after = text.partition("@@prelude ")
    findings = []
    if site.prelude:
        code = after.split(None, 1)[0] if after.split() else "?"
        if code != "0" or "command not found" in before or "No such file" in before:
            action = 'mend prelude; where `module` is unknown, begin with "source /etc/profile.d/modules.sh"'
            findings.append(failed("prelude", before.strip() or f"exit {code}", "no error", action))
        else:
            findings.append(ok("prelude", before.strip() or "no output"))
    launcher = re.search(r"^@@launcher (.*)$", text, re.MULTILINE)
    if site.launcher:
        path = launcher[1].strip() if launcher else ""
        if path:
            findings.append(ok("launcher", path))
        else:
            action = "load the MPI module in prelude, or set launcher"
            findings.append(failed("launcher", f"{site.launcher[0]} is not on the path", "a program", action))
    return [*findings, *check_packages(site, parse_selfcheck(text), "python", text)]


def check_packages(site: Site, items: Sequence[Mapping[str, Any]], label: str, text: str = "") -> list[Finding]:
    """Check the versions that the self-check found.

    Args:
        site: as configured.
        items: its findings.
        label: prefix of the checks' names.
        text: what was printed around them, for a check that says nothing.
    """
    by_item = {str(item["item"]): item for item in items}
    if "python" not in by_item:
        lines = [line for line in text.splitlines() if not line.startswith("@@")]
        found = " ".join(" ".join(lines).split())[-200:] or "no answer"
        action = "run `sgob deploy`" if site.python in {"", CURRENT} else "set python, or build it there"
        return [failed(label, f"{site.python}: {found}", "Python 3.10 or newer", action)]
    version = str(by_item["python"].get("version"))
    if _version(version) < (3, 10):
        findings = [failed(label, version, "3.10 or newer", "build an environment from requirements-hpc.txt")]
    else:
        findings = [ok(label, f"{version}, {by_item['python'].get('executable')}", "3.10 or newer")]
    for name in ("numpy", "PIL", "h5py", "pycocotools.mask", "tensorflow", "horovod.tensorflow"):
        findings.append(_package(site, f"{label}.{name.partition('.')[0]}", by_item.get(name)))
    return findings


def _package(site: Site, check: str, item: Mapping[str, Any] | None) -> Finding:
    name = check.rpartition(".")[2]
    install = "install requirements-hpc.txt into it" + (
        ", and Horovod against the site's MPI" if name == "horovod" else ""
    )
    if item is None:
        return failed(check, "the interpreter died, or the time was over", "importable", install)
    if item.get("version") is None:
        return failed(check, item.get("error", "missing"), "importable", install)
    version = str(item["version"])
    if name == "tensorflow":
        expected = " to ".join(".".join(str(part) for part in bound) for bound in TENSORFLOW)
        if not TENSORFLOW[0] <= _version(version) <= TENSORFLOW[1]:
            return failed(check, version, expected, "install a release between the two; K80 GPUs need 2.11")
        return ok(check, version, expected)
    return ok(check, version)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def check_job(site: Site, items: Sequence[Mapping[str, Any]], reason: str) -> list[Finding]:
    """Check what a self-check job found on a node.

    Args:
        site: as configured.
        items: its findings; empty where the job did not succeed.
        reason: how the job ended.
    """
    if not items:
        return [failed("job", reason, "a job that succeeds", "read its log: the folder is named above")]
    machine = next((item for item in items if item["item"] == "machine"), {})
    findings = [ok("job", f"ran on {machine.get('host', '?')}: {reason}")]
    wanted, gpus = site.infer.gpus_per_node, [str(gpu) for gpu in machine.get("gpus", [])]
    if wanted and len(gpus) < wanted:
        action = "nvidia-smi sees no GPU in a job that asked for one: driver, gres.conf or constraint"
        findings.append(warning("job.gpus", f"{len(gpus)} seen", f"{wanted}", action))
    elif wanted:
        findings.append(ok("job.gpus", "; ".join(gpus), f"{wanted}"))
    return [*findings, *check_packages(site, items, "job.python")]
