from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sgob_tasks.harvest.picture import PictureError, inspect, pillow_limit, sniff


def picture_bytes(format_: str = "JPEG", size: tuple[int, int] = (80, 60), orientation: int | None = None) -> bytes:
    """Return a small noisy picture."""
    width, height = size
    image = Image.frombytes("RGB", size, random.Random(1).randbytes(width * height * 3))
    buffer = io.BytesIO()
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
        image.save(buffer, format_, exif=exif)
    else:
        image.save(buffer, format_)
    return buffer.getvalue()


def bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """Return a PNG of a few bytes that claims a size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def check(tmp_path: Path, data: bytes, max_pixels: int = 10**6, min_side_px: int = 32) -> tuple[str, int, int]:
    path = tmp_path / "picture"
    path.write_bytes(data)
    with pillow_limit(max_pixels):
        found = inspect(path, max_pixels=max_pixels, min_side_px=min_side_px)
    return found.mime_type, found.width, found.height


@pytest.mark.parametrize(
    ("format_", "mime_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("TIFF", "image/tiff"),
        ("JPEG2000", "image/jp2"),
        ("BMP", "image/bmp"),
    ],
)
def test_formats_are_told_by_their_bytes(tmp_path: Path, format_: str, mime_type: str) -> None:
    assert check(tmp_path, picture_bytes(format_)) == (mime_type, 80, 60)


@pytest.mark.parametrize(("orientation", "size"), [(1, (80, 60)), (3, (80, 60)), (6, (60, 80)), (8, (60, 80))])
def test_width_and_height_are_those_of_the_picture_upright(
    tmp_path: Path, orientation: int, size: tuple[int, int]
) -> None:
    assert check(tmp_path, picture_bytes(orientation=orientation))[1:] == size


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("max_pixels", [4 * 10**8, 8 * 10**8, 10**6])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, max_pixels: int) -> None:
    with pytest.raises(PictureError, match="too many pixels") as caught:
        check(tmp_path, bomb(), max_pixels=max_pixels)
    assert caught.value.permanent


def test_an_icon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="too small"):
        check(tmp_path, picture_bytes(size=(80, 31)))


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_file_cut_short_is_found_by_decoding_it(tmp_path: Path, format_: str) -> None:
    data = picture_bytes(format_)
    with pytest.raises(PictureError, match=r"cut short|cannot be decoded") as caught:
        check(tmp_path, data[: len(data) // 2])
    assert not caught.value.permanent


@pytest.mark.parametrize(
    ("data", "reason", "permanent"),
    [
        (b"<!DOCTYPE html><title>Viewer</title>", "web page", False),
        (b"\xef\xbb\xbf\n  <html>", "web page", False),
        (b"<?xml version='1.0'?><error/>", "web page", False),
        (b"", "empty", False),
        (b"%PDF-1.7", "not an image", True),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "not an image", True),
        (b"GIF87", "not an image", True),
        (b"plain text", "not an image", True),
    ],
)
def test_what_is_no_picture(data: bytes, reason: str, permanent: bool) -> None:
    with pytest.raises(PictureError, match=reason) as caught:
        sniff(data)
    assert caught.value.permanent is permanent


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.filterwarnings("ignore:Tag data larger than file", "ignore:Truncated File Read", "ignore:Corrupt EXIF")
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"]), st.data())
def test_hostile_bytes_are_a_reason_and_not_a_crash(
    tmp_path_factory: pytest.TempPathFactory, format_: str, data: st.DataObject
) -> None:
    content = bytearray(picture_bytes(format_))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        _, width, height = check(tmp_path_factory.getbasetemp(), bytes(content))
    except PictureError:
        return  # any other exception fails the test
    assert min(width, height) >= 32
