from __future__ import annotations

from pathlib import Path
from typing import Any

from armoire.cli.arguments import HowMany, Json, RunPath, Seed, Temperature
from armoire.cli.inputs import open_wardrobe
from armoire.cli.output import print_json
from armoire.cli.pictures import save_images

STATED = ("seed", "temperature", "label")


def sample(
    run: RunPath,
    /,
    *,
    out: str,
    number: HowMany = 18,
    seed: Seed = 0,
    prior: str | None = None,
    temperature: Temperature = 1.0,
    label: str | None = None,
    json: Json = False,
) -> None:
    """Generate images from latents drawn from a prior.

    Args:
        out: FILE.png (a grid), FILE.npy (uint8, n x h x w x c), or FOLDER/ (one PNG each).
        seed: the same seed gives the same images.
        prior: neighbours, gmm or flow, once armoire prior has fitted one; normal, which is N(0, I); or box, uniform
            over the range of the held-out latents. By default neighbours, or else the best fitted one, if any; else
            normal for a variational autoencoder and box for a plain one.
        temperature: below 1 samples nearer the mode, more typical and less diverse; above 1 the opposite.
        label: draw images of one class, or with an attribute: the prior is fitted to the latents of its training images
            alone, the first time, and stored in the run; normal is then their Gaussian.
    """
    from armoire.wardrobe.sampling import BETWEEN

    wardrobe = open_wardrobe(run)
    settings: dict[str, Any] = {"seed": seed, "prior": prior, "temperature": temperature, "label": label}
    save_images(wardrobe.decode(wardrobe.sample(number, **settings)), out)
    chosen, of = wardrobe.prior(prior, label=label), "" if label is None else f" of {label}"
    wardrobe.progress.note(f"{number:,} images{of} drawn from {chosen.name}")
    if chosen.needs_latents:
        wardrobe.progress.note(BETWEEN)
    if json:
        found = {"out": out, "n": number, "drawn_from": chosen.name} | {name: settings[name] for name in STATED}
        print_json(found | {"sources": wardrobe.sample_sources(number, **settings)})
        return
    print(Path(out))
