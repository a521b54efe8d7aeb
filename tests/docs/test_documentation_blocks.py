"""Every command and every piece of Python that a page prints is run as it is printed."""

from __future__ import annotations

import pytest
from documents import ROOT, SHELLS, blocks, hidden, pages

from armoire.cli.app import COMMANDS

# Why a block may stay unrun, and how many of all: what cannot be tried is the exception.
REASONS = {
    "installs",
    "serves until Ctrl-C",
    "starts several processes",
    "needs another machine",
    "needs a GPU",
    "needs CelebA",
    "needs the Hub",
    "needs a tracker",
}
MOST_NOT_RUN = 0.25
README = ROOT / "README.md"
PAGES = [page.relative_to(ROOT).as_posix() for page in [README, *pages()] if blocks(page)]
INSTEAD = {"make demo": "armoire train fashion-vae", ". .venv/bin/activate": ""}  # tests/test_readme.py runs these


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_prints_runs(page, reader):
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(ROOT / page):
        if block.not_run:
            continue
        for command in block.commands:
            if typed := INSTEAD.get(command, command):
                reader.type(typed)
        if block.language == "python":
            reader.python(block, names)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "explore"])  # it serves until Ctrl-C
def test_the_example_in_a_commands_help_runs(command, reader):
    reader.type(COMMANDS[command])


def test_a_variant_of_ones_own_takes_less_than_twenty_lines():
    page = blocks(ROOT / "docs/your-own-variant.md")
    assert max(sum(map(bool, block.code.splitlines())) for block in page) < 20
    assert all(any(word in block.code for block in page) for word in ("beta_warmup", "NETWORKS", "LIKELIHOODS"))


def test_nothing_is_printed_where_it_would_not_be_run():
    assert [found for page in [*pages(), README] for found in hidden(page)] == []


def test_what_is_not_run_is_the_exception():
    all_blocks = [
        block for page in [*pages(), README] for block in blocks(page) if block.language in (*SHELLS, "python")
    ]
    not_run = [block for block in all_blocks if block.not_run]
    assert {block.not_run for block in not_run} <= REASONS
    assert len(not_run) <= MOST_NOT_RUN * len(all_blocks), [(b.page, b.line) for b in not_run]
    assert len(all_blocks) >= 30  # they are found at all


def test_a_mark_stands_right_before_a_block():
    marks = sum(page.read_text(encoding="utf-8").count("<!-- not run:") for page in pages())
    assert marks == sum(bool(block.not_run) for page in pages() for block in blocks(page))
