"""A run's settings and header without the local paths of its data: what is pushed, reported, tracked and hashed."""

from __future__ import annotations

from dataclasses import replace

from armoire.images import SetInfo
from armoire.images.sources import public_source
from armoire.images.sources.celeba import is_celeba
from armoire.io.files import parse_toml
from armoire.training.recipe import Recipe, parse_recipe


def public_recipe(recipe: Recipe, info: SetInfo) -> Recipe:
    """A recipe whose `data` is the last part of their path; unchanged where there is no path."""
    data = public_source(recipe.data)
    if data == recipe.data:
        return recipe
    # The folders above may be all that identified CelebA, whose pictures are never shown.
    return recipe.change(data=data, showable=recipe.showable and not is_celeba(info.name, info.source, recipe.data))


def public_header(header: dict[str, str]) -> dict[str, str]:
    """The header of model.safetensors, likewise; ArmoireError, KeyError, TypeError or ValueError if it is damaged."""
    info = SetInfo.from_json(header["data"])
    recipe = parse_recipe(parse_toml(header["recipe"]), "the header")
    public, shown = replace(info, source=public_source(info.source)), public_recipe(recipe, info)
    changed = {} if public == info else {"data": public.to_json()}
    return header | changed | ({} if shown == recipe else {"recipe": shown.to_toml()})
