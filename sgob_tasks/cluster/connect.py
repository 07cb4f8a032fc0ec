"""From the settings to a cluster that can be worked with."""

from __future__ import annotations

from pathlib import Path

import paramiko
import sqlalchemy as sa

from sgob_tasks.cluster.jobs import Cluster
from sgob_tasks.cluster.sites.site import Site, load_site
from sgob_tasks.cluster.ssh import CONNECT_ATTEMPTS
from sgob_tasks.cluster.transport import ClientFactory, SshTransport, parse_host_key, ssh_client
from sgob_tasks.config import Settings, site_environment
from sgob_tasks.errors import InputError
from sgob_tasks.store.jobs import StoreLedger


def configured_site(settings: Settings, name: str | None = None) -> Site:
    """Return the configured site, completed by ``$SGOB_HOME/sites/<name>.toml`` where that exists.

    Args:
        settings: the installation's.
        name: which site the caller means; nothing but the configured one has a login in the settings.

    Raises:
        InputError: there is no such site, a value in it is wrong, or another one is meant.
    """
    configured = settings.cluster.site
    if name is not None and name != configured:
        raise InputError(
            "command line",
            "site",
            name,
            f"host, account and key in the settings are those of {configured}; for {name} set SGOB_CLUSTER__SITE "
            "and SGOB_CLUSTER__HOST, __PORT, __USER, __KEY_FILE and __HOST_KEY",
        )
    return load_site(configured, site_overlay(settings, configured), environment=site_environment())


def site_overlay(settings: Settings, name: str) -> Path:
    """Return where an installation keeps its own values of a site; the file need not exist."""
    return settings.home / "sites" / f"{name.rsplit('/', 1)[-1].removesuffix('.toml')}.toml"


def check_transfer_key(site: Site) -> paramiko.PKey:
    """Return the transfer host's public key.

    Raises:
        InputError: it is not known, or no key.
    """
    if not site.transfer_host_key:
        raise InputError(
            f"site {site.name}",
            "transfer_host_key",
            "",
            f"has to be set: see `ssh-keyscan -t ed25519 {site.transfer_host}` and compare it with what the site "
            'publishes; or set transfer_host = "", then files go through the login node',
        )
    return parse_host_key(site.transfer_host_key, "transfer_host_key")


def transfer_client(site: Site, user: str, key_file: Path) -> ClientFactory | None:
    """Return a function that connects to the site's transfer host; None where files go through the login node.

    Raises:
        InputError: the transfer host's key is not known.
    """
    if not site.transfer_host:
        return None
    check_transfer_key(site)
    return ssh_client(
        site.transfer_host, site.transfer_port, user, key_file, site.transfer_host_key, "transfer_host_key"
    )


def open_transport(settings: Settings, site: Site, attempts: int = CONNECT_ATTEMPTS) -> SshTransport:
    """Return the way to the configured cluster: commands to the login node, files to the transfer host if it has one.

    Args:
        settings: ``cluster`` names host, port, user, key and the login node's host key.
        site: the cluster; remote paths of files are confined to its root.
        attempts: how often a connection is tried.

    Raises:
        InputError: a setting is missing.
    """
    cluster = settings.cluster
    for field in ("host", "user", "key_file", "host_key"):
        if not getattr(cluster, field):
            raise InputError("settings", f"cluster.{field}", getattr(cluster, field), "has to be set")
    assert cluster.key_file is not None  # noqa: S101 - checked above, for the type checker
    connect = ssh_client(cluster.host, cluster.port, cluster.user, cluster.key_file, cluster.host_key)
    return SshTransport(connect, attempts, files=transfer_client(site, cluster.user, cluster.key_file), root=site.root)


def open_cluster(settings: Settings, engine: sa.Engine, name: str | None = None) -> Cluster:
    """Return the configured cluster, reached over SSH; nothing is connected yet.

    Args:
        settings: ``cluster`` names site, host, port, user, key and the login node's host key.
        engine: the store, which holds the ledger.
        name: which site the caller means; see ``configured_site``.

    Raises:
        InputError: a setting is missing, or another site is meant.
    """
    site = configured_site(settings, name)
    return Cluster(site, open_transport(settings, site), StoreLedger(engine))
