"""The media folder: pictures as their providers sent them, addressed by SHA-256."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path
from types import TracebackType

from sgob_tasks.errors import PermanentError

INCOMING = ".incoming"
_STALE_S = 24 * 3600.0


def media_path(media_dir: Path, sha256: str) -> Path:
    """Return where the picture with this hash is (or would be): ``media_dir/ab/abcdef...``, without extension."""
    return media_dir / sha256[:2] / sha256


class Incoming:
    """A file on its way into the media folder: written beside it, hashed on the way, renamed when it is whole.

    Used as a context manager, it leaves nothing behind unless ``keep`` was called.

    Raises:
        PermanentError: the disk is full or the folder cannot be written. That is our fault and not the picture's.
    """

    def __init__(self, media_dir: Path) -> None:
        self._media_dir = media_dir
        self._hash = hashlib.sha256()
        self.size = 0
        try:
            folder = media_dir / INCOMING
            folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=folder)
        except OSError as error:
            raise PermanentError(f"media folder {media_dir} cannot be written: {error}") from error
        self.path = Path(name)
        self._file = os.fdopen(descriptor, "wb")

    def __enter__(self) -> Incoming:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def write(self, part: bytes) -> None:
        """Append bytes."""
        try:
            self._file.write(part)
        except OSError as error:
            raise PermanentError(f"media folder {self._media_dir} cannot be written: {error}") from error
        self._hash.update(part)
        self.size += len(part)

    def flush(self) -> None:
        """Make everything written so far readable through ``path``, and safe from a power cut."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise PermanentError(f"media folder {self._media_dir} cannot be written: {error}") from error

    def keep(self) -> str:
        """Move the file to its address and return its SHA-256; a picture that is there already stays."""
        self.flush()
        sha256 = self._hash.hexdigest()
        final = media_path(self._media_dir, sha256)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o644)  # the search API and the cluster's staging read it as other users
            self.path.replace(final)
            descriptor = os.open(final.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise PermanentError(f"media folder {self._media_dir} cannot be written: {error}") from error
        return sha256


def remove_stale(media_dir: Path) -> int:
    """Remove what killed runs have left half-written; return how many files that were."""
    removed = 0
    for path in (media_dir / INCOMING).glob("*"):
        if time.time() - path.stat().st_mtime > _STALE_S:
            path.unlink(missing_ok=True)
            removed += 1
    return removed
