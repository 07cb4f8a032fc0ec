from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sgob_tasks.errors import InputError
from sgob_tasks.sandbox.collection import (
    IN_COPYRIGHT,
    PUBLIC_DOMAIN,
    Collection,
    Problem,
    local_id,
    update_time,
)


def make(folder: Path, text: str, *pictures: str, name: str = "paintings.csv", images: str = "images") -> Path:
    (folder / images).mkdir(parents=True, exist_ok=True)
    for picture in pictures:
        Image.new("RGB", (8, 8)).save(folder / images / picture, "JPEG")
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_reads_what_the_columns_say(tmp_path: Path) -> None:
    text = (
        "file,creator,title,year,style,description\nst-george.jpg,A. Painter,Saint George,ca. 1480,Gothic,A knight.\n"
    )
    (item,) = Collection.read(make(tmp_path, text, "st-george.jpg"), dataset="2021650a")
    assert item.record_id == "/2021650a/st_george"
    assert item.path == tmp_path / "images" / "st-george.jpg"
    assert (item.title, item.creator, item.date_text) == ("Saint George", "A. Painter", "ca. 1480")
    assert (item.description, item.language, item.rights) == ("A knight.", "en", PUBLIC_DOMAIN)
    assert item.extra == {"style": "Gothic"}
    assert item.fault == item.media_fault == ""
    assert item.has_image


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("\ufeffFile;Title;Date\na.jpg;T;1500\n", "images"),
        ("image\tartist\ttitle\tdated\na.jpg\tX\tT\t1500\n", "."),
        ('filename,title,year\r\n"a.jpg","T","1500"\r\n', "images"),
    ],
)
def test_other_dialects_and_headers(tmp_path: Path, text: str, images: str) -> None:
    (item,) = Collection.read(make(tmp_path, text, "a.jpg", images=images))
    assert (item.file, item.title, item.date_text) == ("a.jpg", "T", "1500")


def test_rows_that_cannot_be_served_are_listed(tmp_path: Path) -> None:
    text = "file,title\na.jpg,A\nb.jpg,B\na.jpg,Again\n../c.jpg,C\n,D\ne.jpg,\n"
    collection = Collection.read(make(tmp_path, text, "a.jpg", "e.jpg"))
    assert [item.file for item in collection] == ["a.jpg", "e.jpg"]
    assert collection.problems == (
        Problem(3, "file", "b.jpg", "no such picture", served=False),
        Problem(4, "file", "a.jpg", "the picture stands in an earlier row", served=False),
        Problem(5, "file", "../c.jpg", "leads out of the folder", served=False),
        Problem(6, "file", "", "empty: the record's id comes from it", served=False),
        Problem(7, "title", "", "empty", served=True),
    )


def test_faults_of_records_are_applied_and_those_of_media_passed_on(tmp_path: Path) -> None:
    faults = ["no_title", "no_date", "no_rights", "in_copyright", "no_image", "missing", "truncated"]
    rows = "".join(f"{fault}.jpg,T,1500,{fault}\n" for fault in faults)
    pictures = [f"{fault}.jpg" for fault in faults if fault not in {"no_image", "missing"}]
    items = {item.fault: item for item in Collection.read(make(tmp_path, "file,title,year,fault\n" + rows, *pictures))}
    assert list(items) == faults
    assert items["no_title"].title == ""
    assert items["no_date"].date_text == ""
    assert items["no_rights"].rights == ""
    assert items["in_copyright"].rights == IN_COPYRIGHT
    assert not items["no_image"].has_image
    assert items["missing"].has_image
    assert items["missing"].path is items["no_image"].path is None
    assert [item.media_fault for item in items.values() if item.media_fault] == ["missing", "truncated"]


def test_names_that_differ_only_in_dropped_characters_get_different_ids(tmp_path: Path) -> None:
    names = ("a-b.jpg", "a_b.jpg", "a b.jpg")
    collection = Collection.read(make(tmp_path, "file,title\n" + "".join(f"{n},T\n" for n in names), *names))
    ids = [item.record_id for item in collection]
    assert len(set(ids)) == 3
    assert ids[0] == "/2048128/a_b"
    assert all(re.fullmatch(r"/2048128/a_b(_[0-9a-f]{8})?", record_id) for record_id in ids)


@given(st.text(min_size=1).filter(lambda name: "/" not in name and "\0" not in name))
def test_local_ids_hold_letters_digits_and_underscores(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_]*", local_id(name + ".jpg"))


@given(st.text())
def test_update_times_are_fixed_and_within_a_month(record_id: str) -> None:
    time = update_time(record_id)
    assert time == update_time(record_id)
    assert time.utcoffset() is not None
    assert (time.year, time.month) == (2026, 1)


def test_finds_the_right_table(tmp_path: Path) -> None:
    make(tmp_path, "file,title\na.jpg,A\n", "a.jpg", "b.jpg")
    (tmp_path / "notes.csv").write_text("topic,remark\n1,2\n")
    assert [item.title for item in Collection.read(tmp_path)] == ["A"]
    (tmp_path / "more.csv").write_text("file,title\nb.jpg,B\n")
    with pytest.raises(InputError, match="more than one CSV with a file column"):
        Collection.read(tmp_path)
    assert [item.title for item in Collection.read(tmp_path, csv_file=tmp_path / "more.csv")] == ["B"]
    (tmp_path / "collection.csv").write_text("file,title\na.jpg,Preferred\n")
    assert [item.title for item in Collection.read(tmp_path)] == ["Preferred"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("title,year\nA,1500\n", "no CSV with a file column"),
        ("", "no CSV with a file column"),
        ("file,title\n", "no record with a picture found"),
        ("file,title\nnone.jpg,A\n", "no record with a picture found"),
        ("file,title,fault\na.jpg,A,broken\n", r"paintings.csv:2: fault = 'broken': one of no_title,"),
        ("file,title\na.jpg,A,surplus\n", r"paintings.csv:2: row = 'a.jpg': more cells than the header has"),
        ('file,title\na.jpg,"A"x\n', "not a well-formed CSV"),
    ],
)
def test_bad_tables_are_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Collection.read(make(tmp_path, text, "a.jpg"))


def test_bad_text_folder_and_dataset_are_named(tmp_path: Path) -> None:
    make(tmp_path, "", "a.jpg")
    (tmp_path / "paintings.csv").write_bytes("file,title\na.jpg,Müller\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8 expected"):
        Collection.read(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        Collection.read(tmp_path / "nowhere")
    with pytest.raises(InputError, match="cannot be read"):
        Collection.read(tmp_path, csv_file=tmp_path / "nothing.csv")
    with pytest.raises(InputError, match="digits, then perhaps letters"):
        Collection.read(tmp_path, dataset="x/1")
