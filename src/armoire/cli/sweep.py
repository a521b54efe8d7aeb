from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from armoire.cli.arguments import DataOfRecipe, Device, Features, Json, Numbers, RecipeName, Whole
from armoire.cli.output import print_json, print_table
from armoire.console import terminal_progress
from armoire.errors import ArmoireError


def sweep(
    recipe: RecipeName,
    /,
    *,
    beta: Annotated[Numbers, Parameter(validator=Number(gte=0))],
    data: DataOfRecipe = None,
    out: Path | None = None,
    epochs: Whole | None = None,
    size: Whole | None = None,
    latent: Whole | None = None,
    limit: Whole | None = None,
    seed: Whole | None = None,
    samples: Whole = 2000,
    features: Features = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Train a recipe at several betas, and draw rate against distortion and the quality of samples.

    Args:
        beta: weights of the rate in distortion + beta * rate, separated by commas.
        out: folder of the runs, sweep.csv and sweep.png; an interrupted sweep continues; by default
            runs/RECIPE-sweep.
        epochs: passes over the training images of each; by default the recipe's.
        size: side that the images of a folder are resized to, 16 to 256 pixels; by default the recipe's.
        latent: latent dimensions; by default the recipe's.
        limit: train on this many images, drawn at random with the seed; by default all.
        seed: of each; by default the recipe's.
        samples: how many samples to compare with held-out images; 0 for none, which is faster.
    """
    import armoire
    from armoire.figures.sweep import save_sweep
    from armoire.measure.sweep import TABLE
    from armoire.measure.sweep import sweep as run_sweep

    if samples < 0 or samples == 1:
        raise ArmoireError(f"--samples should be 0, or 2 or more, not {samples}")
    chosen = armoire.load_recipe(recipe).change(epochs=epochs, size=size, latent=latent, limit=limit, seed=seed)
    folder = out or Path("runs") / f"{chosen.name}-sweep"
    options = {"samples": samples, "features": features, "device": device, "progress": terminal_progress()}
    rows = run_sweep(chosen, beta, folder, data, **options)
    figure = save_sweep(rows, folder, chosen)
    if json:
        print_json({"recipe": chosen.name, "rows": rows, "figure": str(figure), "table": str(folder / TABLE)})
        return
    known = ("beta", "rate_nats", "distortion_nats", "mse", "active_units", "fd")
    columns = [name for name in known if name in rows[0]]
    columns += [name for name in rows[0] if name.startswith("fd_") and name not in ("fd_reconstructions", "fd_floor")]
    print_table([tuple(columns), *(tuple(f"{row.get(name, ''):.5g}" for name in columns) for row in rows)])
    print(folder / TABLE)
    print(figure)
