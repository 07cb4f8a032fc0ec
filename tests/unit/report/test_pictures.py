from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sgob_tasks.errors import PermanentError
from sgob_tasks.report.pictures import shrink


def save(path: Path, size: tuple[int, int], mode: str = "RGB", kind: str = "JPEG", **options: object) -> Path:
    Image.new(mode, size, 1).save(path, kind, **options)
    return path


@pytest.mark.parametrize(
    ("size", "expected"), [((2000, 1000), (640, 320)), ((300, 200), (300, 200)), ((10, 3000), (2, 640))]
)
def test_longer_side_is_limited(tmp_path: Path, size: tuple[int, int], expected: tuple[int, int]) -> None:
    copy = shrink(save(tmp_path / "in", size), tmp_path / "deep" / "out.jpg")
    with Image.open(copy) as image:
        assert (image.size, image.format) == (expected, "JPEG")
    assert [path.name for path in copy.parent.iterdir()] == ["out.jpg"]


@pytest.mark.parametrize(
    ("mode", "kind"), [("RGBA", "PNG"), ("L", "PNG"), ("CMYK", "JPEG"), ("P", "GIF"), ("1", "TIFF")]
)
def test_any_mode_becomes_a_jpeg(tmp_path: Path, mode: str, kind: str) -> None:
    with Image.open(shrink(save(tmp_path / "in", (700, 90), mode, kind), tmp_path / "out.jpg")) as image:
        assert image.mode == "RGB"


def test_picture_is_turned_only_if_the_store_measured_it_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    source = save(tmp_path / "in", (400, 200), exif=exif)
    for size, expected in (((400, 200), (400, 200)), ((200, 400), (200, 400)), (None, (400, 200))):
        with Image.open(shrink(source, tmp_path / "out.jpg", size=size)) as image:
            assert image.size == expected
            assert not image.getexif()


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xd8\xff\xe0 cut"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in").write_bytes(content)
    with pytest.raises(PermanentError, match="in: cannot be shown"):
        shrink(tmp_path / "in", tmp_path / "out.jpg")
    assert not (tmp_path / "out.jpg").exists()


def test_missing_and_cut_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="No such file"):
        shrink(tmp_path / "none", tmp_path / "out.jpg")
    source = save(tmp_path / "in", (800, 800), kind="PNG")
    source.write_bytes(source.read_bytes()[:-200])
    with pytest.raises(PermanentError, match="cannot be shown"):
        shrink(source, tmp_path / "out.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
