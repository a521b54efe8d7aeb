"""A run on one page that can be sent to anyone: RUN/report.html, with nothing in it that is fetched or executed."""

from __future__ import annotations

import base64
import shlex
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from armoire.errors import ArmoireError
from armoire.figures import described
from armoire.io.files import write_text
from armoire.measure import Evaluation
from armoire.measure.report_tables import area_rows, number_tables
from armoire.training import Recipe, load_recipe, recipe_names
from armoire.wardrobe import RunLike, Wardrobe

TEMPLATE = "report.html.jinja"
ADMINISTRATIVE = ("name", "summary")
FLAGS = {"data", "epochs", "batch", "lr", "latent", "size", "beta", "likelihood", "noise", "seed", "limit"}


def write_report(wardrobe: RunLike, evaluation: Evaluation, figures: list[Path]) -> Path:
    """Write RUN/report.html: the run, its evaluation, its figures.

    Args:
        wardrobe: the run, opened or as `Wardrobe.open` takes it.
        evaluation: what `armoire.measure.evaluate` returned.
        figures: PNG files, embedded in this order; a file named after a figure gets its description as caption.
    """
    wardrobe = Wardrobe.open(wardrobe)
    # Names of classes, files and runs are untrusted: everything is escaped.
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    source = (resources.files("armoire.publish") / TEMPLATE).read_text(encoding="utf-8")
    page = environment.from_string(source).render(
        name=wardrobe.run.path.resolve().name,
        recipe=wardrobe.recipe,
        data=wardrobe.run.data,
        evaluation=evaluation,
        splits=list(wardrobe.latents.splits.items()),
        command=command(wardrobe),
        numbers=number_tables(evaluation.to_dict()),
        areas=area_rows(evaluation.to_dict()),
        settings=_settings(wardrobe.run.public_recipe()),
        history=_history(wardrobe),
        figures=[_embedded(path) for path in figures],
        provenance=_provenance(wardrobe),
    )
    path = wardrobe.run.path / "report.html"
    write_text(path, page)
    return path


def command(wardrobe: Wardrobe) -> str:
    """The command line that trains the run again, or the Python for an array in memory; no path of this machine."""
    recipe, name = wardrobe.run.public_recipe(), wardrobe.run.name
    if not wardrobe.run.data.source:
        return f"armoire.train({f'runs/{name}/recipe.toml'!r}, images, out={f'runs/{name}-again'!r})"
    if recipe.name not in recipe_names():
        file, data = f"runs/{name}/recipe.toml", shlex.quote(recipe.data)
        return f"armoire train {shlex.quote(file)} --data {data} --out {shlex.quote(f'runs/{name}-again')}"
    return f"armoire train {recipe.name} {flags(recipe)}--out {shlex.quote(f'runs/{name}')}"


def flags(recipe: Recipe) -> str:
    """The flags of `armoire train` that turn the published recipe of this name into this one, each with a blank."""
    parts = []
    for key, value in _changed(recipe, load_recipe(recipe.name)).items():
        # The common settings have flags of their own, any other goes by --set.
        value = _toml_like(value)
        parts.append(f"--{key} {shlex.quote(value)} " if key in FLAGS else f"--set {shlex.quote(f'{key}={value}')} ")
    return "".join(parts)


def _toml_like(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value) if isinstance(value, tuple) else value)


def _changed(recipe: Recipe, published: Recipe) -> dict[str, Any]:
    ours, theirs = recipe.model_dump(exclude=set(ADMINISTRATIVE)), published.model_dump()
    return {key: value for key, value in ours.items() if value != theirs[key] and value not in (None, ())}


def _settings(recipe: Recipe) -> list[tuple[str, str, str]]:
    fields = type(recipe).model_fields
    shown = ((key, getattr(recipe, key)) for key in fields if key not in ADMINISTRATIVE)
    return [(key, _plain(value), fields[key].description or "") for key, value in shown if value not in (None, "", ())]


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _history(wardrobe: Wardrobe) -> tuple[list[str], list[list[str]]]:
    try:
        rows = wardrobe.run.history
    except ArmoireError:
        return [], []
    columns = [key for key in rows[0] if key != "step"] if rows else []
    return [key.replace("_", " ") for key in columns], [[f"{row[key]:.6g}" for key in columns] for row in rows]


def _embedded(path: Path) -> tuple[str, str]:
    description = described(path.stem)
    caption = f"{path.stem}: {description}" if description else path.stem
    return caption, base64.b64encode(path.read_bytes()).decode("ascii")


def _provenance(wardrobe: Wardrobe) -> list[tuple[str, str]]:
    names = ("armoire_version", "git_commit", "torch_version", "seed", "step", "epoch", "data_fingerprint", "units")
    header = wardrobe.run.header
    return [(name.replace("_", " "), header[name]) for name in names if header.get(name)]
