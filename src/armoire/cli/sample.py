from __future__ import annotations

from pathlib import Path

from armoire.cli.arguments import HowMany, RunPath, Seed, Temperature
from armoire.cli.inputs import open_wardrobe
from armoire.cli.pictures import save_images


def sample(
    run: RunPath,
    /,
    *,
    out: str,
    number: HowMany = 18,
    seed: Seed = 0,
    prior: str | None = None,
    temperature: Temperature = 1.0,
) -> None:
    """Generate images from latents drawn from a prior.

    Args:
        out: FILE.png (a grid), FILE.npy (uint8, n x h x w x c), or FOLDER/ (one PNG each).
        seed: the same seed gives the same images.
        prior: gmm or flow, once armoire prior has fitted one; normal, which is N(0, I); or box, uniform over the range
            of the held-out latents. By default the best fitted one, if any; else normal for a variational autoencoder
            and box for a plain one.
        temperature: below 1 samples nearer the mode, more typical and less diverse; above 1 the opposite.
    """
    wardrobe = open_wardrobe(run)
    save_images(wardrobe.decode(wardrobe.sample(number, seed=seed, prior=prior, temperature=temperature)), out)
    wardrobe.progress.note(f"{number:,} images drawn from {wardrobe.prior(prior).name}")
    print(Path(out))
