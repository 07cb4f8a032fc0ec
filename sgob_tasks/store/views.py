"""What the page of one run shows: its pictures with all that was found out about them, its jobs, its failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sgob_tasks.store.summary import ModelView, Run


@dataclass(frozen=True)
class RecordView:
    """A Europeana record as its metadata describes it. All texts come from strangers."""

    id: str
    title: str | None
    creator: str | None
    date_text: str | None
    year_from: int | None
    year_to: int | None
    rights: str | None
    data_provider: str | None
    image_url: str | None
    landing_url: str | None

    @property
    def item_uri(self) -> str:
        """Europeana's identifier of the item (http on purpose)."""
        return f"http://data.europeana.eu/item{self.id}"


@dataclass(frozen=True)
class DetectionView:
    """A box and what it is taken for, before and after context.

    Attributes:
        id: in the store.
        box: COCO x, y, width, height in pixels of the stored picture.
        class_name: what the detector said, with ``score``.
        label: class after context, with ``label_score``; None where context has not run or took the class away.
        label_reason: why context changed label or score; None where it did not.
        label_evidence: what detector, time and language each said of the candidates; None where context kept nothing.
    """

    id: int
    box: tuple[float, float, float, float]
    class_name: str
    score: float
    label: str | None
    label_score: float | None
    label_reason: str | None
    label_evidence: Mapping[str, Any] | None = None

    @property
    def change(self) -> str:
        """What context did: ``relabelled``, ``removed``, ``rescored`` or nothing (an empty string)."""
        if self.label_reason is None:
            return ""
        if self.label is None:
            return "removed"
        return "rescored" if self.label == self.class_name else "relabelled"

    @property
    def final(self) -> str:
        """The class to show: after context where there is one."""
        return self.label if self.label is not None else self.class_name

    @property
    def final_score(self) -> float:
        """The score that belongs to ``final``."""
        return self.label_score if self.label is not None and self.label_score is not None else self.score


@dataclass(frozen=True)
class CaptionView:
    """A sentence that says what is depicted.

    Attributes:
        text: the sentence.
        language: ISO 639-1 code; None where it is not known.
        source: metadata field it was found in, or ``generator``.
        score: the classifier's probability, or the generator's.
        judge: version of the classifier, or of the generator.
        attention: of a generated sentence: which boxes each word was written from (``captions.attention``).
    """

    text: str
    language: str | None
    source: str
    score: float
    judge: str = ""
    attention: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class RelationView:
    """One edge of a picture's scene graph, between two detections, with its reason."""

    subject_id: int
    predicate: str
    object_id: int
    score: float
    reason: str | None


@dataclass(frozen=True)
class SubjectView:
    """A saint or scene that a picture may show: Iconclass notation, Wikidata item, probability and reason."""

    notation: str
    wikidata: str | None
    label: str
    score: float
    reason: str


@dataclass(frozen=True)
class AnnotationView:
    """A Web Annotation and how far it got; ``external_id`` is Europeana's identifier once it is published."""

    key: str
    motivation: str
    state: str
    reason: str | None
    score: float
    document: Mapping[str, Any]
    detection_id: int | None
    external_id: str | None


@dataclass(frozen=True)
class PictureView:
    """One picture of one record. ``state`` and ``reason`` are those of its place in the batch."""

    record: RecordView
    sha256: str
    width: int
    height: int
    state: str
    reason: str | None
    detections: tuple[DetectionView, ...] = ()
    captions: tuple[CaptionView, ...] = ()
    annotations: tuple[AnnotationView, ...] = ()
    relations: tuple[RelationView, ...] = ()
    subjects: tuple[SubjectView, ...] = ()

    @property
    def corrected(self) -> bool:
        """Whether context changed or took away a class in this picture."""
        return any(found.change in {"relabelled", "removed"} for found in self.detections)


@dataclass(frozen=True)
class JobView:
    """A Slurm job of the run."""

    key: str
    cluster: str
    job_id: str | None
    state: str
    slurm_state: str | None
    tasks: int
    reason: str | None
    intended_at: datetime
    submitted_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class Failure:
    """What went wrong in one step, how often.

    Attributes:
        step: where, in words.
        state: the row's state.
        reason: why, as it was recorded.
        count: how many.
        of_run: False for what stands in the whole store (pictures that could not be fetched belong to no run).
    """

    step: str
    state: str
    reason: str
    count: int
    of_run: bool


@dataclass(frozen=True)
class RunCounts:
    """Counts over all pictures of the run, also those that the page leaves out."""

    pictures: int = 0
    failed: int = 0
    waiting: int = 0
    detections: int = 0
    corrected: int = 0
    corrected_pictures: int = 0
    captions: int = 0
    generated: int = 0
    annotations: int = 0
    published: int = 0


@dataclass(frozen=True)
class RunView:
    """Everything on the page. ``run`` is None where the store has no run (yet), or not the one asked for."""

    run: Run | None
    counts: RunCounts
    pictures: tuple[PictureView, ...]
    jobs: tuple[JobView, ...]
    failures: tuple[Failure, ...]
    model: ModelView | None
    runs: tuple[Run, ...]
