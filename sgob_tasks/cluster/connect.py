"""From the settings to a cluster that can be worked with."""

from __future__ import annotations

import sqlalchemy as sa

from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.site import Site, load_site
from sgob_tasks.cluster.transport import SshTransport, ssh_client
from sgob_tasks.config import Settings
from sgob_tasks.errors import InputError
from sgob_tasks.store.jobs import StoreLedger


def configured_site(settings: Settings, site: str | None = None) -> Site:
    """Return a site, completed by ``$SGOB_HOME/sites/<name>.toml`` where that exists.

    Args:
        settings: the installation's.
        site: name of the site or path to its file; by default the configured one.

    Raises:
        InputError: there is no such site, or a value in it is wrong.
    """
    name = site or settings.cluster.site
    stem = name.rsplit("/", 1)[-1].removesuffix(".toml")
    return load_site(name, settings.home / "sites" / f"{stem}.toml")


def open_cluster(settings: Settings, engine: sa.Engine, site: str | None = None) -> Cluster:
    """Return the configured cluster, reached over SSH; nothing is connected yet.

    Args:
        settings: ``cluster`` names site, host, port, user, key and the login node's host key.
        engine: the store, which holds the ledger.
        site: whose values to use; by default the configured one's.

    Raises:
        InputError: a setting is missing.
    """
    cluster = settings.cluster
    for field in ("host", "user", "key_file", "host_key"):
        if not getattr(cluster, field):
            raise InputError("settings", f"cluster.{field}", getattr(cluster, field), "has to be set")
    assert cluster.key_file is not None  # noqa: S101 - checked above, for the type checker
    connect = ssh_client(cluster.host, cluster.port, cluster.user, cluster.key_file, cluster.host_key)
    return Cluster(configured_site(settings, site), SshTransport(connect), StoreLedger(engine))
