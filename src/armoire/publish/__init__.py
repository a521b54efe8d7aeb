"""What leaves the house: the report of a run."""

from armoire.publish.report import write_report

__all__ = ["write_report"]
