"""Pages of reference that are written by what they are about: the commands' own help, the recipes, the figures."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from importlib import import_module, resources
from typing import Any

from cyclopts import App
from cyclopts.argument import Argument

import armoire
from armoire.cli.app import COMMANDS
from armoire.figures import FIGURES
from armoire.training import Recipe
from armoire.training.recipe import describe

HEAD = "<!-- Written by docs/make/reference.py while the site is built. -->"

CLI = """
# The command line

`armoire COMMAND --help` prints what stands here, which is taken from it. Results go to stdout, progress and warnings to
stderr; `--json` prints one JSON object. Exit codes: 0 done, 2 for you to fix (one sentence says what, where and
how), 130 interrupted after saving, 1 a bug of ours.
"""
RECIPES = """
# Recipes

A recipe is every setting of a model and its training, under one name. `armoire train NAME` trains it, a flag or `--set
KEY=VALUE` changes a setting, and `armoire recipes NAME` prints it in full, as a file to change and to train.
"""
FIGURE_LIST = """
# Figures

`armoire figures RUN` draws all that say something about a run into `RUN/figures`, and `report.html`; with names after
it only those. The guide explains [how to read them](../guide.md#look).
"""
OF_ATTRIBUTES = ("`attribute-NAME`", "an attribute taken away and added in held-out images", "data with attributes")


def cli() -> str:
    """Every command: what it does, what it takes, and an example."""
    index = table(
        ("command", "what it does"), ((f"[`{command}`](#{command})", _summary(command)) for command in COMMANDS)
    )
    return "\n".join([HEAD, CLI, index, *map(_command, COMMANDS)])


def _command(command: str) -> str:
    rows = ((_usage(argument), described(argument)) for argument in arguments(function_of(command)))
    head = f"\n## {command}\n\n{_summary(command)}\n\n```sh\n{COMMANDS[command]}\n```\n"
    return f"{head}\n{table(('', ''), rows)}"


def _summary(command: str) -> str:
    return (inspect.getdoc(function_of(command)) or "").partition("\n")[0]


def function_of(command: str) -> Callable[..., Any]:
    """The function of a command."""
    return getattr(import_module(f"armoire.cli.{command}"), command)


def arguments(command: Callable[..., Any]) -> list[Argument]:
    """The arguments of a command, from its parser."""
    app = App(help_flags=[], version_flags=[], help_format="plaintext")
    app.default(command)
    return list(app.assemble_argument_collection(parse_docstring=True))


def described(argument: Argument) -> str:
    """What the help says of an argument, its choices and its default; "" where it says nothing."""
    words = " ".join((argument.parameter.help or "").split())
    if not words:
        return ""
    default = argument.field_info.default
    notes = [f"One of {', '.join(f'`{choice}`' for choice in choices)}." if (choices := argument.get_choices()) else ""]
    if not argument.required and default not in (None, False, inspect.Parameter.empty):
        notes.append(f"Default: `{default}`.")
    return " ".join([words, *filter(None, notes)])


def _usage(argument: Argument) -> str:
    names = ", ".join(f"`{name}`" for name in argument.names)
    return f"{names} (required)" if argument.required and argument.names[0].startswith("-") else names


def recipes() -> str:
    """Every recipe, with what differs from the defaults, and every setting."""
    names = armoire.recipe_names()
    rows = ((f"[`{name}`](#{name})", armoire.load_recipe(name).summary) for name in names)
    index = table(("recipe", "what it is"), rows)
    settings = table(("setting", "default", "what it is"), map(_setting, Recipe.model_fields))
    return "\n".join([HEAD, RECIPES, index, *map(_recipe, names), f"\n## Every setting\n\n{settings}"])


def _recipe(name: str) -> str:
    text = (resources.files("armoire") / "recipes" / f"{name}.toml").read_text(encoding="utf-8").strip()
    return f"\n## {name}\n\n```toml\n{text}\n```"


def _setting(key: str) -> tuple[str, str, str]:
    field = Recipe.model_fields[key]
    default = "" if field.is_required() or field.default in (None, "") else f"`{field.default}`"
    return f"`{key}`", "`[]`" if field.default == () else default, describe(key)


def figures() -> str:
    """Every figure, and what a run has to have for it."""
    rows = [(f"`{kind.name}`", kind.description, _needs(kind.requirements)) for kind in FIGURES.values()]
    return "\n".join([HEAD, FIGURE_LIST, table(("figure", "shows", "needs"), [*rows, OF_ATTRIBUTES])])


def _needs(checks: Iterable[Callable[..., str]]) -> str:
    words = [(inspect.getdoc(check) or "").rstrip(".") for check in checks]
    return "; ".join(f"{text[0].lower()}{text[1:]}" for text in words) or "any run"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    cells = [tuple(head)]
    cells += [("---",) * len(cells[0]), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"


PAGES = {"reference/cli.md": cli, "reference/recipes.md": recipes, "reference/figures.md": figures}
