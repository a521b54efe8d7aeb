"""Numbers about a model."""

from armoire.measure.editing import in_words, left_out_in_words
from armoire.measure.evaluate import evaluate
from armoire.measure.kept import kept_evaluation, last_epoch

__all__ = ["evaluate", "in_words", "kept_evaluation", "last_epoch", "left_out_in_words"]
