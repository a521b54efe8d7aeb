"""A page in two languages has the same headings, code, links, names and table figures."""

from __future__ import annotations

import posixpath
import re
from collections import Counter

import pytest
from documents import FENCE, ROOT, blocks

PAIRS = {
    "README.md": "README.ko.md",
    "docs/quickstart.md": "docs/ko/quickstart.md",
    "docs/story.md": "docs/ko/story.md",
}
ENGLISH_OF = {korean: english for english, korean in PAIRS.items()}
LINK = re.compile(r'\]\(([^)\s]+)(?: "[^"]*")?\)')


def prose(page: str) -> str:
    return FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))


def headings(page: str) -> list[tuple[str, str]]:
    """Level and anchor of each heading, as GitHub and MkDocs make them."""
    found = re.findall(r"(?m)^(#+) (.+)$", prose(page))
    return [(level, re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")) for level, words in found]


def levels(page: str) -> list[str]:
    return [level for level, _ in headings(page)]


def code(page: str) -> list[str]:
    """Blocks of commands and Python without their comments."""
    found = [block for block in blocks(ROOT / page) if block.language]
    return [block.not_run + re.sub(r"(?m)(?:^|\s+)#\s.*$", "", block.code) for block in found]


def links(page: str) -> Counter[str]:
    """Destinations of links and images: pages by their English name, headings by their number."""
    found: Counter[str] = Counter()
    for target in LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if "://" not in target:
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
        if anchor and path in {*PAIRS, *ENGLISH_OF}:
            anchor = str([name for _, name in headings(path)].index(anchor))
        found[f"{ENGLISH_OF.get(path, path)}#{anchor}"] += 1
    del found[f"{ENGLISH_OF.get(page, page)}#"]  # the link to the other language
    return found


def names(page: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", prose(page)))


def figures(page: str) -> list[list[str]]:
    """The numbers of each row of the tables."""
    return [re.findall(r"\d[\d.,]*\d|\d", row) for row in re.findall(r"(?m)^\|.*", prose(page))]


@pytest.mark.parametrize("english", PAIRS)
@pytest.mark.parametrize("part", [code, links, names, figures, levels], ids=lambda part: part.__name__)
def test_both_languages_have_the_same(english, part):
    assert part(PAIRS[english]) == part(english)


@pytest.mark.parametrize("korean", ENGLISH_OF)
def test_a_korean_page_has_no_english_paragraph(korean):
    for paragraph in re.split(r"\n{2,}|\n(?=\|)", re.sub(r"`[^`\n]+`|\]\(\S+", " ", prose(korean))):
        assert not re.search(r"(?:\b[a-z]+\b[ ,]*){6,}", paragraph), paragraph


def test_the_readmes_link_to_each_other():
    for page, other in (("README.md", "README.ko.md"), ("README.ko.md", "README.md")):
        assert f"]({other})" in prose(page).split("\n\n")[1]
