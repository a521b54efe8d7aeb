"""Copies, outliers and groups in a data set, before any training."""

from armoire.survey.make import make_survey
from armoire.survey.survey import Survey

__all__ = ["Survey", "make_survey"]
