from __future__ import annotations

from armoire.cli.arguments import Json, RunPath, Seed
from armoire.cli.inputs import open_wardrobe
from armoire.cli.output import print_json, print_table


def prior(run: RunPath, /, *, kind: str | None = None, seed: Seed = 0, json: Json = False) -> None:
    """Fit a prior to the training images' latents and store it in the run, where sample and explore use the best.

    Args:
        kind: flow, a neural spline flow; gmm, a mixture of Gaussians, their number chosen by held-out latents;
            neighbours, averages of neighbouring training latents with at most 10 % copies; or a registered kind.
            By default that of the run's recipe; where it has none, flow, or gmm for more than 32 dimensions.
        seed: of the fit.
    """
    from armoire.priors import usual_kind

    wardrobe = open_wardrobe(run)
    kind = kind or usual_kind(wardrobe.recipe.prior, wardrobe.recipe.dimensions)
    found = wardrobe.fit_prior(kind, seed=seed)
    name = wardrobe.prior(kind).name
    choose = "" if wardrobe.prior().name == name else f"--prior {kind} "
    if json:
        print_json({"prior": kind, "name": name, **found})
        return
    rows = [("prior", name)]
    if wardrobe.prior(kind).has_density:
        over = f"over {found['held_out']:,} held-out training latents"
        rows += [
            ("log p(z)", f"{found['log_prob']:.3f} nats a latent, {over}"),
            ("N(0, I)", f"{found['log_prob_normal']:.3f} nats"),
        ]
    elif found["copies"] is not None:
        rows += [("copies", f"{found['copies']:.1%} are nearer to a training image than held-out images are")]
    print_table([*rows, ("next", f"armoire sample {run} {choose}--out samples.png")])
