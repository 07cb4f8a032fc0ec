"""``sgob dataset``: training data from any annotation format to shards, and what it holds."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sgob_tasks.cli_jobs import table

_PREPARE = """\
Read COCO JSON, VGG VIA JSON, Pascal VOC XML or an earlier data set, check every picture and box, divide into train, val
and test where the source has not, and write a few large tar files with an index (WebDataset convention) for training.
A broken picture, box, label or mask is left out and listed; the rest is used. The same input gives the same bytes.
"""


def add_dataset(verbs: Any) -> None:
    """Add ``dataset`` with its actions to the command line."""
    text = "prepare training data from any annotation format, and show what it holds"
    dataset = verbs.add_parser("dataset", help=text, description=text[0].upper() + text[1:] + ".")
    actions = dataset.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, handler: Callable[..., Any], show: Callable[[Any], str], help_: str, about: str = "") -> Any:
        description = about or help_[0].upper() + help_[1:] + "."
        sub = actions.add_parser(name, help=help_, description=description)
        sub.add_argument("--json", action="store_true", help="print the result as JSON")
        sub.set_defaults(handler=handler, render=show)
        return sub

    prepare = action("prepare", _prepare, render_preparation, "write a data set as shards for training", _PREPARE)
    prepare.add_argument("source", type=Path, metavar="SOURCE", help="an annotation file, or a folder that holds some")
    prepare.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the data set; an earlier one is replaced"
    )
    prepare.add_argument("--images", type=Path, metavar="DIR", help="the pictures (default: beside the annotations)")
    prepare.add_argument(
        "--classes", metavar="FILE|deart", help="a file with a class name per line, or the 69 of DEArt; default: all"
    )
    prepare.add_argument(
        "--metadata", type=Path, metavar="CSV", help="facts about the pictures, by file: title, year, style, ..."
    )
    prepare.add_argument("--val", type=_share, default=0.1, metavar="P", help="share of validation (default: 0.1)")
    prepare.add_argument("--test", type=_share, default=0.1, metavar="P", help="share of test (default: 0.1)")
    prepare.add_argument("--salt", default="", metavar="S", help="another text divides otherwise")
    prepare.add_argument(
        "--group", metavar="FIELD", help="field of the pictures whose equal values stay in one split, such as series"
    )
    prepare.add_argument("--max-side", type=_side, metavar="PX", help="scale longer sides down to this")
    prepare.add_argument("--strict", action="store_true", help="stop at the first fault instead of leaving it out")
    card = action("card", _card, render_card, "count what a data set holds; with --out draw it")
    card.add_argument("folder", type=Path, metavar="DIR", help="a prepared data set, in shards or not")
    card.add_argument("--out", type=Path, metavar="FILE.png", help="draw the card as a picture")
    show = action("show", _show, render_shown, "the splits, shards, classes and hash of a data set")
    show.add_argument("folder", type=Path, metavar="DIR", help="a prepared data set, in shards or not")
    show.add_argument("--verify", action="store_true", help="read all files and compare them with the index")


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError("has to be 0 or more and less than 1")
    return value


def _side(text: str) -> int:
    if not text.isdecimal() or int(text) < 32:
        raise argparse.ArgumentTypeError("has to be a number of pixels, 32 or more")
    return int(text)


def _prepare(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.detection.data.prepare import prepare_dataset

    return prepare_dataset(
        parsed.source,
        parsed.out,
        images=parsed.images,
        classes=read_classes(parsed.classes),
        metadata=parsed.metadata,
        val_fraction=parsed.val,
        test_fraction=parsed.test,
        salt=parsed.salt,
        group=parsed.group,
        max_side=parsed.max_side,
        strict=parsed.strict,
    ).to_json()


def read_classes(choice: str | None) -> tuple[str, ...] | None:
    """Return the chosen classes: those of DEArt, or of a file with a name per line; None for all.

    Raises:
        InputError: the file cannot be read, or holds no name.
    """
    from sgob_tasks.detection.vocabularies import deart_classes
    from sgob_tasks.errors import InputError

    if choice is None:
        return None
    if choice == "deart":
        return deart_classes()
    path = Path(choice)
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "--classes", choice, f"is neither `deart` nor a file of names: {error}") from error
    names = tuple(" ".join(line.split()) for line in lines if line.strip() and not line.startswith("#"))
    if not names:
        raise InputError(path, "--classes", choice, "holds no name")
    return names


def _card(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.detection.data.card import dataset_card
    from sgob_tasks.detection.data.card_picture import draw_card

    card = dataset_card(parsed.folder)
    if parsed.out is not None:
        draw_card(card, parsed.out)
    return card


def _show(parsed: argparse.Namespace) -> Any:
    from sgob_tasks.detection.data.card import dataset_card
    from sgob_tasks.detection.data.shards import is_sharded, read_index, verify
    from sgob_tasks.errors import InputError

    card = dataset_card(parsed.folder)
    shown = {name: card[name] for name in ("name", "sha256", "sharded", "max_side", "splits", "classes", "left_out")}
    shown["shards"] = read_index(parsed.folder)["shards"] if card["sharded"] else []
    if parsed.verify:
        if not is_sharded(parsed.folder):
            raise InputError(parsed.folder, "--verify", "no index", "only a sharded data set can be verified")
        shown["faults"] = [str(error) for error in verify(parsed.folder)]
        parsed.exit_code = int(bool(shown["faults"]))
    return shown


def render_preparation(result: dict[str, Any]) -> str:
    """Return what a preparation gave, as text."""
    lines = [
        f"{result['folder']}: {result['shards']} shards, {result['bytes'] / 1e6:.1f} MB, from {result['format']}",
        f"sha256 {result['sha256']}",
        "",
        _splits(result["splits"], "instances", "instances_with_mask"),
    ]
    counts, faults = result["left_out"]["counts"], result["left_out"]["list"]
    if counts:
        lines += ["", "left out: " + ", ".join(f"{kind} {count}" for kind, count in counts.items())]
        lines += [f"  {_fault(one)}" for one in faults[:20]]
        more = sum(counts.values()) - min(len(faults), 20)
        lines += [f"  and {more} more (preparation.json)"] if more else []
    return "\n".join(lines)


def _fault(one: dict[str, str]) -> str:
    value = one["value"] if one["value"].strip() else "(empty)"
    return f"{one['kind']} {one['file']}: {one['field']} = {value}: {one['reason']}"


def _splits(splits: dict[str, dict[str, int]], boxes: str, masks: str) -> str:
    rows = [[split, str(row["pictures"]), str(row[boxes]), str(row[masks])] for split, row in splits.items()]
    return table(["split", "pictures", "boxes", "masks"], rows)


def render_card(card: dict[str, Any]) -> str:
    """Return a card as text."""
    sizes = ", ".join(f"{name} {count}" for name, count in card["sizes"]["coco"].items())
    centuries = ", ".join(f"{century}th {count}" for century, count in card["centuries"].items()) or "not known"
    lines = [
        f"{card['name']}  sha256 {card['sha256']}",
        "",
        _splits(card["splits"], "boxes", "with_mask"),
        "",
        _classes(card["classes"]),
        "",
        f"sizes: {sizes}",
        f"centuries: {centuries}",
        f"masks: {card['masks']['share']:.0%} of the boxes",
    ]
    return "\n".join(lines + _left_out(card["left_out"]))


def _classes(classes: list[dict[str, Any]]) -> str:
    rows = [
        [
            str(row["index"]),
            row["name"],
            str(row["boxes"]),
            str(row["pictures"]),
            row["supercategory"],
            row["wikidata_qid"],
            row["iconclass"],
            "" if row["first_appearance_year"] is None else str(row["first_appearance_year"]),
        ]
        for row in classes
    ]
    return table(["", "class", "boxes", "pictures", "super-category", "Wikidata", "Iconclass", "since"], rows)


def _left_out(left_out: dict[str, Any] | None) -> list[str]:
    if left_out is None or not left_out["counts"]:
        return []
    lines = ["left out: " + ", ".join(f"{kind} {count}" for kind, count in left_out["counts"].items())]
    return lines + [f"  {row['count']} {row['kind']}: {row['reason']}" for row in left_out["reasons"]]


def render_shown(shown: dict[str, Any]) -> str:
    """Return what ``show`` found, as text."""
    lines = [f"{shown['name']}  sha256 {shown['sha256']}", "", _splits(shown["splits"], "boxes", "with_mask"), ""]
    rows = [[one["name"], str(one["samples"]), str(one["bytes"]), one["sha256"][:16]] for one in shown["shards"]]
    lines += [table(["shard", "pictures", "bytes", "sha256"], rows), ""] if rows else ["not sharded", ""]
    lines += [_classes(shown["classes"]), *_left_out(shown["left_out"])]
    if "faults" in shown:
        lines += [*shown["faults"], f"verified: {len(shown['faults'])} faults"]
    return "\n".join(lines)
