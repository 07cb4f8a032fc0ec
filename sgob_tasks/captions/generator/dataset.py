"""Training data of the generator: ``<split>/regions/*.jsonl`` (and ``.npz``) and ``<split>/captions.json``.

``captions.json`` is COCO's caption format; an image has ``sha256``, by which it finds its regions. It is all read into
memory: a kilobyte or two a picture, twenty more with features of 256 numbers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sgob_tasks.captions.coco_captions import read_references
from sgob_tasks.captions.generator.config import GeneratorConfig
from sgob_tasks.captions.generator.encoding import Encoder, Integers, Seen, vocabulary
from sgob_tasks.captions.generator.parameters import GeneratorTraining
from sgob_tasks.captions.generator.regions import Picture, read_pictures
from sgob_tasks.captions.tokens import tokenise
from sgob_tasks.detection.files import load_json
from sgob_tasks.errors import InputError

SPLITS = ("train", "val")


@dataclass(frozen=True)
class Captioned:
    """Pictures of a split and what people say of each.

    Attributes:
        source: the split's folder.
        pictures: those that have regions (be it none) and a caption.
        references: their captions, one or more each.
        image_ids: their ids in ``captions.json``.
        without_regions: pictures with captions that no shard has.
    """

    source: Path
    pictures: tuple[Picture, ...]
    references: tuple[tuple[str, ...], ...]
    image_ids: tuple[int | str, ...]
    without_regions: int = 0


def read_split(folder: Path, *, features: bool = False) -> Captioned:
    """Read a split.

    Raises:
        InputError: a file is missing or does not fit, or no picture has both regions and a caption.
    """
    source = folder / "captions.json"
    document, references = load_json(source), read_references(source)
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list):
        raise InputError(source, "images", images, "must be a list")
    known: dict[str, int | str] = {}
    for place, image in enumerate(images):
        if not isinstance(image, dict) or not isinstance(image.get("sha256"), str) or "id" not in image:
            raise InputError(source, f"images[{place}]", image, "must have an id and a sha256")
        if image["id"] in references:
            known[image["sha256"]] = image["id"]
    pictures = {}
    for path in sorted((folder / "regions").glob("*.jsonl")):
        pictures.update({p.sha256: p for p in read_pictures(path, features=features) if p.sha256 in known})
    if not pictures:
        raise InputError(folder, "regions", len(known), "no picture has both regions and a caption")
    ids = tuple(known[sha256] for sha256 in pictures)
    texts = tuple(tuple(references[image_id]) for image_id in ids)
    return Captioned(folder, tuple(pictures.values()), texts, ids, len(set(known) - set(pictures)))


def config_of(train: Captioned, parameters: GeneratorTraining) -> GeneratorConfig:
    """Return the configuration of a generator for training data: its words and classes.

    Raises:
        InputError: a field of ``parameters.config`` is unknown, or a caption has no word.
    """
    told = [tokenise(text) for texts in train.references for text in texts]
    if not any(told):
        raise InputError(train.source, "captions", len(told), "hold no word")
    titles = (set(tokenise(picture.title)) for picture in train.pictures)
    feature_size = 0
    if parameters.features:
        feature_size = next(p.features.shape[1] for p in train.pictures if p.features is not None)
    from_data = {
        "words": vocabulary(told, parameters.least_word_count, parameters.most_words),
        "title_words": vocabulary(map(sorted, titles), parameters.least_title_word_count, parameters.most_title_words)
        if parameters.titles
        else (),
        "classes": ("", *sorted({region.label for picture in train.pictures for region in picture.regions} - {""})),
        "years": parameters.dates,
        "fine_places": parameters.fine_places,
        "feature_size": feature_size,
    }
    try:
        return GeneratorConfig(**from_data, **parameters.config)  # type: ignore[arg-type]  # checked by the call itself
    except TypeError as error:
        raise InputError("job.json", "parameters.config", parameters.config, str(error)) from error


class Batch(NamedTuple):
    """A part of a step's batch: pictures as the network sees them, a caption of each, and what counts.

    Attributes:
        seen: arrays of B pictures.
        captions: ``[B, max_words + 2]``.
        weights: ``[B]``, 0 for what only fills a place.
        seed: ``[2]`` of what is dropped.
    """

    seen: Seen
    captions: Integers
    weights: npt.NDArray[np.float32]
    seed: Integers


class Captions:
    """A rank's batches: every caption once an epoch, in an order that only seed and epoch decide.

    Args:
        data: pictures and captions.
        config: the network's.
        batch_size: captions that one rank takes at once.
        global_batch_size: captions of an update on all ranks together; 0 for ``batch_size`` on each.
        seed: decides the order.
        rank: of this process.
        size: number of processes.
    """

    def __init__(
        self,
        data: Captioned,
        config: GeneratorConfig,
        *,
        batch_size: int,
        global_batch_size: int = 0,
        seed: int = 0,
        rank: int = 0,
        size: int = 1,
    ) -> None:
        encoder = Encoder(config)
        self._seen = encoder.pictures(data.pictures)
        self._captions = encoder.captions([tokenise(text) for texts in data.references for text in texts])
        counts = [len(texts) for texts in data.references]
        self._picture_of = np.repeat(np.arange(len(counts)), counts)
        self._batch_size, self._global, self._seed = batch_size, global_batch_size or batch_size * size, seed
        self._rank, self._size = rank, size

    @property
    def steps_per_epoch(self) -> int:
        """Number of updates in which every caption is seen once."""
        return math.ceil(len(self._captions) / self._global)

    def chosen(self, step: int) -> npt.NDArray[np.intp]:
        """Return the global batch of a step (0 and up), as numbers of captions."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._captions))
        return order[place * self._global :][: self._global]

    def share(self, step: int) -> float:
        """Return how large a step's batch is, as a share of a whole one."""
        return len(self.chosen(step)) / min(self._global, len(self._captions))

    def parts(self, step: int) -> int:
        """Return the number of parts of a step, the same on every rank."""
        return math.ceil(math.ceil(len(self.chosen(step)) / self._size) / self._batch_size)

    def part(self, step: int, number: int) -> Batch:
        """Return a part of a step: always the same one, so that a resumed training goes on exactly."""
        whole = self.chosen(step)
        mine = whole[self._rank :: self._size][number * self._batch_size :][: self._batch_size]
        filled = np.resize(mine if len(mine) else whole, self._batch_size)
        weights = (np.arange(self._batch_size) < len(mine)).astype(np.float32)
        rng = np.random.default_rng([self._seed, step, number, self._rank])
        seed = rng.integers(2**30, size=2, dtype=np.int32)
        return Batch(self._seen.at(self._picture_of[filled]), self._captions[filled], weights, seed)

    def parts_from(self, step: int, number: int = 0) -> Iterator[Batch]:
        """Yield the parts of a step from ``number`` on, then those of the next steps, without end."""
        while True:
            for place in range(number, self.parts(step)):
                yield self.part(step, place)
            step, number = step + 1, 0


def data_hash(folders: Sequence[Path]) -> str:
    """Return one SHA-256 of all files of training data, by name and content."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            digest.update(f"{path.relative_to(folder)}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def some(data: Captioned, most: int) -> Captioned:
    """Return the first pictures of a split."""
    return replace(
        data, pictures=data.pictures[:most], references=data.references[:most], image_ids=data.image_ids[:most]
    )
