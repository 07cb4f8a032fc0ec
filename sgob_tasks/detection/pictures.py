"""Pictures as the network sees them: decoded, scaled into a square, padded with zeros."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from sgob_tasks.errors import InputError

Pixels = npt.NDArray[np.uint8]

# What Pillow's decoders are known to raise on damaged files; far from all of it is an OSError.
DECODING_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class Placement:
    """Where a picture lies in the square.

    Attributes:
        scale_x, scale_y: square pixels per picture pixel.
        left, top: position of the picture's corner in the square, in pixels.
    """

    scale_x: float
    scale_y: float
    left: float
    top: float

    def to_square(self, corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Move ``[N, (y1, x1, y2, x2)]`` from picture pixels to square pixels."""
        scale = np.array([self.scale_y, self.scale_x] * 2)
        moved: npt.NDArray[np.float64] = (
            np.asarray(corners, np.float64).reshape(-1, 4) * scale + [self.top, self.left] * 2
        )
        return moved

    def to_picture(self, corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Move ``[N, (y1, x1, y2, x2)]`` from square pixels to picture pixels."""
        scale = np.array([self.scale_y, self.scale_x] * 2)
        moved: npt.NDArray[np.float64] = (
            np.asarray(corners, np.float64).reshape(-1, 4) - [self.top, self.left] * 2
        ) / scale
        return moved


class Encoded(Protocol):
    """What holds an encoded picture: a ``Path``, or a picture of a data set. Its text names it in messages."""

    def read_bytes(self) -> bytes:
        """Return the encoded picture."""


_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
"""The EXIF orientations that swap width and height."""


def _refusal(source: object, error: BaseException) -> InputError:
    reason = "is in no known format" if isinstance(error, UnidentifiedImageError) else error
    return InputError(source, "picture", Path(str(source)).name, f"cannot be decoded: {reason}")


def picture_size(path: Path) -> tuple[int, int]:
    """Return width and height of a picture as it is shown, from its header alone.

    Raises:
        InputError: the file is missing or no picture.
    """
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            return (height, width) if picture.getexif().get(_ORIENTATION) in _TURNED else (width, height)
    except DECODING_ERRORS as error:
        raise _refusal(path, error) from error


def decode_picture(content: bytes, source: object) -> tuple[Image.Image, str]:
    """Decode a picture wholly.

    Args:
        content: the file.
        source: names it in messages.

    Returns:
        The RGB picture, turned as its EXIF orientation says, and the name of its format, such as ``JPEG``.

    Raises:
        InputError: it is no picture, cut short or too large to be decoded safely.
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            name = picture.format or ""
            return ImageOps.exif_transpose(picture).convert("RGB"), name
    except DECODING_ERRORS as error:
        raise _refusal(source, error) from error


def load_picture(source: Encoded) -> Pixels:
    """Return the ``[height, width, 3]`` RGB pixels of a picture, turned as its EXIF orientation says.

    Args:
        source: a file's path, or a picture of a data set, wherever that is stored.

    Raises:
        InputError: the file is missing, no picture, cut short or too large to be decoded safely.
    """
    try:
        content = source.read_bytes()
    except OSError as error:
        raise _refusal(source, error) from error
    return np.asarray(decode_picture(content, source)[0])


def into_square(pixels: Pixels, side: int) -> tuple[Pixels, Placement]:
    """Scale a picture so that its longer side fills the square, and centre it on zeros.

    Args:
        pixels: ``[height, width, 3]``.
        side: side of the square in pixels.

    Returns:
        ``[side, side, 3]`` and where the picture lies in it.
    """
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    new_width, new_height = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (side - new_width) // 2, (side - new_height) // 2
    square = np.zeros((side, side, 3), np.uint8)
    if (new_width, new_height) != (width, height):
        pixels = np.asarray(Image.fromarray(pixels).resize((new_width, new_height), Image.Resampling.BILINEAR))
    square[top : top + new_height, left : left + new_width] = pixels
    return square, Placement(new_width / width, new_height / height, left, top)


@dataclass(frozen=True)
class Prepared:
    """A picture ready for the network; what it was decoded from can be forgotten.

    Attributes:
        square: ``[side, side, 3]``.
        placement: where the picture lies in it.
        width: the picture's own, in pixels.
        height: the picture's own, in pixels.
    """

    square: Pixels
    placement: Placement
    width: int
    height: int


def prepare(pixels: Pixels, side: int) -> Prepared:
    """Return a picture (``[height, width, 3]``) ready for a network that takes squares of ``side`` pixels."""
    square, placement = into_square(pixels, side)
    return Prepared(square, placement, pixels.shape[1], pixels.shape[0])
