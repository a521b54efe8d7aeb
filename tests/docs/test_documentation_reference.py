"""Nothing that can be typed or imported goes without a word about it."""

from __future__ import annotations

import inspect
import re
import sys
from importlib import import_module

import pytest
from documents import ROOT

import armoire
from armoire.cli.app import COMMANDS
from armoire.figures import FIGURES
from armoire.training import Recipe

GUIDE = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
API = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def written():
    """The module that writes the pages of reference."""
    sys.path.insert(0, str(ROOT / "docs/make"))
    try:
        return import_module("reference")
    finally:
        sys.path.remove(str(ROOT / "docs/make"))


@pytest.fixture(scope="module")
def cli(written):
    return written.cli()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_of_a_command_is_described(command, written, cli):
    section = (cli[cli.index(f"\n## {command}\n") + 1 :] + "\n## ").partition("\n## ")[0]
    function = written.function_of(command)
    taken = written.arguments(function)
    assert len(taken) == len(inspect.signature(function).parameters) > 0
    for argument in taken:
        assert (words := written.described(argument)), f"{command}: the docstring says nothing of {argument.names[0]}"
        line = next(line for line in section.splitlines() if line.startswith(f"| `{argument.names[0]}`"))
        assert words.replace("|", "\\|") in line


def test_a_flag_that_is_not_described_is_missed(written):
    def command(*, described: int = 1, undescribed: int = 2) -> None:
        """Do something.

        Args:
            described: an option.
        """

    assert [written.described(argument) for argument in written.arguments(command)] == [
        "an option. Default: `1`.",
        "",
    ]


@pytest.mark.parametrize("recipe", armoire.recipe_names())
def test_every_recipe_is_in_the_guide_and_in_the_reference(recipe, written):
    assert f"\n| `{recipe}` |" in GUIDE
    assert f"\n## {recipe}\n" in written.recipes()


def test_every_setting_is_described(written):
    page = written.recipes()
    for key, setting in Recipe.model_fields.items():
        assert setting.description
        assert f"| `{key}` |" in page


@pytest.mark.parametrize("figure", [*FIGURES, "attribute-NAME"])
def test_every_figure_is_in_the_guide_and_in_the_reference(figure, written):
    table = GUIDE[GUIDE.index("| figure |") :].partition("\n\n")[0]
    assert f"`{figure}`" in table
    assert f"\n| `{figure}` |" in written.figures()


@pytest.mark.parametrize("name", armoire.__all__)
def test_every_public_name_is_in_the_reference(name):
    assert re.search(rf"^::: armoire\.{name}$", API, flags=re.MULTILINE)
    assert inspect.getdoc(getattr(armoire, name))


def test_everything_that_a_wardrobe_can_do_is_described():
    public = {name: member for name, member in vars(armoire.Wardrobe).items() if not name.startswith("_")}
    assert {"encode", "decode", "sample", "interpolate", "nearest", "direction"} <= set(public)
    for name, member in public.items():
        assert inspect.getdoc(getattr(member, "func", member)), name


def test_what_the_reference_names_is_there():
    for path in re.findall(r"^::: ([\w.]+)$", API, flags=re.MULTILINE):
        module, _, name = path.rpartition(".")
        assert hasattr(import_module(module), name), path
