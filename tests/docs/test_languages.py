"""The Korean pages say what the English ones say, and what is out of step is told with its place (in_step.py)."""

from __future__ import annotations

import re
from bisect import bisect

import pytest
from in_step import CODE, PAIRS, ROOT, blocks, differences, figure_differences


def read(english: str) -> tuple[str, str]:
    return tuple((ROOT / page).read_text(encoding="utf-8") for page in (english, PAIRS[english]))


@pytest.mark.parametrize("english", PAIRS)
def test_the_pages_are_in_step(english):
    assert differences(english, *read(english)) == []


@pytest.mark.parametrize("english", PAIRS)
def test_the_korean_pages_are_korean(english):
    prose = " ".join(block.text for block in blocks(read(english)[1]) if block.kind.split()[0] not in CODE)
    hangul, latin = len(re.findall("[가-힣]", prose)), len(re.findall("[A-Za-z]", prose))
    assert hangul > 0.7 * (hangul + latin)


def test_the_readmes_lead_to_each_other():
    for page, other in (("README.md", "README.ko.md"), ("README.ko.md", "README.md")):
        top = blocks((ROOT / page).read_text(encoding="utf-8"))[:2]
        assert other in top[1].targets, page


# What each change does to the first line of a Korean page that it fits, and what has to be said of it.
CHANGES: dict[str, tuple[str, str, str]] = {
    "a flag": (r"^(armoire train \S+)", r"\1 --seed 7", "--seed 7"),
    "a recipe": (r"^(armoire train )\S+", r"\1fashion-dae", "fashion-dae"),
    "a line of Python": (r"^between = ", "middle = ", "'middle = "),
    "a figure of a comment": (r"(# [가-힣].*)\b2\b", r"\g<1>3", "figures that are missing: ['2']"),
    "a path of a drawing": (r"^  images/", "  pictures/", "pictures/"),
    "a mark for the site": (r"^<!-- not run", "<!-- not_run", "<!-- not_run"),
    "a formula": (r"log_var", "log_sd", "log_sd"),
    "a level": (r"^## ", "### ", "['heading_open h3'] stand for ['heading_open h2']"),
    "a heading": (r"^## .*", "", "stand for ['heading_open h2']"),
    "a paragraph": (r"^([가-힣].*)", r"\1\n\n덧붙입니다.\n", "paragraph_open p'] stand for []"),
    "an item": (r"^- ", "- - ", "'bullet_list_open ul'"),
    "a column": (r"^\|( \S+ \|).*", r"|\1", "td"),
    "an image": (r"(!\[.*?\]\()\S+?\.png", r"\1images/other.png", "links of one page only"),
    "a link": (r"(?<!!)(\[[^]]+\]\()[\w./]*\.md", r"\1other.md", "links of one page only"),
    "a link's heading": (r"\.md#[\w-]+", ".md#elsewhere", "links of one page only"),
    "a link into the English pages": (r"\(story\.md", "(../story.md", "is the English page of docs/ko/story.md"),
    "a name": (r"^([^`#]*)`([^`]+)`", r"\1`\2x`", "`code` of one page only"),
    "a figure": (r"^([가-힣][^`]*?)\d[\d.,]*\d", r"\g<1>31337", "figures that are missing"),
    "two cells": (r"^(\|[^|]+\|)( \d\S+ \|)( \S+ \|)$", r"\1\3\2", "figures that are missing"),
    "a sign": (r"^([|가-힣].*)[-−](?=\d)", r"\1", "figures that are missing: ['−"),
    "a sentence": (r"^[가-힣].{40,}", "This was left in the language that it was written in.", "not translated"),
    "half a sentence": (r"^([가-힣].{40,})", r"\1 and this was left as it was", "not translated: 'and this"),
}


def changed(text: str, pattern: str, by: str) -> tuple[str, list[int]] | None:
    """The page with its first line that fits changed, and where that block, the one before and the next begin."""
    lines = text.split("\n")
    for k, line in enumerate(lines):
        if (new := re.sub(pattern, by, line, count=1)) != line:
            starts = sorted({block.line for block in blocks(text)} | {len(lines)})
            at = bisect(starts, k + 1)
            return "\n".join([*lines[:k], new, *lines[k + 1 :]]), starts[max(at - 2, 0) : at + 1]
    return None


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_told_with_its_place(what):
    pattern, by, said = CHANGES[what]
    fitting = 0
    for english, korean in PAIRS.items():
        text, translated = read(english)
        if (change := changed(translated, pattern, by)) is None:
            continue
        fitting += 1
        page, starts = change
        told = [sentence for sentence in differences(english, text, page) if said in sentence]
        assert any(sentence.startswith(f"{korean}:{line} ") for sentence in told for line in starts), (starts, told)
    assert fitting


def test_an_end_that_is_missing_is_told():
    text, translated = read("docs/story.md")
    told = differences("docs/story.md", text, translated[: translated.rindex("\n## ")])
    assert len(told) == 1
    assert "stand for ['heading_open h2'" in told[0]


def test_words_of_comments_are_the_translators():
    text, translated = read("README.md")
    change = changed(translated, r"# 세상에 없던 옷", "# 새 옷")
    assert change
    assert differences("README.md", text, change[0]) == []


@pytest.mark.parametrize(
    ("english", "korean", "same"),
    [
        ("70,000 garments, .5 each", "옷 70000벌, 하나에 0.5", True),
        ("64 million pixels, 100,000 of them", "6,400만 화소, 그 가운데 10만", True),
        ("five epochs, about a third of two hundred", "5에폭, 200의 3분의 1쯤", True),
        ("by 0.21 at 2.0", "2.0에서 0.21만큼", True),
        ("−4 to 4, 91–96 %", "-4에서 4까지, 91–96%", True),
        ("3.40 nats", "3.4 nat", False),
        ("-0.35 to 0.65", "0.35에서 0.65까지", False),
        ("2 of 2", "2개", False),
        ("five epochs", "6에폭", False),
        ("1,024 pixels", "1,042픽셀", False),
    ],
)
def test_figures_of_two_languages(english, korean, same):
    assert (list(figure_differences(english, korean)) == []) == same
