"""Pictures that do harm: what strangers' servers send now and then, made here."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_HEAD = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
BOMB_SIDE_PX = 30_000
ENDLESS_BYTES = 512 * 2**20
_BLOCK = bytes(2**16)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def decompression_bomb(side_px: int = BOMB_SIDE_PX) -> bytes:
    """Return a valid 1-bit PNG of some hundred kilobytes that unpacks to ``side_px`` squared pixels."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (side_px + 7) // 8)
    packed = bytearray()
    for _ in range(side_px):
        packed += packer.compress(row)
    packed += packer.flush()
    header = struct.pack(">IIBBBBB", side_px, side_px, 1, 0, 0, 0, 0)
    return PNG_MAGIC + _chunk(b"IHDR", header) + _chunk(b"IDAT", bytes(packed)) + _chunk(b"IEND", b"")


def endless_jpeg(size: int = ENDLESS_BYTES) -> Iterator[bytes]:
    """Yield ``size`` bytes that begin like a JPEG, block by block."""
    yield JPEG_HEAD
    sent = len(JPEG_HEAD)
    while sent < size:
        block = _BLOCK[: size - sent]
        sent += len(block)
        yield block
