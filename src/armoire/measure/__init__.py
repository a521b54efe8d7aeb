"""Numbers about a model."""

from armoire.measure.evaluation import Evaluation, evaluate, last_epoch, stored_evaluation, verdict_on
from armoire.measure.measure import MEASURES, Context, Measure
from armoire.measure.report_tables import edit_summaries, excluded_attributes

__all__ = [
    "MEASURES",
    "Context",
    "Evaluation",
    "Measure",
    "edit_summaries",
    "evaluate",
    "excluded_attributes",
    "last_epoch",
    "stored_evaluation",
    "verdict_on",
]
