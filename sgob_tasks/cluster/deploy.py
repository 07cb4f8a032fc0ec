"""Put this platform's code on the cluster: once for each content, side by side, never in place.

Nodes have no internet and running jobs must not see their code change, so each content has a folder of its own, named
by its hash. The interpreter and its packages are the site's (``requirements-hpc.txt``).
"""

from __future__ import annotations

import hashlib
import io
import shlex
import tarfile
import tempfile
import uuid
from pathlib import Path

from sgob_tasks.cluster.shell import Transport, repeatable
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.errors import InputError, TransientError

PACKAGE = Path(__file__).resolve().parents[1]
_SUFFIXES = {".py", ".csv", ".json", ".toml", ".typed", ".jsonld"}


def package_files(package_root: Path = PACKAGE) -> dict[str, Path]:
    """Return the files that jobs may need, by path in the archive.

    Raises:
        InputError: the folder is no Python package.
    """
    if not (package_root / "__init__.py").is_file():
        raise InputError("deploy", "package_root", str(package_root), "is no Python package")
    files = {
        path.relative_to(package_root.parent).as_posix(): path
        for path in package_root.rglob("*")
        if path.is_file() and path.suffix in _SUFFIXES and "__pycache__" not in path.parts
    }
    return dict(sorted(files.items()))


def content_hash(files: dict[str, Path]) -> str:
    """Return a short name for the content of some files."""
    digest = hashlib.sha256()
    for name, path in files.items():
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def deploy(site: Site, transport: Transport, package_root: Path = PACKAGE) -> str:
    """Make sure that the code is on the cluster.

    Args:
        site: the cluster.
        transport: the way to it.
        package_root: folder of the package ``sgob_tasks``.

    Returns:
        folder on the cluster for PYTHONPATH.

    Raises:
        TransientError: the copy did not arrive.
    """
    files = package_files(package_root)
    name = content_hash(files)
    base, target = f"{site.root}/code", f"{site.root}/code/{name}"
    # Its time is when it was last asked for: the clean-up goes by that.
    if repeatable(transport, f"test -d {shlex.quote(target)} && touch -c -- {shlex.quote(target)}").exit_code == 0:
        return target
    part = f".{name}-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "code.tar.gz"
        archive.write_bytes(_archive(files))
        transport.put(archive, f"{base}/{part}/code.tar.gz")
    # Unpacked beside its place and then renamed; if somebody else was faster, theirs is as good as ours.
    result = repeatable(
        transport,
        f"cd {shlex.quote(base)}/{part} && tar -xzf code.tar.gz && rm code.tar.gz && chmod -R u+rwX,go+rX . && "
        f"cd .. && {{ mv -T -- {part} {name} 2>/dev/null || rm -rf -- {part}; }} && test -d {name}",
        300.0,
    )
    if result.exit_code != 0:
        raise TransientError(f"the code did not arrive in {target}: {result.text[-500:]}")
    return target


def _archive(files: dict[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as archive:
        for name, path in files.items():
            member = tarfile.TarInfo(name)
            content = path.read_bytes()
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
