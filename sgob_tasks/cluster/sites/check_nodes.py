"""What sinfo says about a site's values: partition, constraint, nodes, cores, memory, GPUs, time. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sgob_tasks.cluster.shell import CommandResult
from sgob_tasks.cluster.sites.findings import Finding, failed, ok, warning
from sgob_tasks.cluster.sites.resources import Resources
from sgob_tasks.cluster.sites.site import Site

_GRES = re.compile(r"gpu(?::([A-Za-z][\w.-]*))?:(\d+)")


@dataclass(frozen=True)
class Partition:
    """One line of sinfo: nodes of a partition that are alike.

    Attributes:
        name: of the partition.
        default: whether jobs go there that name none.
        up: whether it takes jobs.
        time_limit_s: longest job, in seconds; infinite where there is no limit.
        nodes: how many.
        state: of the nodes.
        features: what ``--constraint`` may name.
        gpus: how many by type on each node; type "" where it has none.
        cpus: processors of each node.
        memory_mb: memory of each node.
    """

    name: str
    default: bool
    up: bool
    time_limit_s: float
    nodes: int
    state: str
    features: frozenset[str]
    gpus: tuple[tuple[str, int], ...]
    cpus: int
    memory_mb: int

    @property
    def usable(self) -> bool:
        """Whether its nodes work, now or after a job has ended."""
        return self.up and not re.match(r"down|drain|fail|error|maint|future|unknown|inval", self.state)


def parse_time(text: str) -> float:
    """Return a time as Slurm prints it (``2-00:00:00``, ``2:00:00``, ``30:00``, ``60``: minutes) in seconds.

    Words (``infinite``, ``UNLIMITED``, empty) are infinite.
    """
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if match is None:
        return math.inf
    days, numbers = int(match[1] or 0), [int(part) for part in match.groups()[1:] if part is not None]
    if match[1] is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def parse_partitions(text: str) -> list[Partition]:
    """Read ``sinfo --format='%P|%a|%l|%D|%T|%f|%G|%c|%m'``; lines of another shape are skipped."""
    found = []
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 9 or not fields[3].isdecimal():
            continue
        counts = [int(re.sub(r"\D.*", "", field) or 0) for field in fields[7:]]
        found.append(
            Partition(
                name=fields[0].rstrip("*"),
                default=fields[0].endswith("*"),
                up=fields[1] == "up",
                time_limit_s=parse_time(fields[2]),
                nodes=int(fields[3]),
                state=fields[4].lower(),
                features=frozenset(fields[5].split(",")) - {"(null)", ""},
                gpus=tuple((kind or "", int(count)) for kind, count in _GRES.findall(fields[6])),
                cpus=counts[0],
                memory_mb=counts[1],
            )
        )
    return found


def check_partitions(site: Site, answer: CommandResult) -> list[Finding]:
    """Check partition, constraint, GPUs, cores, memory, nodes and time limit against what sinfo shows.

    Args:
        site: as configured.
        answer: of sinfo, see ``parse_partitions``.
    """
    rows = parse_partitions(answer.stdout)
    if answer.exit_code != 0 or not rows:
        return [failed("slurm.sinfo", answer.stdout, "a list of partitions", "the controller is down, or hides them")]
    names = sorted({row.name for row in rows})
    wanted = set(site.partition.split(",")) if site.partition else {row.name for row in rows if row.default}
    chosen = [row for row in rows if row.name in wanted]
    label = site.partition or f"default ({', '.join(sorted(wanted)) or 'none'})"
    missing = sorted(wanted - set(names)) if site.partition else []
    if not chosen or missing:
        action = f"set partition to one of {', '.join(names)}"
        return [failed("partition", ", ".join(missing) or label, "a partition of this cluster", action)]
    if not any(row.usable for row in chosen):
        state = ", ".join(sorted({row.state for row in chosen}))
        return [warning("partition", f"{label}: {state}", "nodes that work", "wait, or choose another partition")]
    findings = [ok("partition", label)]
    fitting, finding = _constraint(site, chosen)
    findings += finding
    if not fitting:
        return findings
    findings.append(_count(site, fitting))
    for kind in ("train", "infer"):
        findings += _fits(kind, site.resources(kind), site, fitting)
    return findings


def _constraint(site: Site, rows: Sequence[Partition]) -> tuple[list[Partition], list[Finding]]:
    if not site.constraint:
        return list(rows), []
    asked = re.findall(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.sub(r"\*\d+", "", site.constraint))
    there = frozenset().union(*(row.features for row in rows))
    missing = [name for name in asked if name not in there]
    if "|" in site.constraint:
        fitting = [row for row in rows if any(name in row.features for name in asked)]
    else:
        fitting = [row for row in rows if all(name in row.features for name in asked)]
    if not fitting:
        action = f"set constraint to one of {', '.join(sorted(there)) or 'nothing: the nodes have no features'}"
        return [], [failed("constraint", ", ".join(missing) or site.constraint, "a feature of the nodes", action)]
    return fitting, [ok("constraint", f"{site.constraint}: {sum(row.nodes for row in fitting)} nodes")]


def _count(site: Site, rows: Sequence[Partition]) -> Finding:
    # A node may be in several partitions; within one, each line of sinfo holds other nodes.
    by_name: dict[str, int] = {}
    for row in rows:
        by_name[row.name] = by_name.get(row.name, 0) + (row.nodes if row.usable else 0)
    usable = max(by_name.values())
    if usable < site.train.nodes:
        action = f"set train.nodes to {max(usable, 1)} or less, or wait for nodes"
        return failed("nodes", f"{usable} usable", f"{site.train.nodes} for training", action)
    if usable < site.nodes_total:
        return warning("nodes", f"{usable} usable", f"{site.nodes_total}", "some are down; jobs may wait longer")
    return ok("nodes", f"{usable} usable", f"{max(site.nodes_total, site.train.nodes)}")


def _fits(kind: str, asks: Resources, site: Site, rows: Sequence[Partition]) -> list[Finding]:
    findings = []
    cpus = asks.tasks_per_node * asks.cpus_per_task
    most = max(row.cpus for row in rows)
    if cpus > most:
        action = f"set {kind}.cpus_per_task or {kind}.tasks_per_node lower"
        findings.append(failed(f"{kind}.cpus", f"{most} on a node", f"{cpus}", action))
    else:
        findings.append(ok(f"{kind}.cpus", f"{most} on a node", f"{cpus}"))
    memory = max(row.memory_mb for row in rows)
    if asks.memory_mb > memory:
        action = f"set {kind}.memory_mb to {memory} or less"
        findings.append(failed(f"{kind}.memory", f"{memory} MB on a node", f"{asks.memory_mb} MB", action))
    elif asks.memory_mb:
        findings.append(ok(f"{kind}.memory", f"{memory} MB on a node", f"{asks.memory_mb} MB"))
    if asks.gpus_per_node:
        findings.append(_gpus(kind, asks.gpus_per_node, site.gpu_type, rows))
    limit_s = max(row.time_limit_s for row in rows)
    findings.append(check_time(f"{kind}.time_limit", asks.time_limit_s, limit_s, "the partition", kind))
    return findings


def _gpus(kind: str, wanted: int, gpu_type: str, rows: Sequence[Partition]) -> Finding:
    label = f"gpu:{gpu_type + ':' if gpu_type else ''}{wanted}"
    found = max(sum(n for name, n in row.gpus if not gpu_type or name == gpu_type) for row in rows)
    types = sorted({name for row in rows for name, _ in row.gpus if name})
    text = f"{found} on a node" + (f" ({', '.join(types)})" if types else "")
    if found < wanted:
        action = (
            f"set gpu_type to {' or '.join(types)}"
            if types and gpu_type not in types and gpu_type
            else (f"set {kind}.gpus_per_node to {found}")
        )
        return failed(f"{kind}.gpus", text, label, action)
    return ok(f"{kind}.gpus", text, label)


def check_time(check: str, asked_s: float, limit_s: float, whose: str, kind: str) -> Finding:
    """Check a time that is asked for against the longest that somebody takes."""
    found = f"{whose} takes {format_seconds(limit_s)}"
    if asked_s > limit_s:
        action = f"set {kind}.time_limit_s = {limit_s:g}" + ("; training goes on in links" if kind == "train" else "")
        return failed(check, found, format_seconds(asked_s), action)
    return ok(check, found, format_seconds(asked_s))


def format_seconds(seconds: float) -> str:
    """Return a time in hours and minutes."""
    if math.isinf(seconds):
        return "any time"
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min"
