"""Package, documentation and page are written without constructions that no native speaker would use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documents import ROOT

FORBIDDEN = re.compile(
    r"\bof which\b|\bthereof\b|\bwhereof\b|\bsees? to it that\b|at a bearable price|\b(?:is|are|was) told by\b"
    r"|comes? again and again|\bin turn of\b|\blets? go of\b|not taken for nothing|what is known of each"
    r"|\bhangs? (?:here|there)\b|on the shelf",
    flags=re.IGNORECASE,
)
CLEAN = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "hatch_build.py",
    "benchmarks",
    "docs",
    "web/src",
    "tests/docs",
    "tests/end_to_end",
    "tests/hub",
    "tests/cli",
    "src/armoire",
)

HISTORY = (ROOT / "docs/decisions", ROOT / "docs/story.md", ROOT / "docs/notebooks")  # the story keeps its metaphor
TEXT = {".css", ".ipynb", ".md", ".py", ".svelte", ".toml", ".ts", ".jinja"}


def files(name: str) -> list[Path]:
    found = [path for path in (ROOT / name).rglob("*") if path.suffix in TEXT] or [ROOT / name]
    return [path for path in found if not any(path.is_relative_to(past) for past in HISTORY)]


@pytest.mark.parametrize("name", CLEAN)
def test_nothing_is_worded_as_nobody_would(name):
    assert files(name)
    for path in files(name):
        text = " ".join(path.read_text(encoding="utf-8").split())
        assert not (found := FORBIDDEN.search(text)), (path, text[found.start() - 60 : found.end() + 40])
