"""Runs that lie beside a run and differ from it in one thing, so that both can be shown together."""

from __future__ import annotations

from collections.abc import Callable

from armoire.errors import ArmoireError
from armoire.training import Recipe, Run
from armoire.wardrobe import Wardrobe


def paired_run(wardrobe: Wardrobe, belongs: Callable[[Recipe, Recipe], bool]) -> Run | None:
    """The first run by name in the same folder, on the same data, of whose recipe `belongs(this one's, its)` holds."""
    here = wardrobe.run.path.resolve()
    for path in sorted(here.parent.iterdir()):
        if path == here or not (path / "recipe.toml").is_file():
            continue
        try:
            other = Run.open(path)
            if belongs(wardrobe.recipe, other.recipe) and other.data.fingerprint == wardrobe.run.data.fingerprint:
                return other
        except ArmoireError:  # half a run, or not one: there may be another
            continue
    return None
