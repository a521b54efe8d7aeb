"""Links and images of the pages exist in a checkout, where most people read them."""

from __future__ import annotations

import posixpath
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
from documents import FENCE, ROOT, pages

PAGES = [*ROOT.glob("*.md"), *(ROOT / "benchmarks").glob("*.md"), *pages()]
TARGET = re.compile(r'(?:\]\(|(?:src|href)=")([^)\s"]+)')
# docs/index.md links to pages that exist only on the site (docs/make/hooks.py).
ONLY_ON_THE_SITE = {"docs/index.md": {"docs/reference/cli.md"}}


@cache
def tracked() -> frozenset[str]:
    """The files of a checkout, committed or not ignored, and their folders."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    files = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    return frozenset(files) | {parent.as_posix() for name in files for parent in Path(name).parents}


@cache
def anchors(page: str) -> set[str]:
    text = FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    found: set[str] = set(re.findall(r'\bid="([^"]+)"', text))
    for heading in re.findall(r"(?m)^#+ (.+)$", text):
        words = re.sub(r"\]\([^)]*\)|[`*\[\]]", "", heading)
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found.add(slug if slug not in found else f"{slug}-1")
    return found


def broken(page: str, text: str) -> list[str]:
    """Targets of relative links and images that do not exist."""
    found = []
    for target in TARGET.findall(re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
        known = path in tracked() or path in ONLY_ON_THE_SITE.get(page, ())
        if not known or (anchor and path.endswith(".md") and path in tracked() and anchor not in anchors(path)):
            found.append(target)
    return found


@pytest.mark.parametrize("page", [page.relative_to(ROOT).as_posix() for page in PAGES])
def test_links_and_images_exist(page):
    assert broken(page, (ROOT / page).read_text(encoding="utf-8")) == []


def test_broken_links_are_found():
    text = "[a](guide.md#nowhere) ![b](pictures/none.png) [c](guide.md) [d](https://x.org) `[e](f.md)`"
    assert broken("docs/files.md", text) == ["guide.md#nowhere", "pictures/none.png"]


def test_the_files_that_the_architecture_page_names_exist():
    named = re.findall(r"`((?:[\w.]+/)+[\w.]*)`", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    for path in named:
        assert any((ROOT / folder / path).exists() for folder in ("", "src/armoire")), path
