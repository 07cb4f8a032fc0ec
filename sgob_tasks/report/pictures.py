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

Region = tuple[int, int, int, int]


def _oriented(image: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    """Turn the picture as its EXIF says, if that is how the store measured it: the boxes belong to that size."""
    if size is None or image.size == size or image.size != size[::-1]:
        return image
    return ImageOps.exif_transpose(image)


def _cut(image: Image.Image, region: Region, size: tuple[int, int] | None) -> Image.Image:
    """Cut a region out, whose pixels are those of ``size``: the file may be a smaller or larger copy."""
    across, down = (image.width / size[0], image.height / size[1]) if size else (1.0, 1.0)
    left, top, right, bottom = region
    box = (round(left * across), round(top * down), round(right * across), round(bottom * down))
    return image.crop((box[0], box[1], max(box[2], box[0] + 1), max(box[3], box[1] + 1)))


def shrink(
    source: Path,
    target: Path,
    *,
    max_side: int = MAX_SIDE_PX,
    size: tuple[int, int] | None = None,
    region: Region | None = None,
) -> Path:
    """Write a JPEG copy of a picture that is no longer than ``max_side`` pixels on its longer side.

    The copy carries no metadata and appears whole or not at all, so that several processes may make it at once.

    Args:
        source: picture of any format that Pillow reads.
        target: file to write; its folder is made.
        max_side: pixels; smaller pictures keep their size.
        size: width and height that the store has for the picture, if it has them.
        region: part to copy: left, top, right and bottom in pixels of ``size``; None for all of it.

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
                if region is not None:
                    copy = _cut(copy, region, size)
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
