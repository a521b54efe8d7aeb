"""Every command and every block of Python on a page runs as printed."""

from __future__ import annotations

import pytest
from documents import ROOT, SHELLS, blocks, hidden, pages

from armoire.cli.app import COMMANDS

# Why a block may not be run, and at most what share of all.
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
INSTEAD = {"make demo": "armoire train fashion-vae", ". .venv/bin/activate": ""}  # run by tests/test_readme.py


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run(page, reader):
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(ROOT / page):
        if block.not_run:
            continue
        for command in block.commands:
            if line := INSTEAD.get(command, command):
                reader.type(line)
        if block.language == "python":
            reader.python(block, names)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "explore"])  # it serves until Ctrl-C
def test_the_example_in_a_commands_help_runs(command, reader):
    reader.type(COMMANDS[command])


def test_every_example_of_your_own_variant_is_under_twenty_lines():
    page = blocks(ROOT / "docs/your-own-variant.md")
    assert max(sum(map(bool, block.code.splitlines())) for block in page) < 20
    assert all(any(word in block.code for block in page) for word in ("beta_warmup", "NETWORKS", "LIKELIHOODS"))


def test_few_blocks_are_not_run_and_each_states_a_reason():
    texts = {page: page.read_text(encoding="utf-8") for page in [*pages(), README]}
    assert [found for page in texts for found in hidden(page)] == []
    every = [block for page in texts for block in blocks(page)]
    assert sum(text.count("<!-- not run:") for text in texts.values()) == sum(bool(block.not_run) for block in every)
    code = [block for block in every if block.language in (*SHELLS, "python")]
    not_run = [block for block in code if block.not_run]
    assert {block.not_run for block in not_run} <= REASONS
    assert len(not_run) <= MOST_NOT_RUN * len(code), [(b.page, b.line) for b in not_run]
    assert len(code) >= 30
