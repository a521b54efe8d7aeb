"""Every option, recipe, setting, figure and public name is documented."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from importlib import import_module

import pytest
from documents import ROOT

import armoire
from armoire.cli.app import COMMANDS
from armoire.cli.arguments import ColumnFlags
from armoire.figures import FIGURES
from armoire.training import Recipe

GUIDE = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
API = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reference():
    """The module that writes the reference pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs/make")
        return import_module("reference")


@pytest.fixture(scope="module")
def cli(reference):
    return reference.cli()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_documented(command, reference, cli):
    section = (cli[cli.index(f"\n## {command}\n") + 1 :] + "\n## ").partition("\n## ")[0]
    function = reference.function_of(command)
    taken = reference.arguments(function)
    columns = len(fields(ColumnFlags)) if "columns" in inspect.signature(function).parameters else 0
    assert len(taken) == len(inspect.signature(function).parameters) + columns > 0
    for argument in (argument for argument in taken if argument.names[0] != "*"):  # the group of flags of columns
        assert (words := reference.described(argument)), f"{command}: the docstring says nothing of {argument.names[0]}"
        line = next(line for line in section.splitlines() if line.startswith(f"| `{argument.names[0]}`"))
        assert words.replace("|", "\\|") in line


@pytest.mark.parametrize("recipe", armoire.recipe_names())
def test_every_recipe_is_in_the_guide_and_in_the_reference(recipe, reference):
    assert f"\n| `{recipe}` |" in GUIDE
    assert f"\n## {recipe}\n" in reference.recipes()


def test_every_setting_is_in_the_reference(reference):
    page = reference.recipes()
    for key, setting in Recipe.model_fields.items():
        assert setting.description
        assert f"| `{key}` |" in page


@pytest.mark.parametrize("figure", [*FIGURES, "attribute-NAME"])
def test_every_figure_is_in_the_guide_and_in_the_reference(figure, reference):
    table = GUIDE[GUIDE.index("| figure |") :].partition("\n\n")[0]
    assert f"`{figure}`" in table
    assert f"\n| `{figure}` |" in reference.figures()


@pytest.mark.parametrize("name", armoire.__all__)
def test_every_public_name_is_in_the_reference(name):
    assert re.search(rf"^::: armoire\.{name}$", API, flags=re.MULTILINE)
    assert inspect.getdoc(getattr(armoire, name))


def test_every_public_member_of_a_wardrobe_has_a_docstring():
    public = {name: member for name, member in vars(armoire.Wardrobe).items() if not name.startswith("_")}
    assert {"encode", "decode", "sample", "interpolate", "nearest", "direction"} <= set(public)
    for name, member in public.items():
        assert inspect.getdoc(getattr(member, "func", member)), name


def test_names_in_the_reference_exist():
    for path in re.findall(r"^::: ([\w.]+)$", API, flags=re.MULTILINE):
        module, _, name = path.rpartition(".")
        assert hasattr(import_module(module), name), path
