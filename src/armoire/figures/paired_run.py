"""Runs in the same folder that differ from a run in one setting, so that figures can compare both."""

from __future__ import annotations

from collections.abc import Callable

from armoire.errors import ArmoireError
from armoire.training import Recipe, Run
from armoire.wardrobe import Wardrobe


def paired_run(wardrobe: Wardrobe, is_pair: Callable[[Recipe, Recipe], bool]) -> Run | None:
    """The first run by name in the same folder, on the same data, with `is_pair(this run's recipe, its recipe)`."""
    here = wardrobe.run.path.resolve()
    for path in sorted(here.parent.iterdir()):
        if path == here or not (path / "recipe.toml").is_file():
            continue
        try:
            other = Run.open(path)
            if is_pair(wardrobe.recipe, other.recipe) and other.data.fingerprint == wardrobe.run.data.fingerprint:
                return other
        except ArmoireError:  # incomplete, or not a run
            continue
    return None
