from __future__ import annotations

from armoire.cli.arguments import RecipeName
from armoire.cli.output import print_table


def recipes(name: RecipeName | None = None, /) -> None:
    """List the recipes, or print one as TOML that can be changed and given to `armoire train`.

    Args:
        name: the recipe to print; by default all are listed.
    """
    import armoire

    if name:
        print(armoire.load_recipe(name).to_toml(comments=True), end="")
    else:
        print_table([(known, armoire.load_recipe(known).summary) for known in armoire.recipe_names()])
