"""How many nodes a training needs, how long it takes, and how many jobs in a row: the resource plan. Pure.

The hours of ``epochs`` passes are those of a power law with a penalty, corrected towards the measurements near by::

    hours = 14.6 h · (batch/1000)^1.11 · nodes^-0.59 · (1 + 1.31 · max(0, 1 - 1200 · nodes/batch)) · epochs/50

- ``batch`` is the number of images of one training batch that is sent to the cluster. The exponent above 1 says that
  larger batches cost a little more per image.
- ``nodes^-0.59``: twice the nodes are 1.5 times as fast; the rest goes into exchanging gradients. 5 nodes are 2.6 times
  as fast as one (an efficiency of 52 %), 8 nodes 3.4 times (43 %).
- The penalty: from 1200 images a node on, a growing share of them, ``1 - 1200 · nodes/batch``, costs 2.31 times as
  much. Read as caching: what a node cannot keep is read again in every epoch. This is a reading, not a measurement.
  It is why 2000 images are 4 times as fast on 5 nodes as on one.

Fitted (least squares of the logarithms) on ``PUBLISHED``: six rows of Mask R-CNN, 50 epochs, two GPUs used on a node,
1000-8000 images a batch, 1-8 nodes. The law alone is off by at most 6 % from the middle of a row (4000 images on 5
nodes). The correction, the errors of the rows weighted by their nearness, makes every row exact: low and high are the
printed range, or 8 % about a single number. A row that is left out of the fit is missed by 1-8 %, but the only one at
1000 images a batch by 29 % and the smallest one on 5 nodes by 17 %: so much for figures outside what was measured,
where the range widens. The penalty rests on one row. The number of images did not change the hours in any row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sgob_tasks.cluster.calibration import PUBLISHED_ONLY, Calibration
from sgob_tasks.cluster.sites.site import Site
from sgob_tasks.errors import InputError

EPOCHS = 50.0
GPUS_PER_NODE = 2  # that the published figures used
SPARE = 0.1  # part of the time limit that is kept free
_FAR = 4.0  # times beyond a measured range: no forecast any more
_MOST = 10**9

_HOURS = 14.6
_BATCH_EXPONENT = 1.11
_NODE_EXPONENT = 0.59
_CACHED_IMAGES = 1200.0
_PENALTY = 1.31
_SINGLE = 0.08  # half-width of a row that prints one number, as that of the other rows
_WIDENING = 0.15  # growth of the half-width with the logarithm of the distance from what was measured


@dataclass(frozen=True)
class Measurement:
    """One published row: hours of 50 epochs.

    Attributes:
        batch_size: images of one training batch.
        nodes: with two GPUs used on each.
        hours: shortest and longest; the same where one number is printed.
        images: fewest and most of the data sets.
    """

    batch_size: int
    nodes: int
    hours: tuple[float, float]
    images: tuple[int, int]

    @property
    def middle(self) -> float:
        """Logarithm of the geometric middle of the hours."""
        return math.log(self.hours[0] * self.hours[1]) / 2

    @property
    def half_width(self) -> float:
        """Half of the range in the logarithm."""
        low, high = self.hours
        return math.log(high / low) / 2 if high > low else math.log1p(_SINGLE)


PUBLISHED = (
    Measurement(1000, 1, (13, 16), (1000, 4000)),
    Measurement(2000, 1, (48, 48), (1000, 4000)),
    Measurement(2000, 5, (12, 12), (1000, 4000)),
    Measurement(4000, 5, (26, 30), (4000, 8000)),
    Measurement(6000, 5, (38, 45), (8000, 10000)),
    Measurement(8000, 8, (38, 45), (8000, 10000)),
)
MOST_NODES = max(row.nodes for row in PUBLISHED)


@dataclass(frozen=True)
class Plan:
    """What a training asks for and what it is expected to take.

    Attributes:
        images: of the data set.
        batch_size: images of one training batch.
        epochs: passes.
        site: name of the site.
        nodes: number of nodes.
        gpus: that the figures count with: two a node, as published, or the site's number where that is smaller.
        gpus_asked: that the site's jobs ask Slurm for on these nodes.
        hours_low: shortest expected time of all links together, without waiting in the queue.
        hours_high: longest expected.
        links: jobs in a row, each within the site's time limit.
        calibration: ``published``, or ``own jobs (n)``.
        factor: by which own jobs have taken longer than the published figures.
        warnings: what to know before relying on it.
        reliable: False where a value is more than four times outside what was measured.
    """

    images: int
    batch_size: int
    epochs: float
    site: str
    nodes: int
    gpus: int
    gpus_asked: int
    hours_low: float
    hours_high: float
    links: int
    calibration: str
    factor: float
    warnings: tuple[str, ...]
    reliable: bool

    def to_dict(self) -> dict[str, Any]:
        """Return all values, for JSON."""
        return asdict(self) | {"warnings": list(self.warnings)}


def law(batch_size: float, nodes: float) -> float:
    """Return the hours of 50 epochs by the fitted law alone, without the correction towards the rows."""
    missed = max(0.0, 1.0 - _CACHED_IMAGES * nodes / batch_size)
    power = math.pow(batch_size / 1000.0, _BATCH_EXPONENT) * math.pow(nodes, -_NODE_EXPONENT)
    return _HOURS * power * (1.0 + _PENALTY * missed)


def _nearby(batch_size: float, nodes: float, values: Sequence[float]) -> float:
    """Return the rows' values weighted by inverse square distance in the logarithms of batch and nodes (Shepard)."""
    total = weights = 0.0
    for row, value in zip(PUBLISHED, values, strict=True):
        square = math.log(batch_size / row.batch_size) ** 2 + math.log(nodes / row.nodes) ** 2
        if square < 1e-18:
            return value
        total, weights = total + value / square, weights + 1 / square
    return total / weights


def _measured(images: float, batch_size: float, nodes: float) -> dict[str, tuple[float, float, float]]:
    """Return value, lowest and highest measured of all that the figures depend on."""
    return {
        "batch_size": (batch_size, 1000, 8000),
        "nodes": (nodes, 1, MOST_NODES),
        "batch_size / nodes": (batch_size / nodes, 400, 2000),
        "images": (images, 1000, 10_000),
        "images / batch_size": (images / batch_size, 0.5, 4),
    }


def beyond(value: float, low: float, high: float) -> float:
    """Return the logarithm of how many times a value is outside a range; 0 within it."""
    return max(0.0, math.log(low / value), math.log(value / high))


def outside(batch_size: float, nodes: float) -> float:
    """Return how far from what was measured a training is: the sum of the logarithms of the distances."""
    ranges = _measured(batch_size, batch_size, nodes)
    return sum(beyond(*ranges[name]) for name in ("batch_size", "nodes", "batch_size / nodes"))


def forecast(batch_size: float, nodes: float, epochs: float = EPOCHS, factor: float = 1.0) -> tuple[float, float]:
    """Return the shortest and the longest expected hours of a training.

    Grows with the batch and falls with the nodes, everywhere.

    Args:
        batch_size: images of one training batch, above 0.
        nodes: above 0.
        epochs: passes.
        factor: own jobs' correction.
    """
    errors = [row.middle - math.log(law(row.batch_size, row.nodes)) for row in PUBLISHED]
    middle = math.log(law(batch_size, nodes)) + _nearby(batch_size, nodes, errors)
    half = _nearby(batch_size, nodes, [row.half_width for row in PUBLISHED])
    half += _WIDENING * outside(batch_size, nodes)
    scale = factor * epochs / EPOCHS
    return math.exp(middle - half) * scale, math.exp(middle + half) * scale


def links_for(hours: float, limit_s: float) -> int:
    """Return how many jobs in a row a training of so many hours takes.

    One where it fits; in a chain a tenth of each link goes to starting and to what was done since the last checkpoint.
    """
    limit = limit_s / 3600
    return 1 if hours <= limit else math.ceil(hours / (limit * (1 - SPARE)))


def _choose(batch_size: int, epochs: float, site: Site, factor: float) -> int:
    """Return the fewest nodes that finish in time with a tenth to spare; else the fewest with the fewest links."""
    limit_s = site.train.time_limit_s
    # Not so far beyond what was measured that there is no forecast, however large the site is.
    most = min(site.nodes_total or MOST_NODES, int(_FAR) * MOST_NODES)
    best, fewest = most, math.inf
    for nodes in range(1, most + 1):
        high = _figures(forecast(batch_size, nodes, epochs, factor)[1])  # as printed: one number decides everywhere
        if high <= limit_s / 3600 * (1 - SPARE):
            return nodes
        links = links_for(high, limit_s)
        if links < fewest:
            best, fewest = nodes, links
    return best


def _whole(field: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise InputError("plan", field, value, f"has to be a whole number from 1 to {_MOST}")


def make_plan(
    images: int,
    batch_size: int,
    site: Site,
    nodes: int | None = None,
    epochs: float = EPOCHS,
    calibration: Calibration = PUBLISHED_ONLY,
) -> Plan:
    """Plan a training.

    Values outside what was measured are answered with a warning.

    Args:
        images: of the data set.
        batch_size: images of one training batch.
        site: gives the time limit, the number of nodes it has, and the GPUs on each.
        nodes: use these; by default the fewest that finish within the time limit with a tenth to spare, and where
            no number does, the fewest with the fewest links.
        epochs: passes.
        calibration: what own jobs have taught.

    Raises:
        InputError: a number that cannot be, or more nodes than the site has.
    """
    _whole("images", images)
    _whole("batch_size", batch_size)
    if isinstance(epochs, bool) or not isinstance(epochs, int | float) or not 0 < epochs <= _MOST:
        raise InputError("plan", "epochs", epochs, f"has to be above 0, and {_MOST} at most")
    if nodes is not None:
        _whole("nodes", nodes)
        if site.nodes_total and nodes > site.nodes_total:
            raise InputError("plan", "nodes", nodes, f"site {site.name} has {site.nodes_total}")
    chosen = _choose(batch_size, epochs, site, calibration.factor) if nodes is None else nodes
    low, high = (_figures(value) for value in forecast(batch_size, chosen, epochs, calibration.factor))
    limit_h = site.train.time_limit_s / 3600
    warnings, reliable = _warnings(images, batch_size, chosen)
    if limit_h * (1 - SPARE) < high <= limit_h:
        warnings.append(f"up to {high:g} h leave less than a tenth of the limit of {limit_h:g} h to spare")
    on_node = site.train.gpus_per_node
    return Plan(
        images=images,
        batch_size=batch_size,
        epochs=epochs,
        site=site.name,
        nodes=chosen,
        gpus=chosen * min(GPUS_PER_NODE, on_node or GPUS_PER_NODE),
        gpus_asked=chosen * on_node,
        hours_low=low,
        hours_high=high,
        links=links_for(high, site.train.time_limit_s),
        calibration=calibration.source,
        factor=_figures(calibration.factor),
        warnings=tuple(warnings),
        reliable=reliable,
    )


def _figures(value: float) -> float:
    return float(f"{value:.4g}")


def _warnings(images: int, batch_size: int, nodes: int) -> tuple[list[str], bool]:
    """Return what lies outside what was measured, in words, and whether a forecast makes sense."""
    found, reliable = [], True
    for name, (value, low, high) in _measured(images, batch_size, nodes).items():
        times = math.exp(beyond(value, low, high))
        if times > _FAR:
            reliable = False
            found.append(
                f"{name} = {value:.6g} is far outside what was measured ({low:g}-{high:g}): do not rely on the hours"
            )
        elif times > 1:
            found.append(f"{name} = {value:.6g} is outside what was measured ({low:g}-{high:g}): extrapolated")
    return found, reliable
