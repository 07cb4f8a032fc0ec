"""Python environments on the cluster: side by side, one of them current.

Below the site's root::

    environments/
        wheels/             what environments are installed from; shared, as names hold versions
        built/<build>/      wheels that were built on the cluster (Horovod)
        <id>/venv/          an environment, named by what it is made of
        <id>/manifest.json  what that is
        <id>/installed.json written last by the installation
        <id>/tested.json    written after the self-test passed; without it an environment never becomes current
        current             link to an <id>, replaced by renaming
        history             ids in the order in which they became current
"""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sgob_tasks.cluster.environments.deployment import CURRENT
from sgob_tasks.cluster.shell import Transport, repeatable
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.errors import PermanentError, TransientError

LOCK_WAIT_S = 60
_ID = re.compile(r"[0-9a-f]{12}")
_NOT_TESTED, _NOTHING = 66, 67

_SET = 'ln -sfn "$to" .current.new && mv -fT .current.new current'
# The history is written first: a switch that was cut short leaves an entry too many, after that of the current one,
# and the next change drops it.
_SWITCH = f"""set -eu
[ -f "$to/installed.json" ] && [ -f "$to/tested.json" ] || exit {_NOT_TESTED}
from=$(readlink current || true)
if [ "$from" != "$to" ]; then
    touch history
    awk -v now="$from" -v then="$to" '
        {{ line[NR] = $0; if ($0 == now) place = NR }}
        END {{
            for (i = 1; i <= (place ? place : NR); i++) print line[i]
            if (!place && now != "") print now
            print then
        }}' history > .history.new
    mv -f .history.new history
    {_SET}
fi
echo "switched:$from:$to"
"""
_ROLL_BACK = f"""set -eu
from=$(readlink current) || exit {_NOTHING}
touch history
keep=$(awk -v now="$from" '
    {{ line[NR] = $0 }}
    END {{
        place = NR + 1
        for (i = NR; i > 0; i--) if (line[i] == now) {{ place = i; break }}
        for (i = place - 1; i > 0; i--) if (line[i] != now) {{ print i; exit }}
        print 0
    }}' history)
[ "$keep" -gt 0 ] || exit {_NOTHING}
to=$(sed -n "${{keep}}p" history)
[ -f "$to/installed.json" ] && [ -f "$to/tested.json" ] || exit {_NOT_TESTED}
{_SET}
head -n "$keep" history > .history.new && mv -f .history.new history
echo "switched:$from:$to"
"""


@dataclass(frozen=True)
class Environment:
    """One environment on the cluster.

    Attributes:
        id: its name, made from what it holds.
        manifest: what it is made of; empty where that was not sent yet.
        installed: the installation's last word; empty while it is not complete.
        tested: the self-test's result; empty while it has not passed.
        current: whether jobs use it that ask for the current one.
    """

    id: str
    manifest: Mapping[str, Any]
    installed: Mapping[str, Any]
    tested: Mapping[str, Any]
    current: bool

    @property
    def state(self) -> str:
        """One word for people: current, tested, installed or incomplete."""
        if not self.installed:
            return "incomplete"
        return "current" if self.current else "tested" if self.tested else "installed"


@dataclass(frozen=True)
class Switch:
    """A change of the current environment: ids before (empty for none) and after."""

    before: str
    after: str


def base(site: Site) -> str:
    """Return the folder of all environments of a site."""
    return f"{site.root}/environments"


def folder(site: Site, identity: str) -> str:
    """Return the folder of one environment."""
    return f"{base(site)}/{identity}"


def python_of(site: Site, identity: str) -> str:
    """Return the interpreter of one environment."""
    return f"{folder(site, identity)}/venv/bin/python"


def interpreter(site: Site, transport: Transport) -> str:
    """Return the interpreter for jobs: the site's, or that of the environment which is current now.

    Raises:
        PermanentError: the site asks for the current one and there is none.
        TransientError: the cluster cannot be asked.
    """
    if site.python not in {"", CURRENT}:
        return site.python
    result = repeatable(transport, f"readlink -- {shlex.quote(base(site) + '/current')}", site.command_timeout_s)
    identity = result.stdout.strip().rsplit("\n", 1)[-1].strip()
    if result.exit_code != 0 or not _ID.fullmatch(identity):
        raise PermanentError(f"site {site.name}: no environment was deployed to {base(site)}: run `sgob deploy`")
    return python_of(site, identity)


def environments(site: Site, transport: Transport) -> dict[str, Environment]:
    """Return all environments of a site by id.

    Raises:
        TransientError: the cluster cannot be asked.
    """
    names = "manifest installed tested"
    result = repeatable(
        transport,
        f"cd {shlex.quote(base(site))} 2>/dev/null || exit 0; echo now:$(readlink current); "
        f'for id in *; do [ -d "$id" ] && [ ! -L "$id" ] || continue; for file in {names}; do '
        'printf "%s:%s:" "$id" $file; cat "$id/$file.json" 2>/dev/null || echo; done; done',
        site.command_timeout_s,
    )
    if result.exit_code != 0:
        raise TransientError(f"cannot list {base(site)}: {result.text[-500:]}")
    current = ""
    found: dict[str, dict[str, Any]] = {}
    for line in result.stdout.splitlines():
        identity, _, rest = line.partition(":")
        if identity == "now":
            current = rest
        name, _, text = rest.partition(":")
        if _ID.fullmatch(identity) and name in names.split():
            found.setdefault(identity, {})[name] = _json(text)
    return {
        identity: Environment(
            identity,
            files.get("manifest", {}),
            files.get("installed", {}),
            files.get("tested", {}),
            identity == current,
        )
        for identity, files in sorted(found.items())
    }


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def put_document(transport: Transport, values: Mapping[str, Any], remote: str) -> None:
    """Write a JSON document on the cluster, in one line; it appears whole or not at all."""
    with tempfile.TemporaryDirectory() as local:
        path = Path(local) / "document.json"
        path.write_text(json.dumps(values, sort_keys=True) + "\n", encoding="utf-8")
        transport.put(path, remote)


def switch(site: Site, transport: Transport, identity: str) -> Switch:
    """Make an environment the current one, at once for all jobs submitted from now on.

    Raises:
        PermanentError: it is not installed, or its self-test has not passed.
        TransientError: the cluster cannot be asked.
    """
    return _change(site, transport, f"to={shlex.quote(identity)}\n{_SWITCH}", f"environment {identity}")


def roll_back(site: Site, transport: Transport) -> Switch:
    """Make the environment current that was so before the present one.

    Raises:
        PermanentError: there is none, or it is gone.
        TransientError: the cluster cannot be asked.
    """
    return _change(site, transport, _ROLL_BACK, "the environment before")


def _change(site: Site, transport: Transport, script: str, what: str) -> Switch:
    result = repeatable(
        transport,
        f"cd {shlex.quote(base(site))} 2>/dev/null || exit {_NOTHING}; "
        f"flock -w {LOCK_WAIT_S} .lock bash -c {shlex.quote(script)}",
        site.command_timeout_s + LOCK_WAIT_S,
    )
    if result.exit_code == _NOT_TESTED:
        raise PermanentError(f"{what} is not complete or has not passed its self-test: the current one stays")
    if result.exit_code == _NOTHING:
        raise PermanentError(f"site {site.name}: there is no earlier environment in {base(site)}")
    match = re.search(r"^switched:([0-9a-f]*):([0-9a-f]+)$", result.stdout, re.MULTILINE)
    if result.exit_code != 0 or match is None:
        raise TransientError(f"cannot switch to {what} in {base(site)}: {result.text[-500:]}")
    return Switch(match[1], match[2])
