"""`armoire prior`."""

from __future__ import annotations

from typing import Literal

from armoire.cli.arguments import Json, RunFolder, Whole
from armoire.cli.output import print_json, print_table
from armoire.console import terminal_progress
from armoire.errors import ArmoireError


def prior(
    run: RunFolder,
    /,
    *,
    kind: Literal["gmm", "flow"] = "flow",
    seed: Whole = 0,
    json: Json = False,
) -> None:
    """Fit a prior to where the training images lie, and keep it in the run: samples are drawn from it from then on.

    With it a plain autoencoder becomes a generator, and a variational one draws from where its images are and no longer
    from the holes between them. sample, evaluate, figures and explore use it; --prior normal goes back.

    Args:
        run: folder of a run.
        kind: flow, a neural spline flow; or gmm, a mixture of Gaussians, as many as held-out latents ask for.
        seed: of the fit.
        json: print one JSON object.
    """
    from armoire.wardrobe import Wardrobe

    if seed < 0:
        raise ArmoireError(f"--seed should be 0 or more, not {seed}")
    wardrobe = Wardrobe.open(run, progress=terminal_progress())
    found = wardrobe.fit_prior(kind, seed)
    name = wardrobe.prior(kind).name
    if json:
        print_json({"prior": kind, "name": name, **found})
        return
    rows = [
        ("prior", name),
        ("log p(z)", f"{found['log_prob']:.3f} nats a latent, of {found['held_out']:,} training latents kept apart"),
        ("N(0, I)", f"{found['log_prob_normal']:.3f} nats"),
        ("next", f"armoire sample {run} --out samples.png"),
    ]
    print_table(rows)
