"""Small copies of pictures for pages; the originals stay in the media folder."""

from __future__ import annotations

import os
import tempfile
import warnings
from pathlib import Path

from PIL import Image, ImageOps

from sgob_tasks.errors import PermanentError

MAX_SIDE_PX = 640
JPEG_QUALITY = 82


def _oriented(image: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    """Turn the picture as its EXIF says, if that is how the store measured it: the boxes belong to that size."""
    if size is None or image.size == size or image.size != size[::-1]:
        return image
    return ImageOps.exif_transpose(image)


def shrink(source: Path, target: Path, *, max_side: int = MAX_SIDE_PX, size: tuple[int, int] | None = None) -> Path:
    """Write a JPEG copy of a picture that is no longer than ``max_side`` pixels on its longer side.

    The copy carries no metadata and appears whole or not at all, so that several processes may make it at once.

    Args:
        source: picture of any format that Pillow reads.
        target: file to write; its folder is made.
        max_side: pixels; smaller pictures keep their size.
        size: width and height that the store has for the picture, if it has them.

    Returns:
        ``target``.

    Raises:
        PermanentError: the file is missing or is no picture that can be decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source) as opened:
                copy = _oriented(opened, size).convert("RGB")
                copy.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    except (
        OSError,
        SyntaxError,  # what Pillow raises for a broken PNG
        ValueError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise PermanentError(f"{source.name}: cannot be shown: {error}") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            copy.save(file, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
        temporary.chmod(0o644)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return target
