"""A run's settings and header without the local paths of its data: what is pushed, reported, tracked and hashed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from armoire.images import SetInfo
from armoire.images.sources import public_source
from armoire.images.sources.celeba import is_celeba
from armoire.io.files import parse_toml
from armoire.training.recipe import Recipe, parse_recipe


def public_recipe(recipe: Recipe, info: SetInfo) -> Recipe:
    """A recipe whose `data` and `without` are the last parts of their paths; unchanged where there is no path."""
    data, without = public_source(recipe.data), Path(recipe.without).name
    if (data, without) == (recipe.data, recipe.without):
        return recipe
    # The folders above may be all that identified CelebA, whose pictures are never shown.
    showable = recipe.showable and not is_celeba(info.name, info.source, recipe.data)
    return recipe.change(data=data, without=without, showable=showable)


def public_header(header: dict[str, str]) -> dict[str, str]:
    """The header of model.safetensors, likewise; ArmoireError, KeyError, TypeError or ValueError if it is damaged."""
    info = SetInfo.from_json(header["data"])
    recipe = parse_recipe(parse_toml(header["recipe"]), "the header")
    public = replace(info, source=public_source(info.source), without=Path(info.without).name)
    shown = public_recipe(recipe, info)
    changed = {} if public == info else {"data": public.to_json()}
    return header | changed | ({} if shown == recipe else {"recipe": shown.to_toml()})
