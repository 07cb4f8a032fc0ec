"""The questions of ``sgob site check``, as two commands for the login node. Nothing in them changes anything there."""

from __future__ import annotations

import shlex
from pathlib import Path

from sgob_tasks.cluster.batch import BatchJob, render
from sgob_tasks.cluster.environments.deployment import CURRENT
from sgob_tasks.cluster.environments.environment import python_of
from sgob_tasks.cluster.shell import combine
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.cluster.slurm import MY_JOBS, config_command

SELFCHECK = Path(__file__).with_name("selfcheck.py")
PROGRAMS = ("sbatch", "squeue", "sacct", "scancel", "sinfo", "scontrol")
TOOLS = ("bash", "sha256sum", "flock", "find", "xargs", "stat", "tar", "timeout")
IMPORT_TIMEOUT_S = 120


def greeting_command() -> str:
    """Return the first command: who and where we are, and what time it is there."""
    return combine({"who": 'printf "%s|%s|%s|%s\\n" "$(id -un)" "$(hostname)" "$SHELL" "$(date +%s.%N)"'})


def probe_command(site: Site, token: str) -> str:
    """Return the second command: everything else.

    Args:
        site: as configured.
        token: makes the names of scripts that are only tested unique.
    """
    root = shlex.quote(site.root)
    # The nearest folder that is there: what lies below will be made by the first job.
    above = f'd={root}; while [ ! -d "$d" ]; do d=$(dirname "$d"); done'
    return combine(
        {
            "programs": _versions(),
            "config": config_command(),
            "queue": f"squeue --noheader {MY_JOBS} --format='%i|%T'",
            "accounting": f"sacct --allocations --noheader --parsable2 {MY_JOBS} --starttime=now-3600 "
            "--format=JobID,State",
            "partitions": "sinfo --noheader --format='%P|%a|%l|%D|%T|%f|%G|%c|%m'",
            "qos": "sacctmgr --noheader --parsable2 show qos format=Name,MaxWall",
            "associations": 'sacctmgr --noheader --parsable2 show associations where user="$(id -un)" '
            "format=Account,Partition,QOS,MaxWall",
            "train": _test_only(site, "train", token),
            "infer": _test_only(site, "infer", token),
            "folders": f'for f in {root} {root}/jobs {root}/code; do printf "%s|%s|%s|%s\\n" "$f" '
            '"$([ -d "$f" ] && echo yes || echo no)" "$([ -w "$f" ] && echo yes || echo no)" '
            f'"$([ -L "$f" ] && echo yes || echo no)"; done; {above}; '
            'printf "%s|above|%s|no\\n" "$d" "$([ -w "$d" ] && echo yes || echo no)"',
            "space": f'{above}; LC_ALL=C df -Pk -- "$d"',
            "inodes": f'{above}; LC_ALL=C df -Pi -- "$d"',
            "quota": _quota(above),
            "python": _python(site),
        }
    )


def _versions() -> str:
    slurm = (
        f"for c in {' '.join(PROGRAMS)}; do p=$(command -v $c || true); "
        'printf "%s|%s|%s\\n" "$c" "$p" "$([ -z "$p" ] || $c --version 2>&1 | head -n 1)"; done'
    )
    tools = f'for c in {" ".join(TOOLS)}; do printf "%s|%s|\\n" "$c" "$(command -v $c || true)"; done'
    return f"{slurm}; {tools}"


def _test_only(site: Site, kind: str, token: str) -> str:
    """Ask Slurm whether it would take such a job; ``--test-only`` submits nothing."""
    job = BatchJob(
        name=f"sgob-check-{token}",
        comment="only a test",
        run_dir=f"{site.root}/jobs/sgob-check-{token}",
        code=f"{site.root}/code/none",
        generation=1,
        indices=(0,) if kind == "infer" else (),
    )
    script = render(kind, job, site, site.resources(kind))
    return f"printf %s {shlex.quote(script)} | LC_ALL=C sbatch --test-only"


def _quota(above: str) -> str:
    """Ask whichever of the three kinds of quota there is; each row begins with its kind."""
    return (
        f"{above}; "
        "if command -v quota >/dev/null; then LC_ALL=C quota -w 2>&1 | sed 's/^/quota|/'; fi; "
        'if command -v lfs >/dev/null; then lfs quota -q -u "$(id -un)" "$d" 2>&1 | sed "s/^/lfs|/"; fi; '
        'if command -v mmlsquota >/dev/null; then mmlsquota -Y 2>&1 | sed "s/^/mmlsquota|/"; fi; true'
    )


def _python(site: Site) -> str:
    """Run the prelude as a job would, then look for the launcher and import what the detector needs."""
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in sorted(site.environment.items()))
    prelude = "\n".join(site.prelude)
    python = python_of(site, CURRENT) if site.python in {"", CURRENT} else site.python
    launcher = shlex.quote(site.launcher[0]) if site.launcher else "''"
    body = (
        f"cd /\n{prelude}\necho @@prelude $?\n{exports}\nexport PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1\n"
        f"unset PYTHONPATH\nprintf '@@launcher %s\\n' \"$(command -v -- {launcher} || true)\"\n"
        f"exec timeout {IMPORT_TIMEOUT_S} {shlex.quote(python)} -c {shlex.quote(SELFCHECK.read_text())}\n"
    )
    return f"bash -c {shlex.quote(body)} </dev/null"
