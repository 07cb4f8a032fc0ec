"""What ``sgob context`` prints for people."""

from __future__ import annotations

from typing import Any


def render_evaluation(found: dict[str, Any]) -> str:
    """Return the tables of an evaluation as text."""
    lines: list[str] = []
    for table in found.get("pictures", ()):
        lines += ["", f"{table['subset']}: {table['images']} pictures, {table['instances']} instances"]
        lines.append(f"{'':<18}{'AP50':>7}  {'95 % interval':<17}{'gain':>7}  {'95 % interval':<19}changed")
        for place, row in enumerate(table["rows"]):
            gain = "" if row["gain"] is None else f"{row['gain']:+.3f}"
            changed = f"{row['relabelled']} relabelled, {row['rescored']} rescored, {row['removed']} removed"
            lines.append(
                f"{row['system']:<18}{_number(row['ap50']):>7}  {_ends(row['ap50_low'], row['ap50_high'], ''):<17}"
                f"{gain:>7}  {_ends(row['gain_low'], row['gain_high'], '+'):<19}{changed if place else ''}".rstrip()
            )
    if records := found.get("records"):
        lines += ["", f"hidden subjects: {records['trials']} records, the true one among ten"]
        lines.append(f"{'':<34}{'top-1':>7}  {'95 % interval':<17}{'MRR':>7}  95 % interval")
        for name, row in records["rows"].items():
            lines.append(
                f"{name:<34}{row['top1']:>7.3f}  {_ends(row['top1_low'], row['top1_high'], ''):<17}"
                f"{row['mrr']:>7.3f}  {_ends(row['mrr_low'], row['mrr_high'], '')}"
            )
    if "picture" in found:
        lines += ["", f"picture: {found['picture']}"]
    return "\n".join(lines).lstrip("\n")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _ends(low: float | None, high: float | None, sign: str) -> str:
    return "" if low is None or high is None else f"{low:{sign}.3f} to {high:{sign}.3f}"
