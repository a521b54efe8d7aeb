"""The numbers of an evaluation with their units and in plain words: for reports, model cards and notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from armoire.html_repr import Table, html_repr
from armoire.measure.editing import in_words, left_out_in_words


@dataclass(frozen=True)
class Line:
    """A number with its unit, and what it says in plain words."""

    name: str
    value: str
    unit: str
    words: str


# Blurred samples may all come from between the training images.
ONLY_WHERE = "It says where draws lie, not what they look like."

# Key of `evaluate`, name, format, unit, plain words.
NUMBERS = {
    "reconstruction": (
        ("bce", "binary cross-entropy", ".4f", "nats a pixel value", "How surprised it is by a pixel; less is closer."),
        ("mse", "squared error", ".4f", "a pixel value, of 1", "How far a pixel is off, squared; less is closer."),
        ("psnr_db", "peak signal to noise", ".2f", "dB", "The same in decibels; more is closer."),
        ("ssim", "structural similarity", ".3f", "of 1", "How alike edges and textures are; 1 is the same image."),
        ("explained", "variance explained", ".0%", "of the pixels'", "1 is exact; 0 is no closer than the mean image."),
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
    "published_scale": (
        (
            "reconstruction_loss",
            "reconstruction loss",
            ".4g",
            "published scale",
            "The published code's weighted pixel error.",
        ),
        ("kl_loss", "KL loss", ".3g", "published scale", "The rate again, as the published code prints it."),
        ("total_loss", "total loss", ".4g", "published scale", "Their sum, to compare with the published numbers."),
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
            f"Farther from all training images than held-out ones are, of which 1 % are. {ONLY_WHERE}",
        ),
        ("drawn_in_holes", "draws in holes", ".1%", "", f"New images drawn where no image lies near. {ONLY_WHERE}"),
    ),
    "samples": (
        ("fd", "samples to held-out images", ".1f", "Fréchet distance", "By a network's features; less is closer."),
        ("fd_reconstructions", "reconstructions to them", ".1f", "Fréchet distance", "What blur alone costs."),
        ("fd_floor", "other real images to them", ".1f", "Fréchet distance", "What no model can be expected to pass."),
        ("precision", "precision", ".1%", "", "Samples that could be real: near a real image."),
        ("recall", "recall", ".1%", "", "Real images that could have been sampled: near a sample."),
    ),
}
TITLES = {
    "reconstruction": "How close reconstructions come",
    "elbo": "What an image costs",
    "published_scale": "In the scale of the published code",
    "latent": "The shape of the latent space",
    "samples": "How good samples are",
}
AREAS = (
    ("empty", "empty area", ".1%", "", "Share of the box around all images with none near."),
    ("area_mismatch", "unequal areas", ".1%", "", "How far the classes' areas depart from their shares of the data."),
    ("p_area_mismatch", "unequal areas in p", ".1%", "", "The same in p = Φ(z), where N(0, I) is even."),
)


class Evaluation(dict[str, Any]):
    """What `evaluate` found: the object that `armoire evaluate --json` prints, which a notebook shows as tables."""

    def _repr_html_(self) -> str:
        data = self["data"]
        tables = [
            Table([(line.name, line.value, line.unit, line.words) for line in lines], title, words=True)
            for title, lines in number_tables(self)
        ]
        if rows := area_rows(self):
            tables.append(
                Table(rows, "Classes and their areas", ("class", "of the data", "of the plane", "of p = Φ(z)"))
            )
        return html_repr("Evaluation", f"{data['n']:,} {data['split']} images of {data['name']}", tables)


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
