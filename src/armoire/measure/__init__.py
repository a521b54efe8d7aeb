"""Numbers about a model."""

from armoire.measure.evaluate import evaluate

__all__ = ["evaluate"]
