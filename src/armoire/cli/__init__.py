"""The command line: one verb, one function; it parses, calls, prints, and knows no mathematics."""

from armoire.cli.app import main

__all__ = ["main"]
