"""What commands print on stdout: tables and JSON."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from armoire.measure.verdict import Verdict

NARROWEST = 60  # columns


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows in aligned columns; on a terminal, wrap the last one."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    # In a pipe a row stays one line, for programs.
    room = max(NARROWEST, shutil.get_terminal_size().columns) - before if sys.stdout.isatty() else 0
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=False)]
        lines = _wrapped(row[-1], room) if room > 0 else [row[-1]]
        print("  ".join([*cells, lines[0]]).rstrip())
        for line in lines[1:]:
            print(" " * before + line)


def print_verdict(verdict: Verdict, run: str) -> None:
    """Print what a run is good for, and an empty line."""
    for line in verdict.lines(run):
        print(line)
    print_table([row for name, why, command in verdict.rows(run) for row in ((name, why), ("", command))])
    print()


def _wrapped(text: str, room: int) -> list[str]:
    # Never within a path or a flag, which users copy.
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]


def flat(found: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Rows (name, value) of a nested dict, for `print_table`."""
    rows: list[tuple[str, str]] = []
    for key, value in found.items():
        if isinstance(value, dict):
            rows += flat(value, f"{prefix}{key} ")
        else:
            rows.append((f"{prefix}{key}".replace("_", " "), _readable(value)))
    return rows


def _readable(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_readable, value)) or "none"
    return f"{value:,}" if type(value) is int else str(value)
