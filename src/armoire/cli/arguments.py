"""What a shell is offered for arguments that name something: recipes, runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext


def _recipes(context: CompletionContext) -> list[str]:
    from armoire.training.recipe import recipe_names

    typed = Path(context.incomplete)
    folder = typed if context.incomplete.endswith("/") else typed.parent
    return recipe_names() + [str(path) for path in sorted(folder.glob("*.toml"))]


def _runs(_context: CompletionContext) -> list[tuple[str, str]]:
    from armoire.training.runs import find_runs

    return [(str(run.path), f"{run.recipe}, {run.epochs} of {run.asked} epochs") for run in find_runs(Path())]


#: The name of a recipe, or a .toml file.
RecipeName = Annotated[str, Parameter(completer=_recipes)]
#: The folder of a run.
RunFolder = Annotated[Path, Parameter(completer=_runs)]
