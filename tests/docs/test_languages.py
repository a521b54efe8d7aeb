"""A page in two languages has the same headings, blocks, code, links, names and numbers, section by section."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from decimal import Decimal

import pytest
from documents import FENCE, ROOT

PAIRS = {
    "README.md": "README.ko.md",
    "docs/quickstart.md": "docs/ko/quickstart.md",
    "docs/story.md": "docs/ko/story.md",
}
ENGLISH_OF = {korean: english for english, korean in PAIRS.items()}
LINK = re.compile(r'\]\(([^)\s]+)(?: "[^"]*")?\)')
HEADING = re.compile(r"^#+ (.+)$", flags=re.MULTILINE)
COMMENT = re.compile(r"(?:^|\s+)#\s.*$", flags=re.MULTILINE)
# A minus counts: -0.35, −4. A million may be written 100만, and 0.5 as .5.
NUMBER = re.compile(r"(?<![\w.])([-−]?)((?:\d[\d,]*)?\.?\d+)(?: ?(million|만(?!큼)))?")
ENGLISH_WORDS = re.compile(r"(?:\b[a-z]+\b[ ,]*){5,}")
SCALES = {"": 1, "million": 10**6, "만": 10**4}
WORDS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
WORDS_TO_NUMBERS = {word: k for k, word in enumerate([*WORDS.split(), "seventeen", "eighteen", "nineteen", "twenty"])}
WORDS_TO_NUMBERS |= {"thirty": 30, "forty": 40, "fifty": 50, "seventy": 70, "hundred": 100}
WORDS_TO_NUMBERS |= {"half": 2, "third": 3, "thirds": 3, "quarter": 4, "tenth": 10, "tenths": 10}


def numbers(text: str) -> Counter[str]:
    """Each number that is written in digits, as often as it is there."""
    found: Counter[str] = Counter()
    for minus, digits, scale in NUMBER.findall(text):
        number = Decimal(digits.replace(",", "")) * SCALES[scale]
        found["-" * bool(minus) + f"{number:f}"] += 1
    return found


def spelled_out(text: str) -> Counter[str]:
    """Numbers as which Korean may write English words: seventy thousand is 70 or 70000, a third 1 and 3."""
    found: Counter[str] = Counter()
    before = 1
    for word in re.findall(r"[a-z]+", text.lower()):
        number = WORDS_TO_NUMBERS.get(word, 0)
        if word in ("thousand", "hundred"):
            found[str(before * {"thousand": 1000, "hundred": 100}[word])] += 1
        if word in WORDS_TO_NUMBERS:
            found.update([str(number), "1"])
        before = number or 1
    return found


def anchors(page: str) -> list[str]:
    """Of the page's headings, as GitHub and the site make them."""
    text = FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)]


def destination(page: str, target: str) -> str:
    """Where a link goes, under the same name in both languages: pages by their English name, headings by number."""
    if re.match(r"[a-z]+:", target):
        return target
    path, _, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    if anchor and path in {**PAIRS, **ENGLISH_OF}:
        anchor = str(anchors(path).index(anchor))
    return f"{ENGLISH_OF.get(path, path)}#{anchor}"


def sections(page: str, text: str) -> list[dict[str, object]]:
    """What each section of a page has in common with its counterpart, code first taken out of the prose."""
    code: list[str] = []

    def take(fence: re.Match[str]) -> str:
        drawing = not fence["language"]  # of it only paths and what stands behind an arrow
        plain = re.sub(r"(?m)^(\s*\S*).*?(->.*)?$", r"\1 \2", fence["code"]) if drawing else fence["code"]
        code.append(f"{fence['reason']} {fence['language']}\n{plain if drawing else COMMENT.sub('', plain)}")
        comments = "" if drawing else " ".join(COMMENT.findall(fence["code"]))
        return f"\x02{len(code) - 1}\x03{comments.replace('#', '')}"

    return [_section(page, part, code) for part in re.split(r"(?m)^(?=#+ )", FENCE.sub(take, text))]


def _section(page: str, text: str, code: list[str]) -> dict[str, object]:
    words = re.sub(r"\x02\d+\x03|`[^`]+`|^<.*|\]\(\S+", " ", text, flags=re.MULTILINE)
    blocks = [block for block in re.split(r"\n{2,}|\n(?=[-|])", text.strip()) if block.strip()]
    to = Counter(destination(page, target) for target in LINK.findall(text))
    del to[f"{ENGLISH_OF.get(page, page)}#"]  # the link that switches the language
    return {
        "heading": len(text) - len(text.lstrip("#")),
        "blocks": [(re.match(r"#|-|!|\||<.*|\x02|", block).group(), block.count("|")) for block in blocks],  # type: ignore[union-attr]
        "code": [code[int(k)] for k in re.findall(r"\x02(\d+)\x03", text)],
        "links": to,
        "names": set(re.findall(r"`([^`]+)`", text)),
        "numbers": numbers(words),
        "cells": [[set(numbers(cell)) for cell in row.split("|")[2:]] for row in re.findall(r"(?m)^\|.*", words)],
        "words": words,
    }


def differences(english: str, text: str, korean_text: str) -> list[str]:
    """What a Korean page has otherwise than the English one; each with the section's number and what both have."""
    here, there = sections(english, text), sections(PAIRS[english], korean_text)
    if [part["heading"] for part in here] != [part["heading"] for part in there]:
        return ["headings"]
    found = []
    for k, (one, other) in enumerate(zip(here, there, strict=True)):
        for what in ("blocks", "code", "links", "names", "cells"):
            if one[what] != other[what]:
                found.append(f"{what} of section {k}: {one[what]} and {other[what]}")
        wanted, given = one["numbers"], other["numbers"]
        if missing := wanted - given:
            found.append(f"numbers of section {k} that only English has: {missing}")
        if extra := given - wanted - spelled_out(str(one["words"])):
            found.append(f"numbers of section {k} that only Korean has: {extra}")
        for paragraph in re.split(r"\n{2,}", re.sub(r"(?m)^\|.*", "", str(other["words"]))):
            hangul, latin = len(re.findall("[가-힣]", paragraph)), len(re.findall("[A-Za-z]", paragraph))
            if (latin >= 20 and hangul < 0.4 * (hangul + latin)) or ENGLISH_WORDS.search(paragraph):
                found.append(f"section {k} is not translated: {paragraph}")
    return found


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("english", PAIRS)
def test_both_languages_say_the_same(english):
    assert differences(english, read(english), read(PAIRS[english])) == []


@pytest.mark.parametrize(
    ("pattern", "by", "what"),
    [
        (r"(?m)^## .*", "", "headings"),
        (r"\n\n([가-힣])", r"\n\n더합니다.\n\n\1", "blocks"),
        (r"(armoire train \S+)", r"\1 --seed 7", "code"),
        (r"\]\(\S+\.md", "](other.md", "links"),
        (r"(?<=[^`]`)([a-z]\S+`[^`])", r"x\1", "names"),
        (r"[-−](?=0\.35|4에서|3,3|3\.5)|(?<=에폭 )\d|(?<=약 )\d|7(?=만 점)", "8", "numbers"),
        (
            r"\n\n[가-힣][^\n]{40,}\n\n",
            "\n\nThis was left in the language that it was written in.\n\n",
            "not translated",
        ),
    ],
)
def test_a_difference_is_found(pattern, by, what):
    changed = 0
    for english, korean in PAIRS.items():
        page, n = re.subn(pattern, by, read(korean), count=1)
        changed += n
        assert n == 0 or what in " ".join(differences(english, read(english), page)), (korean, what)
    assert changed


def test_the_readmes_link_to_each_other():
    for page, other in (("README.md", "README.ko.md"), ("README.ko.md", "README.md")):
        assert f"]({other})" in read(page).split("\n\n")[1]
