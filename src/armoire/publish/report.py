"""A run on one page that can be sent to anyone: RUN/report.html, with nothing in it that is fetched or executed."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from armoire.errors import ArmoireError
from armoire.figures import described
from armoire.files import write_text
from armoire.measure import in_words, left_out_in_words
from armoire.training import Recipe, load_recipe, recipe_names
from armoire.wardrobe import Wardrobe

TEMPLATE = "report.html.jinja"
ADMINISTRATIVE = ("name", "summary")


@dataclass(frozen=True)
class Line:
    """A number with its unit, and what it says in plain words."""

    name: str
    value: str
    unit: str
    words: str


# Key of `evaluate`, name, format, unit, plain words.
NUMBERS = {
    "reconstruction": (
        ("bce", "binary cross-entropy", ".4f", "nats a pixel value", "How surprised it is by a pixel; less is closer."),
        ("mse", "squared error", ".4f", "a pixel value, of 1", "How far a pixel is off, squared; less is closer."),
        ("psnr_db", "peak signal to noise", ".2f", "dB", "The same in decibels; more is closer."),
        ("ssim", "structural similarity", ".3f", "of 1", "How alike edges and textures are; 1 is the same image."),
    ),
    "elbo": (
        ("distortion_nats", "distortion", ",.1f", "nats per image", "What is lost between an image and its likeness."),
        ("rate_nats", "rate", ".2f", "nats per image", "What a place costs: how far areas depart from N(0, I)."),
        (
            "objective_nats",
            "objective",
            ",.1f",
            "nats per image",
            "What training made small: distortion + beta × rate.",
        ),
    ),
    "book_scale": (
        (
            "reconstruction_loss",
            "reconstruction loss",
            ".4g",
            "book scale",
            "The published code's weighted pixel error.",
        ),
        ("kl_loss", "KL loss", ".3g", "book scale", "The rate again, as the published code prints it."),
        ("total_loss", "total loss", ".4g", "book scale", "Their sum, to compare with the published numbers."),
    ),
    "latent": (
        ("dimensions", "dimensions", "d", "", "How many numbers say where an image lies."),
        ("active_units", "dimensions in use", "d", "", "How many of them differ from one image to the next."),
        ("ks_max", "farthest from N(0, 1)", ".3f", "KS distance", "The dimension least like a bell curve; 0 is equal."),
        ("ks_mean", "mean distance to N(0, 1)", ".3f", "KS distance", "The same, averaged over all dimensions."),
        ("spread", "spread", ".2f", "latent units", "How far from their centre images lie; N(0, I) has 1."),
        (
            "holes",
            "draws where nothing is",
            ".1%",
            "",
            "Farther from all training images than held-out ones are; 1 % is best.",
        ),
        ("drawn_in_holes", "draws in holes", ".1%", "", "New images drawn where no image lies near."),
    ),
    "samples": (
        ("fd", "samples to held-out images", ".1f", "Fréchet distance", "By a network's features; less is closer."),
        ("fd_reconstructions", "reconstructions to them", ".1f", "Fréchet distance", "What blur alone costs."),
        ("fd_floor", "other real images to them", ".1f", "Fréchet distance", "What no model can be expected to pass."),
        ("precision", "precision", ".1%", "", "Samples that could be real: near a real image."),
        ("recall", "recall", ".1%", "", "Real images that could have been sampled: near a sample."),
    ),
}
FLAGS = {"data", "epochs", "batch", "lr", "latent", "size", "beta", "likelihood", "noise", "seed", "limit"}
TITLES = {
    "reconstruction": "How close reconstructions come",
    "elbo": "What an image costs",
    "book_scale": "In the scale of the published code",
    "latent": "The shape of the latent space",
    "samples": "How good samples are",
}
AREAS = (
    ("empty", "empty area", ".1%", "", "Share of the box around all images with none near."),
    ("area_mismatch", "unequal areas", ".1%", "", "How far the classes' areas depart from their shares of the data."),
    ("p_area_mismatch", "unequal areas in p", ".1%", "", "The same in p = Φ(z), where N(0, I) is even."),
)


def write_report(wardrobe: Wardrobe, evaluation: dict[str, Any], figures: list[Path]) -> Path:
    """Write RUN/report.html: what the run is, its numbers in plain words, its figures.

    Args:
        wardrobe: the run.
        evaluation: what `armoire.measure.evaluate` returned.
        figures: PNG files, embedded in this order; a file named after a figure gets its description as caption.
    """
    # Names of classes, files and runs are other people's: everything is escaped.
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    source = (resources.files("armoire.publish") / TEMPLATE).read_text(encoding="utf-8")
    page = environment.from_string(source).render(
        name=wardrobe.run.path.resolve().name,
        recipe=wardrobe.recipe,
        data=wardrobe.run.data,
        evaluation=evaluation,
        splits=_splits(wardrobe),
        command=command(wardrobe),
        numbers=number_tables(evaluation),
        areas=area_rows(evaluation),
        settings=_settings(wardrobe.recipe),
        history=_history(wardrobe),
        figures=[_embedded(path) for path in figures],
        provenance=_provenance(wardrobe),
    )
    path = wardrobe.run.path / "report.html"
    write_text(path, page)
    return path


def number_tables(evaluation: dict[str, Any]) -> list[tuple[str, list[Line]]]:
    """The numbers of an evaluation under their headings; those it lacks are left out."""
    if samples := evaluation.get("samples"):
        beside = {f"fd_{name}": samples[name]["fd"] for name in ("reconstructions", "floor")}
        evaluation = evaluation | {"samples": samples | beside}
    tables = [
        (TITLES[part], _lines(NUMBERS[part], evaluation.get(part) or {})) for part in NUMBERS if evaluation.get(part)
    ]
    areas = (evaluation.get("latent") or {}).get("areas") or {}
    tables += [("How the plane is shared out", _lines(AREAS, areas))] if areas else []
    edits = _edits(evaluation.get("editing"))
    return tables + ([("What a judge says of edits", edits)] if edits else [])


def area_rows(evaluation: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Each class with its share of the data, of the plane and of p-space; none where there are no classes."""
    areas = (evaluation.get("latent") or {}).get("areas") or {}
    data = areas.get("data_share") or {}
    columns = [data, *(areas.get(key) or {} for key in ("area_share", "p_area_share"))]
    rows = [[_number(column[name], ".1%") for column in columns] for name in data]
    return [(name, share, area, p_area) for name, (share, area, p_area) in zip(data, rows, strict=True)]


def command(wardrobe: Wardrobe) -> str:
    """The command line that trains the run again; for an array in memory, the line of Python."""
    recipe, run = wardrobe.recipe, shlex.quote(str(wardrobe.run.path))
    if not wardrobe.run.data.source:
        file = str(wardrobe.run.path / "recipe.toml")
        return f"armoire.train({file!r}, images, out={f'{wardrobe.run.path}-again'!r})"
    if recipe.name not in recipe_names():
        return f"armoire train {shlex.quote(str(wardrobe.run.path / 'recipe.toml'))} --out {run}-again"
    return f"armoire train {recipe.name} {flags(recipe)}--out {run}"


def flags(recipe: Recipe) -> str:
    """The flags of `armoire train` that make a recipe of its published namesake, and a blank after each."""
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


def _lines(rows: tuple[tuple[str, str, str, str, str], ...], values: dict[str, Any]) -> list[Line]:
    return [
        Line(name, _number(values[key], spec), unit, words) for key, name, spec, unit, words in rows if key in values
    ]


def _edits(editing: dict[str, Any] | None) -> list[Line]:
    if not editing:
        return []
    alike, words = editing["retention"], in_words(editing)
    lines = [
        Line(name, _number(alike[name]["value"], ".0%"), "judged alike", edits.capitalize() or "Never edited.")
        for name, (_, edits) in words.items()
    ]
    left_out = left_out_in_words(editing)
    return lines + ([Line("not judged", str(len(editing["left_out"])), "attributes", left_out)] if left_out else [])


def _number(value: float, spec: str) -> str:
    return format(value, spec).replace("%", " %").replace("-", "−")


def _splits(wardrobe: Wardrobe) -> list[tuple[str, int]]:
    counts = wardrobe.latents.table["split"].value_counts().to_pylist()
    return [(entry["values"], entry["counts"]) for entry in counts]


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
