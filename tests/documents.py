"""The code blocks of README and docs/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+?) -->\n)?^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```$",
    flags=re.DOTALL | re.MULTILINE,
)
SHELLS = ("sh", "bash", "console")
COMMAND = re.compile(r"^(?:\$ )?(?:armoire|pip|make|torchrun|python3?|import|from) ", flags=re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its page and first line, language ("" for none), code, and why it is not run ("" if it is)."""

    page: str
    line: int
    language: str
    code: str
    not_run: str

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block, one per line, without comments."""
        if self.language not in SHELLS:
            return []
        lines = self.code.replace("\\\n", " ").splitlines()
        if self.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        lines = [re.sub(r"(?:^|\s+)#(?:\s.*)?$", "", line) for line in lines]
        return [line for line in lines if line.strip()]


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page.relative_to(ROOT).as_posix(),
            text.count("\n", 0, found.start("code")) + 1,
            found["language"],
            found["code"],
            found["reason"] or "",
        )
        for found in FENCE.finditer(text)
    ]


def hidden(page: Path) -> Iterator[str]:
    """Commands and imports that would not be run: indented, or in a fence without a language."""
    text = page.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.language in ("", "text") and (found := COMMAND.search(block.code)):
            yield f"{block.page}:{block.line}: {found.group()}"
    for paragraph in re.findall(r"(?:^|\n\n)((?:    [^\n]*\n)+)", FENCE.sub("", text)):
        if found := COMMAND.search("\n".join(line.strip() for line in paragraph.splitlines())):
            yield f"{page.name}: {found.group()}"


def pages() -> list[Path]:
    """Every page of docs/."""
    return sorted((ROOT / "docs").rglob("*.md"))
