"""The Korean pages say what the English ones say: blocks, commands, tables, links, names and figures are held in step.

Two pages are compared block by block, a block being a heading, a paragraph, an item, a cell or a piece of code:

- the blocks have the same kinds in the same order (levels of headings, languages of code, columns of tables);
- code is equal byte for byte, apart from comments, whose figures are compared. Of a drawing, a fence that names no
  language, the first word of each line and what stands behind `->` are equal;
- links and images go to the same places. From a Korean page they go to Korean pages where there are any; a link to the
  page's own counterpart switches the language and is not compared. A place within a page is a heading, whatever its
  words;
- names in `code` are the same;
- figures are the same, as often: 1,024 is 1024, .5 is 0.5, 64 million is 6,400만, and a minus counts. What English
  spells out (eighteen, a third) may be a figure in Korean, where words for numbers read badly;
- what holds many letters is mostly Hangul, and no five English words follow each other.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import SequenceMatcher
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAIRS = {
    "README.md": "README.ko.md",
    "docs/quickstart.md": "docs/ko/quickstart.md",
    "docs/story.md": "docs/ko/story.md",
}
ENGLISH_OF = {korean: english for english, korean in PAIRS.items()}

CODE = {"fence", "code_block", "html_block"}
# A command ends where a comment begins: at a # that follows a space, outside of quotes.
COMMAND = re.compile(r"""(?:[^'"#]|'[^']*'|"[^"]*"|(?<=\S)\#)*(?=\#|$)""")
FIGURE = re.compile(
    r"(?<![A-Za-z0-9_.])([-−]?)((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:\s?(million|thousand|백만|만(?!큼)|천))?"
)
SCALES = {"thousand": 10**3, "천": 10**3, "million": 10**6, "백만": 10**6, "만": 10**4}
ONES = """zero one two three four five six seven eight nine ten
eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"""
TENS = "twenty thirty forty fifty sixty seventy eighty ninety hundred"
WORDS = {word: k for k, word in enumerate(ONES.split())} | {word: 10 * k for k, word in enumerate(TENS.split(), 2)}
WORDS |= {"thousand": 10**3, "million": 10**6}
PARTS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "tenth": 10, "hundredth": 100}
LETTERS, SHARE = 20, 0.4  # of a block with that many Latin letters, that much is Hangul at least
ENGLISH_WORDS = re.compile(r"(?:\b[a-z]+\b[ ,]*){5,}")


@dataclass
class Block:
    """What is written at one place of a page."""

    kind: str
    line: int
    text: str = ""
    names: set[str] = field(default_factory=set)
    targets: list[str] = field(default_factory=list)


def blocks(text: str) -> list[Block]:
    found, line = [], 1
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.map:
            line = token.map[0] + 1
        if token.type == "inline":
            read_inline(token, found[-1])
        elif token.nesting >= 0:
            kind = " ".join([token.type, token.tag, token.info, str(token.attrGet("style") or "")]).strip()
            found.append(Block(kind, line, token.content))
    return found


def read_inline(token: Token, block: Block) -> None:
    for child in token.children or []:
        if child.type == "code_inline":
            block.names.add(child.content)
        elif child.type == "image":
            block.targets.append(str(child.attrs["src"]))
            block.text += f" {child.content} {child.attrs.get('title', '')} "
        elif child.type == "link_open":
            block.targets.append(str(child.attrs["href"]))
        else:
            block.text += child.content if child.type == "text" else " " if child.type == "softbreak" else ""


def figures(text: str) -> Counter[str]:
    """Each figure, without separators of thousands or a leading zero, as often as it stands there."""
    found: Counter[str] = Counter()
    for minus, digits, scale in FIGURE.findall(text):
        plain = digits.replace(",", "")
        plain = str(int(Decimal(plain) * SCALES[scale])) if scale else re.sub(r"^0+(?=\d*\.|\d)", "", plain)
        found["−" * bool(minus) + plain] += 1
    return found


def spelled_out(text: str) -> Counter[str]:
    """The numbers that English words stand for: `seventy thousand` for 70, 1000 and 70000, `a tenth` for 1 and 10."""
    found: Counter[str] = Counter()
    before = 1
    for word in re.findall(r"[a-z]+", text.lower()):
        singular = word if word in WORDS else word.removesuffix("s")
        if singular in WORDS:
            found.update({str(WORDS[singular]), str(WORDS[singular] * before)})
        elif singular in PARTS:
            found.update({"1", str(PARTS[singular])})
        before = WORDS.get(singular, 1)
    return found


def split_comments(code: str) -> tuple[list[str], str]:
    """The commands of each line, and all comments together."""
    lines, comments = [], ""
    for line in code.splitlines():
        command = COMMAND.match(line)
        kept = command.group().rstrip() if command else line
        lines.append(kept)
        comments += line[len(kept) :] + "\n"
    return lines, comments


def drawing(code: str) -> list[str]:
    return [re.sub(r"^(\s*\S*).*?(->.*)?$", r"\1 \2", line) for line in code.splitlines()]


def slugs(text: str) -> list[str]:
    """Anchors of the headings, as GitHub makes them."""
    headings = [block.text for block in blocks(text) if block.kind.startswith("heading_open")]
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def place(page: str, target: str) -> str:
    """Where a link of a page goes to, named alike in both languages."""
    if re.match(r"[a-z]+:", target):
        return target
    path, _, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    if anchor and path in {**PAIRS, **ENGLISH_OF}:
        known = slugs((ROOT / path).read_text(encoding="utf-8"))
        anchor = f"heading {known.index(anchor) + 1}" if anchor in known else f"no heading {anchor}"
    return ENGLISH_OF.get(path, path) + (f"#{anchor}" if anchor else "")


def places(page: str, block: Block) -> Counter[str]:
    """Where the links of a block go to, but for the one that switches the language."""
    return Counter(to for to in (place(page, target) for target in block.targets) if to != ENGLISH_OF.get(page, page))


def differences(english: str, text: str, korean_text: str) -> list[str]:
    """One sentence with its place for each thing in which the Korean page is out of step with the English one.

    Where blocks are missing or too many, of these alone: what follows would not be held against its like.
    """
    here, there = blocks(text), blocks(korean_text)
    shapes = SequenceMatcher(None, [b.kind for b in here], [b.kind for b in there], autojunk=False)
    told = []
    for change, i, i_end, j, j_end in shapes.get_opcodes():
        if change != "equal":
            wanted, found = ([b.kind for b in part] for part in (here[i:i_end], there[j:j_end]))
            told.append(f"{at(english, here, there, i, j)}: {found} stand for {wanted}")
    if told:
        return told
    for k, (one, other) in enumerate(zip(here, there, strict=True)):
        compare = code_differences if one.kind.split()[0] in CODE else prose_differences
        told += [f"{at(english, here, there, k, k)}: {what}" for what in compare(one, other, english)]
    return told


def at(english: str, here: list[Block], there: list[Block], i: int, j: int) -> str:
    line, korean_line = (part[min(k, len(part) - 1)].line for part, k in ((here, i), (there, j)))
    return f"{PAIRS[english]}:{korean_line} ({english}:{line})"


def code_differences(one: Block, other: Block, english: str) -> Iterator[str]:
    if one.kind.startswith("html_block"):
        if one.text != other.text:
            yield f"{one.text!r} is {other.text!r}"
        return
    if one.kind == "fence code":
        lines, translated = drawing(one.text), drawing(other.text)
        comments = translated_comments = ""
    else:
        (lines, comments), (translated, translated_comments) = split_comments(one.text), split_comments(other.text)
    if len(lines) != len(translated):
        yield f"{len(translated)} lines of code for {len(lines)}"
    yield from (f"{a!r} is {b!r}" for a, b in zip(lines, translated, strict=False) if a != b)
    yield from figure_differences(comments, translated_comments)


def prose_differences(one: Block, other: Block, english: str) -> Iterator[str]:
    korean = PAIRS[english]
    yield from figure_differences(one.text, other.text)
    if one.names != other.names:
        yield f"`code` of one page only: {sorted(one.names ^ other.names)}"
    here, there = places(english, one), places(korean, other)
    if here != there:
        yield f"links of one page only: {sorted(((here - there) + (there - here)).elements())}"
    for target in other.targets:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(korean), target.partition("#")[0]))
        if path in PAIRS and path != english:
            yield f"{target} is the English page of {PAIRS[path]}"
    hangul, latin = len(re.findall("[가-힣]", other.text)), len(re.findall("[A-Za-z]", other.text))
    if latin >= LETTERS and hangul < SHARE * (hangul + latin):
        yield f"not translated: {other.text!r}"
    elif run := ENGLISH_WORDS.search(other.text):
        yield f"not translated: {run.group()!r}"


def figure_differences(english: str, korean: str) -> Iterator[str]:
    wanted, there = figures(english), figures(korean)
    if missing := wanted - there:
        yield f"figures that are missing: {sorted(missing.elements())}"
    if extra := there - wanted - spelled_out(english):
        yield f"figures that English has not: {sorted(extra.elements())}"
