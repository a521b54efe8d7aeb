"""Verbs about what weighs what, and what is wrong: doctor, sweep, beta."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from armoire.cli.arguments import RecipeName, RunFolder
from armoire.cli.terminal import Whole, print_json, print_table, terminal_progress
from armoire.errors import ArmoireError

Json = Annotated[bool, Parameter(negative="")]


def doctor(run: RunFolder, /, *, data: str | None = None, split: str | None = None, json: Json = False) -> None:
    """Say in plain words what is wrong with a run, why, and which command mends it.

    Args:
        run: folder of a run.
        data: other images, to tell whether they are prepared as those that it was trained on; or these, where they
            lie now; by default where the run says.
        split: of these: train, valid or test; by default the held-out one.
        json: print one JSON object.
    """
    from armoire.measure.doctor import examine, examine_stopped
    from armoire.wardrobe import Wardrobe

    progress = terminal_progress()
    found = examine_stopped(run, progress)
    if found is None:
        wardrobe = Wardrobe.open(run, progress=progress)
        found = examine(wardrobe, wardrobe.load_other(data) if data else None, split, progress)
    if json:
        print_json({"run": str(run), **found.to_dict()})
        return
    if not found.findings:
        n = found.numbers
        print(
            f"{run} is healthy: reconstructions explain {n['explained']:.0%} of the held-out pixels' variance, "
            f"{n['dimensions_used']} of {n['dimensions']} dimensions are in use, and {n['holes']:.1%} of samples fall "
            "into holes (of held-out images 1 %)."
        )
    for k, finding in enumerate(found.findings):
        print(("\n" if k else "") + finding.name)
        print_table([("  found", finding.evidence), ("  cause", finding.cause), ("  mend", finding.mend)])


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
    rows = run_sweep(chosen, _betas(beta), place, data, samples, features, device, terminal_progress())
    figure = save_sweep(rows, place, chosen)
    if json:
        print_json({"recipe": chosen.name, "rows": rows, "figure": str(figure), "table": str(place / TABLE)})
        return
    shown = [name for name in ("beta", "rate_nats", "distortion_nats", "mse", "active_units", "fd") if name in rows[0]]
    print_table([tuple(shown), *(tuple(f"{row.get(name, ''):.5g}" for name in shown) for row in rows)])
    print(place / TABLE)
    print(figure)


def beta(
    *,
    loss: Annotated[str, Parameter(name="--from")],
    size: Whole,
    channels: Whole = 3,
    mse: float | None = None,
    batch: float | None = None,
    images: float | None = None,
    json: Json = False,
) -> None:
    """Translate a loss weight of another system into beta and sigma.

    Args:
        loss: a sum of an error and kl, each with a factor: bce and mse are means over an image's values, sum_bce and
            sse sums; kl counts once where it does not stand there. As "2000*mse", "500*bce", "0.5*sse + kl",
            "mse + batch/images*kl".
        size: side of the images in pixels.
        channels: 1 for grey images, 3 for colour.
        mse: the mean squared error that the model reaches, of pixels of 0 to 1, for the beta of a calibrated decoder;
            by default that is told as a formula.
        batch: a number to stand for `batch` in the sum; by default it may not stand there.
        images: a number to stand for `images` in the sum; by default it may not stand there.
        json: print one JSON object.
    """
    from armoire.training.weighting import parse_weighting

    if size < 1 or channels < 1:
        raise ArmoireError(f"--size and --channels should be 1 or more, not {size} and {channels}")
    if mse is not None and not (0 < mse < math.inf):
        raise ArmoireError(f"--mse should be above 0, not {mse}")
    names = {name: value for name, value in (("batch", batch), ("images", images)) if value is not None}
    found = parse_weighting(loss, size, channels, **names)
    if found.error == "bce":
        told = {"likelihood": "bernoulli", "beta": found.beta()}
        flags = f"--likelihood bernoulli --beta {found.beta():.6g}"
    else:
        told = {"likelihood": "gaussian", "sigma": found.sigma, "beta": 1.0, "beta_at_sigma_1": found.beta(1.0)}
        flags = f"--likelihood gaussian --set sigma={found.sigma:.6g} --beta 1"
        if mse is not None:
            told |= {"sigma_calibrated": math.sqrt(mse), "beta_calibrated": found.beta(math.sqrt(mse))}
    told["values"] = found.values
    if json:
        print_json({"loss": loss, **told, "flags": flags})
        return
    rows = [("loss", f"{loss}, on images of {size} x {size} x {channels}, {found.values:,} values")]
    if found.error == "bce":
        rows.append(("is", f"a Bernoulli likelihood with beta {found.beta():.6g}"))
    else:
        rows.append(("is", f"a Gaussian likelihood with sigma {found.sigma:.6g} of 1 and beta 1"))
        rows.append(("or", f"with sigma 1 and beta {found.beta(1.0):.6g}"))
        calibrated = "D / (2 w mse): give --mse for the number"
        if mse is not None:
            calibrated = f"{found.beta(math.sqrt(mse)):.6g}, sigma being {math.sqrt(mse):.4g}"
        rows.append(("calibrated", f"beta {calibrated}"))
    print_table([*rows, ("flags", f"armoire train RECIPE {flags}")])


def _betas(text: str) -> list[float]:
    try:
        betas = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        betas = []
    if not betas or not all(0 <= value < math.inf for value in betas):
        raise ArmoireError(f"--beta should be weights of 0 or more with commas between, as 0.1,1,10, not '{text}'")
    return betas
