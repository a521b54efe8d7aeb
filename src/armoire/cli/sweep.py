"""`armoire sweep`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from armoire.cli.arguments import Json, RecipeName, Whole
from armoire.cli.output import print_json, print_table
from armoire.console import terminal_progress
from armoire.errors import ArmoireError


def sweep(
    recipe: RecipeName,
    /,
    *,
    beta: str,
    data: str | None = None,
    out: Path | None = None,
    epochs: Whole | None = None,
    size: Whole | None = None,
    latent: Whole | None = None,
    limit: Whole | None = None,
    seed: Whole | None = None,
    samples: Whole = 2000,
    features: Literal["efficientnet-lite0", "classifier", "inception"] | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    json: Json = False,
) -> None:
    """Train a recipe at several betas, and draw what a nat of rate buys in distortion and what becomes of samples.

    Typed again, it goes on where it was stopped. Leaves a run for each beta, sweep.csv and sweep.png.

    Args:
        recipe: name of a recipe of a variational autoencoder, or a .toml file.
        beta: weights of the rate in distortion + beta * rate, with commas between.
        data: fashion-mnist, drawn-faces, celeba:PATH, hf:OWNER/NAME, or the path of images: a folder or zip of
            them, with or without a table beside them, Parquet, Arrow, WebDataset or NumPy files; by default the
            recipe's own.
        out: folder of the runs; by default runs/RECIPE-sweep.
        epochs: passes over the training images of each; by default the recipe's.
        size: side that a folder's images are fitted to, 16 to 256 pixels; by default the recipe's.
        latent: latent dimensions; by default the recipe's.
        limit: train on so many images only, the first, for a quick look; by default all.
        seed: of each; by default the recipe's.
        samples: how many samples to compare with held-out images; 0 for none, which is quicker.
        features: what they are compared by; by default efficientnet-lite0 where it is installed, else a classifier of
            the data's own labels or attributes.
        device: where to compute; auto takes CUDA where there is a GPU for it, else the CPU; mps is untested.
        json: print one JSON object.
    """
    import armoire
    from armoire.figures.sweep import save_sweep
    from armoire.measure.sweep import TABLE
    from armoire.measure.sweep import sweep as run_sweep

    if samples < 0 or samples == 1:
        raise ArmoireError(f"--samples should be 0, or 2 or more, not {samples}")
    chosen = armoire.load_recipe(recipe).change(epochs=epochs, size=size, latent=latent, limit=limit, seed=seed)
    place = out or Path("runs") / f"{chosen.name}-sweep"
    options = {"samples": samples, "features": features, "device": device, "progress": terminal_progress()}
    rows = run_sweep(chosen, _betas(beta), place, data, **options)
    figure = save_sweep(rows, place, chosen)
    if json:
        print_json({"recipe": chosen.name, "rows": rows, "figure": str(figure), "table": str(place / TABLE)})
        return
    shown = [name for name in ("beta", "rate_nats", "distortion_nats", "mse", "active_units", "fd") if name in rows[0]]
    print_table([tuple(shown), *(tuple(f"{row.get(name, ''):.5g}" for name in shown) for row in rows)])
    print(place / TABLE)
    print(figure)


def _betas(text: str) -> list[float]:
    try:
        betas = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        betas = []
    if not betas or not all(0 <= value < math.inf for value in betas):
        raise ArmoireError(f"--beta should be weights of 0 or more with commas between, as 0.1,1,10, not '{text}'")
    return betas
