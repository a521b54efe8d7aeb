"""One recipe at several betas: what a nat of rate buys in distortion, and what becomes of the samples (S8)."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from armoire.errors import ArmoireError
from armoire.images import ImageSet
from armoire.io.files import read_checksummed, write_checksummed, write_text
from armoire.measure.evaluate import evaluate
from armoire.measure.features import has_efficientnet
from armoire.progress import USUAL, Progress
from armoire.training import Recipe
from armoire.wardrobe import Wardrobe, train
from armoire.wardrobe.training import load_for

FORMAT = "armoire-sweep-1"
TABLE = "sweep.csv"
SAMPLES = 2000


def sweep(
    recipe: Recipe,
    betas: Sequence[float],
    out: Path,
    data: ImageSet | str | None = None,
    samples: int = SAMPLES,
    features: str | None = None,
    device: str = "auto",
    progress: Progress = USUAL,
) -> list[dict[str, Any]]:
    """Train a recipe once for each beta and measure every run; what is there already is not done again.

    Args:
        recipe: of a variational autoencoder.
        betas: the weights of the rate.
        out: folder of the runs, OUT/beta-B, and of the table, OUT/sweep.csv.
        data: as `armoire.train` takes them.
        samples: how many images to compare samples by, 0 for none.
        features: what by; by default efficientnet-lite0 where it is installed, else a classifier.
        device: auto, cpu, cuda or mps.
        progress: where to report.

    Returns:
        A row for each beta, ascending: beta, rate_nats, distortion_nats, mse, active_units, ks_max, and with samples
        fd, fd_reconstructions, fd_floor, precision, recall and features; run, its folder.

    Raises:
        ArmoireError: the recipe has no rate, a beta is given twice, or a training failed.
        TrainingInterruptedError: Ctrl-C or SIGTERM; the same command goes on.
    """
    if recipe.posterior == "point":
        raise ArmoireError(f"recipe {recipe.name} is a plain autoencoder, without a rate that beta could weigh")
    chosen = sorted(set(betas))
    if not chosen:
        raise ArmoireError("--beta should hold some weights, such as 0.1,1,10")
    images = load_for(recipe, data, progress)
    rows = []
    for number, beta in enumerate(chosen):
        progress.note(f"beta {beta:g}, {number + 1} of {len(chosen)}")
        wardrobe = train(
            recipe.change(beta=beta), images, out / f"beta-{beta:g}", resume=True, device=device, progress=progress
        )
        rows.append({"beta": beta, **_measured(wardrobe, samples, features, progress), "run": str(wardrobe.run.path)})
        # After each: a sweep takes hours, and half of one is worth reading.
        write_text(out / TABLE, _table(rows))
    return rows


def _measured(wardrobe: Wardrobe, samples: int, features: str | None, progress: Progress) -> dict[str, Any]:
    name = features or ("efficientnet-lite0" if has_efficientnet() else "classifier")
    path = wardrobe.run.path / "sweep.json"
    key = wardrobe.key() | {"format": FORMAT, "samples": str(samples), "features": name if samples else ""}
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = read_checksummed(path)
        if kept["made_of"] == key:
            return kept["measured"]
    found = evaluate(
        wardrobe, progress=progress, samples=samples or None, features=name if samples else None, prior="normal"
    )
    row: dict[str, Any] = {
        "rate_nats": found["elbo"]["rate_nats"],
        "distortion_nats": found["elbo"]["distortion_nats"],
        "mse": found["reconstruction"]["mse"],
        "active_units": found["latent"]["active_units"],
        "ks_max": found["latent"]["ks_max"],
    }
    if samples and (measured := found["samples"]):
        row |= {
            "fd": measured["fd"],
            "fd_reconstructions": measured["reconstructions"]["fd"],
            "fd_floor": measured["floor"]["fd"],
            "precision": measured["precision"],
            "recall": measured["recall"],
            "features": measured["features"],
        }
    write_checksummed(path, {"made_of": key, "measured": row})
    return row


def _table(rows: list[dict[str, Any]]) -> str:
    text = StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[-1]), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
