"""The model card of a run, with metadata for programs in its first lines."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from armoire.errors import ArmoireError
from armoire.extras import install_command
from armoire.figures import described
from armoire.hub import Reference
from armoire.images.sources.celeba import NAME as CELEBA
from armoire.images.sources.celeba import is_celeba
from armoire.images.sources.drawn_faces import NAME as DRAWN
from armoire.images.sources.fashion_mnist import NAME as FASHION
from armoire.measure import Evaluation
from armoire.measure.report_tables import by_features, number_tables
from armoire.measure.verdict import Verdict
from armoire.publish.report import started_from, training_command
from armoire.training import Recipe
from armoire.wardrobe import Wardrobe
from armoire.wardrobe.sampling import warning_of

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TEMPLATE = "card.md.jinja"
TASK = "unconditional-image-generation"
# Data sets known by name: their repository on the Hub, and their terms.
DATASETS = {FASHION: "zalando-datasets/fashion_mnist"}
TERMS = {
    FASHION: "Fashion-MNIST (Xiao, Rasul and Vollgraf, arXiv:1708.07747), under the MIT licence.",
    DRAWN: "Faces that armoire draws itself; nobody is shown in them.",
    CELEBA: (
        "CelebA (Liu, Luo, Wang and Tang, ICCV 2015, arXiv:1411.7766). Its terms allow non-commercial research only, "
        "and none of it may be passed on; they bind whoever uses this model too."
    ),
}
# Of an evaluation: part, key, the Hub's name of the metric, and ours.
METRICS = (
    ("reconstruction", "mse", "mse", "mean squared error of reconstructions, per pixel value"),
    ("reconstruction", "psnr_db", "psnr", "peak signal to noise of reconstructions, dB"),
    ("reconstruction", "ssim", "ssim", "structural similarity of reconstructions"),
    ("elbo", "distortion_nats", "distortion", "distortion, nats per image"),
    ("elbo", "rate_nats", "rate", "rate, nats per image"),
    ("likelihood", "bits_per_dimension", "bits_per_dimension", "bits per dimension"),
    ("samples", "fd", "frechet_distance", "Fréchet distance of samples"),
    ("samples", "kd", "kernel_distance", "kernel distance of samples"),
    ("samples", "precision", "precision", "precision of samples"),
    ("samples", "recall", "recall", "recall of samples"),
)
SETTINGS = {"samples": ("features", "n", "drawn_from", "temperature", "seed"), "likelihood": ("draws", "n")}


def make_card(
    wardrobe: Wardrobe,
    reference: Reference,
    evaluation: Evaluation,
    figures: Sequence[Path] = (),
    licence: str | None = None,
) -> str:
    """The text of README.md for a run on the Hub.

    Args:
        wardrobe: the run.
        reference: the repository.
        evaluation: of `armoire.measure.evaluate`.
        figures: files that the card shows.
        licence: of the weights, as the Hub spells it (`apache-2.0`).
    """
    from huggingface_hub import ModelCard, ModelCardData

    # Names of classes, attributes and data are untrusted: they are escaped.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    environment.filters["plain"] = _plain
    source = (resources.files("armoire.publish") / TEMPLATE).read_text(encoding="utf-8")
    a, data = wardrobe.model.architecture, wardrobe.run.data
    body = environment.from_string(source).render(
        name=reference.name,
        repository=reference.repository,
        install=install_command("hub"),
        what=f"{_kind(wardrobe.recipe)} of {data.name} at {a.size} x {a.size} pixels, {a.latent} latent dimensions",
        recipe=wardrobe.recipe,
        size=a.size,
        channels=a.image_channels,
        facts=_facts(wardrobe),
        data=_describe_data(wardrobe),
        licence=f"The weights are under the licence `{licence}`." if licence else "The weights have no stated licence.",
        command=" ".join(training_command(wardrobe.run).split()),  # one line cannot close the block of code
        measured=_measured(evaluation),
        verdict=evaluation.verdict and Verdict.from_dict(evaluation.verdict),
        tables=number_tables(evaluation.to_dict()),
        figures=[(path.name, described(path.stem) or path.stem) for path in figures],
        showable=wardrobe.run.is_showable,
        between=warning_of(wardrobe.priors),
    )
    results, dataset = eval_results(evaluation), DATASETS.get(data.name)
    metadata = ModelCardData(
        library_name="armoire",
        pipeline_tag=TASK,
        license=licence,
        datasets=[dataset] if dataset else None,
        tags=["armoire", _kind(wardrobe.recipe).lower().replace(" ", "-"), "latent-space"],
        model_name=reference.name if results else None,
        eval_results=results or None,
    )
    return str(ModelCard(f"---\n{metadata.to_yaml()}\n---\n\n{body}", ignore_metadata_errors=False))


def eval_results(evaluation: Evaluation) -> list[EvalResult]:
    """The numbers of an evaluation as the Hub's model-index holds them, each with its settings."""
    from huggingface_hub import EvalResult

    measured, numbers = evaluation.data, evaluation.to_dict()
    args = {name: measured[name] for name in ("n", "fingerprint") if measured.get(name)}
    samples = evaluation.samples or {}
    parts = [(part, key, metric, words, numbers.get(part) or {}) for part, key, metric, words in METRICS]
    for name, other in samples.get("by_other_features", {}).items():
        by_other = {**samples, "features": name, **other}
        parts += [(*metric, by_other) for metric in METRICS if metric[0] == "samples"]
    found = []
    for part, key, metric, words, values in parts:
        settings = {name: values[name] for name in SETTINGS.get(part, ()) if values.get(name) is not None}
        by = f" ({settings['features']}, n = {settings['n']:,})" if "features" in settings else ""
        if values.get(key) is not None:
            found.append(
                EvalResult(
                    task_type=TASK,
                    dataset_type=str(DATASETS.get(measured["name"], measured["name"])),
                    dataset_name=measured["name"],
                    dataset_split=measured["split"] or None,
                    dataset_args=args or None,
                    metric_type=metric,
                    metric_name=words + by,
                    metric_value=float(values[key]),
                    metric_args=settings or None,
                )
            )
    return found


def _kind(recipe: Recipe) -> str:
    posterior = recipe.posterior_class
    denoising = recipe.noise and not posterior.is_stochastic
    return "Denoising autoencoder" if denoising else posterior.model_name.capitalize()


def _facts(wardrobe: Wardrobe) -> list[tuple[str, str]]:
    recipe, a, header = wardrobe.recipe, wardrobe.model.architecture, wardrobe.run.header
    facts = {
        "kind": _kind(recipe),
        "images": f"{a.size} x {a.size}, {'grey' if a.image_channels == 1 else 'colour'}",
        "latent dimensions": str(a.latent),
        "parameters": f"{wardrobe.model.parameter_count():,}",
        "likelihood": recipe.likelihood,
        "beta": f"{recipe.beta:g}" if recipe.posterior_class.is_stochastic else "",
        "samples drawn from": wardrobe.prior().name if wardrobe.priors else "",
        "epochs": header.get("epoch", ""),
        "started from": started_from(wardrobe.run),
        "armoire": header.get("armoire_version", ""),
        "git commit": header.get("git_commit", ""),
        "PyTorch": header.get("torch_version", ""),
        "SHA-256 of the weights": wardrobe.run.model_sha256(),
    }
    return [(name, value) for name, value in facts.items() if value]


def _describe_data(wardrobe: Wardrobe) -> str:
    data, numbers = wardrobe.run.data, ""
    with contextlib.suppress(ArmoireError):  # if they are missing, and were not encoded before
        counts = wardrobe.latents.table["split"].value_counts().to_pylist()
        numbers = " (" + ", ".join(f"{entry['counts']:,} {entry['values']}" for entry in counts) + ")"
    known = CELEBA if is_celeba(data.name, data.source) else data.name
    terms = TERMS.get(known, "Their own terms apply; they are not part of this repository.")
    classes = f" Their classes: {_plain(', '.join(data.classes))}." if 0 < len(data.classes) <= 20 else ""
    return f"Trained and measured on {_plain(data.name)}{numbers}. {terms}{classes} Fingerprint `{data.fingerprint}`."


def _measured(evaluation: Evaluation) -> str:
    data = evaluation.data
    if data["n"] is None:
        return f"On the {data['split']} images, at the end of training."
    words = f"On {data['n']:,} images of {_plain(data['name'])} ({data['split']}), which it was not trained on."
    if samples := evaluation.samples:
        words += (
            f" Samples are compared with held-out images by the features of {' and of '.join(by_features(samples))}, "
            f"{samples['n']:,} of each, drawn from {_plain(str(samples['drawn_from']))}."
        )
    return words


def _plain(text: object) -> str:
    """A text on one line, escaped for Markdown and HTML."""
    return re.sub(r"([\\`*_{}\[\]<>|#!&~])", r"\\\1", " ".join(str(text).split()))
