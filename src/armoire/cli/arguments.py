"""What a shell is offered for arguments that name something: recipes, runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, Token

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext


def _recipes(context: CompletionContext) -> list[str]:
    from armoire.training.recipe import recipe_names

    return recipe_names() + [str(path) for path in sorted(_folder(context).glob("*.toml"))]


def _likelihoods(_context: CompletionContext) -> list[str]:
    from armoire.model.kinds import LIKELIHOODS

    return LIKELIHOODS.names()


def _runs(context: CompletionContext) -> list[tuple[str, str]]:
    """The runs that lie here, and for those elsewhere the folders where the typed path leads."""
    from armoire.training.runs import find_runs

    found = {str(run.path): f"{run.recipe}, {run.epochs} of {run.asked} epochs" for run in find_runs(Path())}
    folders = [path for path in _folder(context).glob("*") if path.is_dir() and not path.name.startswith(".")]
    return [*found.items(), *((str(path), "folder") for path in sorted(folders) if str(path) not in found)]


def _folder(context: CompletionContext) -> Path:
    typed = Path(context.incomplete)
    return typed if context.incomplete.endswith("/") else typed.parent


#: The name of a recipe, or a .toml file.
RecipeName = Annotated[str, Parameter(completer=_recipes)]
#: The name of a likelihood.
LikelihoodName = Annotated[str, Parameter(completer=_likelihoods)]
#: The folder of a run.
RunFolder = Annotated[Path, Parameter(completer=_runs)]


def _whole(_type: object, tokens: Sequence[Token]) -> int:
    # The parser alone would round 1.5 without a word.
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"'{tokens[0].value}' is not a whole number") from None


#: An integer flag.
Whole = Annotated[int, Parameter(converter=_whole)]
#: A flag that prints one JSON object.
Json = Annotated[bool, Parameter(negative="")]
