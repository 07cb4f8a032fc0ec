"""Tells sentences that say what is depicted from all others: a spaCy text classifier.

``train_classifier`` makes a model, ``CaptionClassifier`` judges sentences with it, ``classify_records`` those of the
store and ``classify_table`` those of a CSV file; ``evaluate_classifier`` says where it errs.
"""

from sgob_tasks.captions.classifier.evaluation import ClassifierEvaluation, evaluate_classifier
from sgob_tasks.captions.classifier.features import normalise
from sgob_tasks.captions.classifier.measures import Scores, score
from sgob_tasks.captions.classifier.model import CaptionClassifier, CaptionModelInfo, model_info
from sgob_tasks.captions.classifier.records import CaptionCounts, classify_records
from sgob_tasks.captions.classifier.table import TableCounts, classify_table
from sgob_tasks.captions.classifier.training import TrainingPlan, ensure_model, train_classifier

__all__ = [
    "CaptionClassifier",
    "CaptionCounts",
    "CaptionModelInfo",
    "ClassifierEvaluation",
    "Scores",
    "TableCounts",
    "TrainingPlan",
    "classify_records",
    "classify_table",
    "ensure_model",
    "evaluate_classifier",
    "model_info",
    "normalise",
    "score",
    "train_classifier",
]
