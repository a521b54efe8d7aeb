"""docs/results.md: one section a benchmark, each written by its own script."""

from __future__ import annotations

import os
import platform
import re
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "docs/results.md"


def when_and_where() -> str:
    """The day and the machine, with which a section begins."""
    return f"{date.today()}, {machine()}"


def machine() -> str:
    """What it was measured on."""
    return f"{platform.machine()}, {os.cpu_count()} cores"


def write_section(title: str, lines: list[str]) -> None:
    """Replace the section `## title` by `lines`, or append it."""
    text = RESULTS.read_text(encoding="utf-8")
    section = f"## {title}\n\n" + "\n".join(lines).strip() + "\n\n"
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    text = pattern.sub(lambda _: section, text) if pattern.search(text) else f"{text.rstrip()}\n\n{section}"
    RESULTS.write_text(text.rstrip() + "\n", encoding="utf-8")
