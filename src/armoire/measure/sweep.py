"""One recipe trained at several betas: rate, distortion and sample quality (S8)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.io.artifacts import JsonFormat
from armoire.io.files import write_text
from armoire.measure.evaluation import Evaluation, evaluate
from armoire.measure.report_tables import by_features
from armoire.progress import USUAL, Progress
from armoire.training import Recipe
from armoire.wardrobe import Wardrobe, train
from armoire.wardrobe.extractors import installed_features
from armoire.wardrobe.training import load_for

SWEEP = JsonFormat[dict[str, Any]]("armoire-sweep-1")
TABLE = "sweep.csv"
SAMPLES = 2000


def sweep(
    recipe: Recipe,
    betas: Sequence[float],
    out: Path,
    data: ImageSet | str | None = None,
    *,
    samples: int = SAMPLES,
    features: str | None = None,
    device: str = "auto",
    progress: Progress = USUAL,
) -> list[dict[str, Any]]:
    """Train a recipe once for each beta and measure every run; runs that are finished are not trained again.

    Args:
        recipe: of a variational autoencoder.
        betas: weights of the rate.
        out: folder of the runs, OUT/beta-B, and of the table, OUT/sweep.csv.
        data: as `armoire.train` takes it.
        samples: how many samples to compare with held-out images, 0 for none.
        features: to compare them by, with commas; by default efficientnet-lite0 and dinov2-focus where they are
            installed, else the classifier.
        device: auto, cpu, cuda or mps.
        progress: where to report.

    Returns:
        A row per beta, ascending: beta, rate_nats, distortion_nats, mse, active_units, ks_max, and with samples fd,
        fd_reconstructions, fd_floor, precision, recall, features, and fd_NAME for other features; run, its folder.
    """
    if not recipe.posterior_class.is_stochastic:
        raise ArmoireError(f"recipe {recipe.name} is a plain autoencoder, which has no rate for beta to weigh")
    chosen = sorted(set(betas))
    if not chosen:
        raise ArmoireError("--beta should be a list of weights, such as 0.1,1,10")
    images = load_for(recipe, data, progress)
    rows = []
    for number, beta in enumerate(chosen):
        progress.note(f"beta {beta:g}, {number + 1} of {len(chosen)}")
        wardrobe = train(
            recipe.change(beta=beta), images, out / f"beta-{beta:g}", resume=True, device=device, progress=progress
        )
        rows.append({"beta": beta, **_measured(wardrobe, samples, features, progress), "run": str(wardrobe.run)})
        # After each run: a sweep takes hours, and an interrupted one has results too.
        write_text(out / TABLE, _table(rows))
    return rows


def _measured(wardrobe: Wardrobe, samples: int, features: str | None, progress: Progress) -> dict[str, Any]:
    """The numbers of a row, cached in RUN/sweep.json."""
    names = (features or ",".join(installed_features()) or "classifier") if samples else None

    def measure() -> dict[str, Any]:
        skip = ("editing", "uses") if samples else ("editing", "samples", "uses")
        return _row(
            evaluate(wardrobe, samples=samples or None, features=names, prior="normal", skip=skip, progress=progress)
        )

    settings = {"samples": samples, "features": names}
    return wardrobe.run.artifacts.get("sweep.json", SWEEP, measure, settings=settings, progress=progress)


def _row(found: Evaluation) -> dict[str, Any]:
    parts = {
        "elbo": ("rate_nats", "distortion_nats"),
        "reconstruction": ("mse",),
        "latent": ("active_units", "ks_max"),
        "samples": ("fd", "precision", "recall", "features"),
    }
    values = found.to_dict()
    row = {name: values[part][name] for part, names in parts.items() if values[part] for name in names}
    if samples := found.samples:
        row |= {f"fd_{other}": samples[other]["fd"] for other in ("reconstructions", "floor")}
        row |= {f"fd_{name}": numbers["fd"] for name, numbers in by_features(samples).items() if numbers is not samples}
    return row


def _table(rows: list[dict[str, Any]]) -> str:
    text = StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[-1]), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
