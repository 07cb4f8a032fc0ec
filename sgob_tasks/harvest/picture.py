"""Tell whether a file is a picture that can be used: by its bytes, not by what its server calls it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image

log = logging.getLogger(__name__)

HEAD_BYTES = 1024
"""How many bytes ``sniff`` wants to see."""

MIME_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "JPEG2000": "image/jp2",
    "BMP": "image/bmp",
}
"""Formats accepted, by Pillow's name. The others of Pillow are rare in collections or dangerous (EPS runs programs)."""

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"BM", "BMP"),
)
_WEB_PAGE = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<script", b"<meta")
_LARGE_PIXELS = 10_000_000
_TURNED = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height

# Decoded pictures take 3 to 4 bytes a pixel; only one large one at a time, whatever the number of workers.
_one_large = threading.Lock()


class PictureError(Exception):
    """The file is not a picture we can use.

    Attributes:
        permanent: another attempt would bring the same.
    """

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason, self.permanent = reason, permanent


@dataclass(frozen=True)
class Picture:
    """A decoded and measured picture.

    Attributes:
        mime_type: by the file's content.
        width: pixels, upright: with the EXIF orientation applied, as browsers and ``ImageOps.exif_transpose`` show it.
        height: pixels, upright.
    """

    mime_type: str
    width: int
    height: int


def sniff(head: bytes) -> str:
    """Return Pillow's name of the format that the first bytes announce.

    Raises:
        PictureError: they announce a web page (which may be an outage, so not for ever) or nothing we accept.
    """
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    start = head[:HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(_WEB_PAGE) or b"<html" in start:
        raise PictureError("web page instead of a picture", permanent=False)
    if not start:
        raise PictureError("empty", permanent=False)
    raise PictureError("not an image", permanent=True)


@contextmanager
def pillow_limit(max_pixels: int) -> Iterator[None]:
    """Set Pillow's own guard against decompression bombs to our limit, for as long as pictures are inspected."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def inspect(path: Path, *, max_pixels: int, min_side_px: int) -> Picture:
    """Check and measure a picture: size from the header first, then every pixel.

    Args:
        path: the file.
        max_pixels: larger ones are refused before anything is decoded.
        min_side_px: smaller ones are refused: nothing can be recognised on an icon.

    Raises:
        PictureError: too large, too small, cut short or not decodable.
    """
    with path.open("rb") as file:
        name = sniff(file.read(HEAD_BYTES))
    try:
        with Image.open(path, formats=[name]) as image:
            width, height = image.size
            _check_size(width, height, max_pixels, min_side_px)
            turned = image.getexif().get(ExifTags.Base.Orientation) in _TURNED
            with _one_large if width * height > _LARGE_PIXELS else nullcontext():
                image.load()
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError("too many pixels", permanent=True) from error
    except OSError as error:
        cut = "truncated" in str(error) or "broken" in str(error)
        raise PictureError("cut short" if cut else "cannot be decoded", permanent=False) from error
    except Exception as error:  # Pillow's decoders raise anything on hostile bytes; it becomes a reason
        log.info("%s in the decoder of %s", type(error).__name__, name)
        raise PictureError("cannot be decoded", permanent=False) from error
    return Picture(MIME_TYPES[name], *((height, width) if turned else (width, height)))


def _check_size(width: int, height: int, max_pixels: int, min_side_px: int) -> None:
    if width * height > max_pixels:
        raise PictureError("too many pixels", permanent=True)
    if min(width, height) < min_side_px:
        raise PictureError("too small", permanent=True)
