"""The numbers of an evaluation with their units and explanations, for reports, model cards and notebooks."""

from __future__ import annotations

from typing import Any, NamedTuple

from armoire.html_repr import Table, html_repr


class Row(NamedTuple):
    """A number with its unit and an explanation."""

    name: str
    value: str
    unit: str
    explanation: str


NOT_QUALITY = "This is about the position of draws, not about the quality of images."

# Key of `evaluate`, name, format, unit, explanation.
NUMBERS = {
    "reconstruction": (
        ("bce", "binary cross-entropy", ".4f", "nats per pixel value", "Of the reconstruction; lower is better."),
        ("mse", "mean squared error", ".4f", "per pixel value in [0, 1]", "Of the reconstruction; lower is better."),
        ("psnr_db", "PSNR", ".2f", "dB", "Peak signal-to-noise ratio, 10 log10(1 / mse); higher is better."),
        ("ssim", "SSIM", ".3f", "at most 1", "Structural similarity; 1 for identical images."),
        ("explained", "variance explained", ".0%", "of pixel variance", "1 - mse / variance; 0 for the mean image."),
    ),
    "elbo": (
        ("distortion_nats", "distortion", ",.1f", "nats per image", "−log p(x|z): the reconstruction term."),
        ("rate_nats", "rate", ".2f", "nats per image", "KL(q(z|x) ‖ N(0, I)): the regularisation term."),
        ("objective_nats", "objective", ",.1f", "nats per image", "The training loss: distortion + beta × rate."),
    ),
    "published_scale": (
        ("reconstruction_loss", "reconstruction loss", ".4g", "published scale", "The published weighted pixel error."),
        ("kl_loss", "KL loss", ".3g", "published scale", "The rate, as the published code prints it."),
        ("total_loss", "total loss", ".4g", "published scale", "Their sum, to compare with published numbers."),
    ),
    "latent": (
        ("dimensions", "dimensions", "d", "", "Of the latent space."),
        ("active_units", "active units", "d", "", "Dimensions whose posterior mean has a variance above 0.01."),
        ("ks_max", "largest distance to N(0, 1)", ".3f", "KS distance", "Of the dimension farthest from N(0, 1)."),
        ("ks_mean", "mean distance to N(0, 1)", ".3f", "KS distance", "Averaged over all dimensions."),
        ("spread", "standard deviation", ".2f", "latent units", "Of the posterior means; N(0, I) has 1."),
        ("holes", "prior draws in holes", ".1%", "", f"Farther from the data than held-out latents. {NOT_QUALITY}"),
        ("drawn_in_holes", "draws far from embeddings", ".1%", "", f"Draws with no embedding nearby. {NOT_QUALITY}"),
    ),
    "samples": (
        ("fd", "samples", ".1f", "Fréchet distance", "To held-out images, in feature space; lower is better."),
        ("fd_reconstructions", "reconstructions", ".1f", "Fréchet distance", "What the decoder alone loses."),
        ("fd_floor", "training images", ".1f", "Fréchet distance", "The floor: real images, at this number of images."),
        ("precision", "precision", ".1%", "", "Samples within the neighbourhood of a real image."),
        ("recall", "recall", ".1%", "", "Real images within the neighbourhood of a sample."),
        (
            "nearest_nearer_than_held_out",
            "copies",
            ".1%",
            "of samples",
            "Nearer to a training image than all but 1 % of the held-out images; about 1 % where nothing is copied.",
        ),
        ("nearest_samples", "nearest training image", ".3f", "per pixel value", "Median distance of samples to it."),
        ("nearest_held_out", "the same of held-out images", ".3f", "per pixel value", "How far new real images are."),
    ),
}
TITLES = {
    "reconstruction": "Reconstruction",
    "elbo": "ELBO",
    "published_scale": "Loss in the scale of the published code",
    "latent": "Latent space",
}
SAMPLES = "Samples compared with held-out images"
AREAS = (
    ("empty", "empty area", ".1%", "", "Share of the bounding box with no embedding nearby."),
    ("area_mismatch", "class area mismatch", ".1%", "", "Between the classes' shares of the area and of the data."),
    ("p_area_mismatch", "class area mismatch in p", ".1%", "", "The same in p = Φ(z), where N(0, I) is uniform."),
)
Tables = list[tuple[str, list[Row]]]


def html_report(evaluation: dict[str, Any]) -> str:
    """The numbers of an evaluation as HTML tables."""
    data = evaluation["data"]
    verdict = evaluation.get("verdict") or {"headline": "", "uses": []}
    uses = [(f"{use['name']}: {use['answer']}", use["because"]) for use in verdict["uses"]]
    tables = [Table(uses, verdict["headline"], words=True)] if uses else []
    tables += [Table(rows, title, words=True) for title, rows in number_tables(evaluation)]
    if rows := area_rows(evaluation):
        tables.append(Table(rows, "Areas of the classes", ("class", "of the data", "of the plane", "of p = Φ(z)")))
    return html_repr("Evaluation", f"{data['n']:,} {data['split']} images of {data['name']}", tables)


def number_tables(evaluation: dict[str, Any]) -> Tables:
    """The numbers of an evaluation under their headings, without those it lacks."""
    tables = [(title, _rows(NUMBERS[part], evaluation[part])) for part, title in TITLES.items() if evaluation.get(part)]
    for name, found in by_features(evaluation["samples"]).items() if evaluation.get("samples") else ():
        references = {f"fd_{other}": found[other]["fd"] for other in ("reconstructions", "floor")}
        references |= {f"nearest_{other}": value for other, value in found.get("nearest_training", {}).items()}
        tables.append((f"{SAMPLES}, by the features of {name}", _rows(NUMBERS["samples"], found | references)))
    areas = (evaluation.get("latent") or {}).get("areas") or {}
    tables += [("Areas of the latent plane", _rows(AREAS, areas))] if areas else []
    edits = _edit_rows(evaluation.get("editing"))
    return tables + ([("Edits, measured by the attribute classifier", edits)] if edits else [])


def by_features(samples: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """An evaluation's samples by the name of each extractor: its distances, reconstructions and floor."""
    return {samples["features"]: samples, **samples.get("by_other_features", {})}


def area_rows(evaluation: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Each class with its share of the data, of the latent plane and of p-space; [] without classes."""
    areas = (evaluation.get("latent") or {}).get("areas") or {}
    data = areas.get("data_share") or {}
    columns = [data, *(areas.get(key) or {} for key in ("area_share", "p_area_share"))]
    rows = [[_number(column[name], ".1%") for column in columns] for name in data]
    return [(name, share, area, p_area) for name, (share, area, p_area) in zip(data, rows, strict=True)]


def edit_summaries(editing: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Per attribute, a phrase on what reconstructions preserve and one on what edits do; {} for {}."""
    lines = {}
    for name, agreement in editing.get("retention", {}).items():
        preserved = f"same prediction for {agreement['value']:.0%} of reconstructions"
        if with_it := editing["retention_with"][name]:
            preserved += f", {with_it['value']:.0%} of those with the attribute"
        by_method = ((method, edits.get(name)) for method, edits in editing["methods"].items())
        lines[name] = preserved, "; ".join(f"{method} {_edit_summary(edits)}" for method, edits in by_method if edits)
    return lines


def excluded_attributes(editing: dict[str, Any]) -> str:
    """The attributes that were not measured with the classifier's balanced accuracy; "" where all were."""
    accuracies = {name: editing["judge"]["balanced_accuracy"][name] for name in editing["left_out"]}
    return ", ".join(
        f"{name} ({'too few known' if accuracy is None else f'{accuracy:.2f}'})"
        for name, accuracy in accuracies.items()
    )


def _rows(columns: tuple[tuple[str, str, str, str, str], ...], values: dict[str, Any]) -> list[Row]:
    return [
        Row(name, _number(values[key], spec), unit, text) for key, name, spec, unit, text in columns if key in values
    ]


def _edit_rows(editing: dict[str, Any] | None) -> list[Row]:
    if not editing:
        return []
    shares = {name: _number(agreement["value"], ".0%") for name, agreement in editing["retention"].items()}
    rows = [
        Row(name, shares[name], "same prediction", edits.capitalize() or "No edits.")
        for name, (_, edits) in edit_summaries(editing).items()
    ]
    excluded = excluded_attributes(editing)
    return rows + ([Row("not measured", str(len(editing["left_out"])), "attributes", excluded)] if excluded else [])


def _edit_summary(edits: dict[str, Any]) -> str:
    clean, there = edits["clean"], edits["at_one_spread"]
    text = "never flips cleanly"
    if clean:
        text = f"flips {clean['flip_rate']['value']:.0%} cleanly at {clean['strength']:g}"
    return text + (f", leakage {there['leakage_mean']['value']:.2f}" if there and there["leakage_mean"] else "")


def _number(value: float, spec: str) -> str:
    return format(value, spec).replace("%", " %").replace("-", "−")
