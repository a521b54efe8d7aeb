from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from armoire.cli.arguments import RunPath, Whole
from armoire.cli.pictures import save_images
from armoire.console import terminal_progress
from armoire.errors import ArmoireError


def sample(
    run: RunPath,
    /,
    *,
    out: Path,
    number: Annotated[Whole, Parameter(name=["-n", "--number"])] = 18,
    seed: Whole = 0,
    prior: str | None = None,
    temperature: float = 1.0,
) -> None:
    """Generate images from latents drawn from a prior.

    Args:
        out: FILE.png (a grid), FILE.npy (uint8, n x h x w x c), or FOLDER/ (one PNG each).
        number: how many.
        seed: the same seed gives the same images.
        prior: gmm or flow, once armoire prior has fitted one; normal, which is N(0, I); or box, uniform over the range
            of the held-out latents. By default the best fitted one, if any; else normal for a variational autoencoder
            and box for a plain one.
        temperature: below 1 samples nearer the mode, more typical and less diverse; above 1 the opposite.
    """
    from armoire.checks import check_temperature
    from armoire.wardrobe import Wardrobe

    if number < 1:
        raise ArmoireError(f"-n should be 1 or more, not {number}")
    if seed < 0:
        raise ArmoireError(f"--seed should be 0 or more, not {seed}")
    check_temperature(temperature, "--temperature")
    progress = terminal_progress()
    wardrobe = Wardrobe.open(run, progress=progress)
    images = wardrobe.decode(wardrobe.sample(number, seed=seed, prior=prior, temperature=temperature))
    save_images(images, out)
    progress.note(f"{number:,} images drawn from {wardrobe.prior(prior).name}")
    print(out)
