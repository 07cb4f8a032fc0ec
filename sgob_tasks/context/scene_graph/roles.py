"""Which class can do what: from the super-categories of the class table, with the exceptions named here."""

from __future__ import annotations

from dataclasses import dataclass

from sgob_tasks.context.scene_graph.things import (
    CARRIES,
    HOLDS,
    INSIDE,
    PART_OF,
    RIDES,
    SITS_ON,
    SPATIAL,
    STANDS_ON,
    WEARS,
)
from sgob_tasks.detection.classes import ArtClass, ClassTable

_AGENT_KINDS = {"person", "preternatural/human-like"}
_HOLDABLE_KINDS = {"artefact", "fruit", "kitchen", "food", "sports", "electronic", "accessory"}
_WORN = {
    "crown": "head",
    "crown of thorns": "head",
    "tiara": "head",
    "camauro": "head",
    "zucchetto": "head",
    "mitre": "head",
    "saturno": "head",
    "helmet": "head",
    "halo": "head",
    "stole": "body",
    "tie": "body",
    "backpack": "body",
}
_MOUNTS = {"horse", "donkey", "cow", "pegasus", "unicorn", "elephant", "zebra", "bicycle", "motorcycle"}
_SEATS = {"chair", "couch", "bench", "bed"}
_SUPPORTS = {"dining table", "bench", "bed", "couch", "chair", "boat"}
_TRAMPLED = {"dragon", "serpent", "devil", "lion"}
_VESSELS = {"boat", "car", "bus", "train", "truck", "airplane", "bed"}
_CARRIED = {"backpack", "handbag", "suitcase", "umbrella", "sheep", "bird", "dove", "cat", "monkey"}
_HELD_TOO = {"lily", "palm", "skull", "head", "crown", "crown of thorns", "helmet", "holy shroud", "scissors", "vase"}
_NOT_HELD = {
    "boat",
    "skis",
    "snowboard",
    "surfboard",
    "skateboard",
    "tv",
    "backpack",
    "handbag",
    "suitcase",
    "umbrella",
}
_LONG = {"lance", "banner", "crozier", "sword", "arrow", "palm", "trumpet", "baseball bat", "skis", "scroll", "lily"}
_BROAD = {"banner", "palm", "lily"}
_PARTS = {"hands", "horn"}


@dataclass(frozen=True)
class Role:
    """What a class can do.

    Attributes:
        agent: it can hold, carry, ride and wear.
        mount: it can be ridden.
        worn: ``head`` or ``body``, where it is worn; empty if it is not worn.
        holdable: a hand can hold it.
        carried: it can be carried on shoulder, arm or back.
        long: it is long and thin, so its box reaches far beyond the hand.
        broad: long, but its box is no mere line's: what of it is beside the holder is there by itself.
        seat, support, vessel: one can sit on it, stand (a thing can stand) on it, be inside it.
        trampled: saints and angels stand on it in triumph.
        part: it is a part of a body.
        animal: a beast.
    """

    agent: bool = False
    mount: bool = False
    worn: str = ""
    holdable: bool = False
    carried: bool = False
    long: bool = False
    broad: bool = False
    seat: bool = False
    support: bool = False
    vessel: bool = False
    trampled: bool = False
    part: bool = False
    animal: bool = False


NO_ROLE = Role()


def role_of(label: str, table: ClassTable | None = None) -> Role:
    """Return what a class can do; a class that is not in the table can do nothing.

    Args:
        label: class name.
        table: the class table; by default the package's.
    """
    entry = (table or ClassTable.load()).get(label)
    return NO_ROLE if entry is None else _role(entry)


def can(predicate: str, first: Role, second: Role) -> bool:
    """Tell whether things of these roles can stand in a relation; of place, any can."""
    return (
        predicate in SPATIAL
        or {
            RIDES: first.agent and second.mount,
            WEARS: first.agent and bool(second.worn),
            HOLDS: first.agent and second.holdable,
            CARRIES: first.agent and second.carried,
            SITS_ON: first.agent and second.seat,
            STANDS_ON: (first.agent and second.trampled) or (second.support and (first.holdable or first.animal)),
            PART_OF: first.part and (second.agent or second.animal),
            INSIDE: second.vessel and (first.agent or first.animal),
        }[predicate]
    )


def _role(entry: ArtClass) -> Role:
    name, kind = entry.name, entry.super_category
    animal = kind.startswith("animal") or kind == "preternatural/animal-like"
    return Role(
        agent=kind in _AGENT_KINDS or name in {"monkey", "prayer"},
        mount=name in _MOUNTS,
        worn=_WORN.get(name, ""),
        holdable=(kind in _HOLDABLE_KINDS or name in _HELD_TOO) and name not in _NOT_HELD,
        carried=name in _CARRIED,
        long=name in _LONG,
        broad=name in _BROAD,
        seat=name in _SEATS,
        support=name in _SUPPORTS,
        vessel=name in _VESSELS,
        trampled=name in _TRAMPLED,
        part=name in _PARTS,
        animal=animal,
    )
