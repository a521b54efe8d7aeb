"""Numbers about a model."""

from armoire.measure.editing import in_words, left_out_in_words
from armoire.measure.evaluate import evaluate
from armoire.measure.kept import kept_evaluation, last_epoch
from armoire.measure.report_tables import Evaluation

__all__ = ["Evaluation", "evaluate", "in_words", "kept_evaluation", "last_epoch", "left_out_in_words"]
