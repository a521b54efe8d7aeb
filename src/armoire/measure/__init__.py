"""Numbers about a model."""

from armoire.measure.editing import in_words, left_out_in_words
from armoire.measure.evaluate import evaluate

__all__ = ["evaluate", "in_words", "left_out_in_words"]
