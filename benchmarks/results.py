"""RESULTS.md: one section a benchmark, each written by its own script."""

from __future__ import annotations

import os
import platform
import re
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
TITLE = "# Results\n\nMeasured by the scripts in this folder; each section says by which, where and when.\n"


def when_and_where() -> str:
    """The day and the machine, with which a section begins."""
    return f"{date.today()}, {machine()}"


def machine() -> str:
    """What it was measured on."""
    return f"{platform.machine()}, {os.cpu_count()} cores"


def write_section(title: str, lines: list[str]) -> None:
    """Put `lines` under `## title`, at the end, in place of what stood there."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else TITLE
    section = f"## {title}\n\n" + "\n".join(lines).strip() + "\n"
    pattern = re.compile(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    text = pattern.sub("", text).rstrip() + "\n\n" + section
    RESULTS.write_text(text.rstrip() + "\n", encoding="utf-8")
