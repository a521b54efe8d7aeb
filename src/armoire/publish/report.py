"""RUN/report.html: a run on one page that can be sent to anyone, which fetches and executes nothing."""

from __future__ import annotations

import base64
import shlex
from pathlib import Path

from armoire.errors import ArmoireError
from armoire.figures import described
from armoire.html_repr import render
from armoire.images.sources import public_source
from armoire.io.files import write_text
from armoire.measure import Evaluation
from armoire.measure.report_tables import area_rows, number_tables
from armoire.measure.verdict import Verdict
from armoire.training import Recipe, Run, load_recipe, recipe_names
from armoire.training.recipe import LENGTHS
from armoire.wardrobe import RunLike, Wardrobe
from armoire.wardrobe.sampling import warning_of

TEMPLATE = "publish/report.html.jinja"
ADMINISTRATIVE = {"name", "summary"}
FLAGS = {"data", "without", *LENGTHS, "batch", "lr", "latent", "size", "beta", "likelihood", "noise", "seed", "limit"}


def write_report(wardrobe: RunLike, evaluation: Evaluation, figures: list[Path]) -> Path:
    """Write RUN/report.html: the run, its evaluation, its figures.

    Args:
        wardrobe: the run, opened or as `Wardrobe.open` takes it.
        evaluation: what `armoire.measure.evaluate` returned.
        figures: PNG files, embedded in this order; a file named after a figure gets its description as caption.
    """
    wardrobe = Wardrobe.open(wardrobe)
    page = render(
        TEMPLATE,
        name=wardrobe.run.name,
        recipe=wardrobe.recipe,
        data=wardrobe.run.data,
        evaluation=evaluation,
        verdict=evaluation.verdict and Verdict.from_dict(evaluation.verdict),
        splits=list(wardrobe.latents.splits.items()),
        command=training_command(wardrobe.run, f"runs/{wardrobe.run.name}/recipe.toml"),
        numbers=number_tables(evaluation.to_dict()),
        areas=area_rows(evaluation.to_dict()),
        settings=_settings(wardrobe.run.public_recipe()),
        history=_history(wardrobe),
        figures=[_embedded(path) for path in figures],
        provenance=_provenance(wardrobe),
        between=warning_of(wardrobe.priors).replace("`", ""),
    )
    path = wardrobe.run.path / "report.html"
    write_text(path, page)
    return path


def training_command(run: Run, recipe_file: str = "recipe.toml") -> str:
    """The command line that trains a run again, or the Python for an array in memory; without paths of this machine."""
    if not run.data.source:
        return f"armoire.train({recipe_file!r}, images)"
    recipe = run.recipe.change(data=public_source(run.data.source))
    if recipe.name not in recipe_names():
        return f"armoire train {shlex.quote(recipe_file)} --data {shlex.quote(recipe.data)}"
    published = load_recipe(recipe.name).model_dump()
    words = ["armoire", "train", recipe.name]
    for key, value in recipe.model_dump(exclude=ADMINISTRATIVE).items():
        if value != published[key] and value not in (None, ()):
            text = _toml(value)
            words += [f"--{key}", text] if key in FLAGS else ["--set", f"{key}={text}"]
    words += ["--from", f"runs/{run.started_from['run']}"] if run.started_from else []
    return shlex.join(words)


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(list(value) if isinstance(value, tuple) else value)


def _settings(recipe: Recipe) -> list[tuple[str, str, str]]:
    rows = []
    for key, field in type(recipe).model_fields.items():
        value = getattr(recipe, key)
        if key not in ADMINISTRATIVE and value not in (None, "", ()):
            text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            rows.append((key, text, field.description or ""))
    return rows


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
    rows = [(name.replace("_", " "), header[name]) for name in names if header.get(name)]
    return rows + [("started from", started_from(wardrobe.run))] * bool(wardrobe.run.started_from)


def started_from(run: Run) -> str:
    """The run whose weights a training began with, in words; "" where they were new."""
    found = run.started_from
    return f"the weights of {found['run']} (SHA-256 {found['model_sha256'][:12]}..)" if found else ""
