"""The command line: one command per file, which parses, calls and prints."""

from armoire.cli.app import main

__all__ = ["main"]
