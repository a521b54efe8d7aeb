"""`armoire train`."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from armoire.cli.arguments import Json, LikelihoodName, RecipeName, Whole
from armoire.cli.output import print_json, print_table
from armoire.console import duration, terminal_progress
from armoire.errors import ArmoireError


def train(
    recipe: RecipeName,
    /,
    *,
    data: str | None = None,
    out: Path | None = None,
    epochs: Whole | None = None,
    batch: Whole | None = None,
    lr: float | None = None,
    latent: Whole | None = None,
    size: Whole | None = None,
    beta: float | None = None,
    likelihood: LikelihoodName | None = None,
    noise: float | None = None,
    seed: Whole | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    resume: Annotated[bool, Parameter(negative="")] = False,
    snapshots: Whole | None = None,
    limit: Whole | None = None,
    track: Annotated[list[Literal["tensorboard", "trackio", "wandb"]] | None, Parameter(negative="")] = None,
    setting: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    json: Json = False,
) -> None:
    """Train a recipe on a data set and leave a run behind: a folder with everything needed to use the model.

    Args:
        recipe: name of a recipe (`armoire recipes` lists them), or a .toml file.
        data: fashion-mnist, drawn-faces, celeba:PATH, hf:OWNER/NAME, or the path of images: a folder or zip of
            them, with or without a table beside them, Parquet, Arrow, WebDataset or NumPy files; by default the
            recipe's own.
        out: folder of the run; by default runs/RECIPE.
        epochs: passes over the training images; by default, as all settings here, the recipe's.
        batch: images a step, of all processes together under torchrun; by default the recipe's.
        lr: largest learning rate a step; by default the recipe's.
        latent: latent dimensions; by default the recipe's.
        size: side that a folder's images are fitted to, 16 to 256 pixels, padded to a power of two; by
            default the recipe's.
        beta: weight of the rate in distortion + beta * rate, both in nats an image; by default the recipe's.
        likelihood: of the pixels: bernoulli, gaussian, calibrated, laplace, or a registered one; by default the
            recipe's.
        noise: standard deviation of noise on the input, whose pixels are 0 to 1, for a denoising autoencoder; by
            default the recipe's.
        seed: on a CPU the same seed gives the same bits; by default the recipe's.
        device: where to compute; auto takes CUDA where there is a GPU for it, else the CPU; mps is untested.
        resume: go on from the run's last checkpoint.
        snapshots: keep the weights of so many moments of the training in RUN/snapshots, evenly spaced over its steps,
            the last one included; by default none.
        limit: train on so many images only, the first, for a quick look; by default all.
        track: show losses, previews and histograms in a tracker too, after each epoch; by default in none; may be given
            more than once.
        setting: any other setting of the recipe, as KEY=VALUE in TOML's writing; may be given more than once; by
            default none (`armoire recipes NAME` shows all settings).
        json: print the outcome as one JSON object.
    """
    import armoire
    from armoire.training.distributed import is_first_process
    from armoire.wardrobe.training import take_part

    flags = {
        "epochs": epochs,
        "batch": batch,
        "lr": lr,
        "latent": latent,
        "size": size,
        "beta": beta,
        "likelihood": likelihood,
        "noise": noise,
        "seed": seed,
        "limit": limit,
    }
    chosen = armoire.load_recipe(recipe).change(**flags | _settings(setting or []))
    began = time.monotonic()
    if not is_first_process():
        take_part(chosen, data, out, resume=resume, device=device, snapshots=snapshots)
        return
    wardrobe = armoire.train(
        chosen,
        data,
        out,
        resume=resume,
        device=device,
        progress=terminal_progress(),
        track=track or (),
        snapshots=snapshots,
    )
    last = wardrobe.run.history[-1]
    seconds = time.monotonic() - began
    if json:
        print_json({"run": str(wardrobe.run.path), "seconds": round(seconds, 1), "last_epoch": last})
    else:
        _summarise(wardrobe, last, seconds)


def _settings(given: list[str]) -> dict[str, Any]:
    import tomllib

    settings: dict[str, Any] = {}
    for setting in given:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ArmoireError(f"--set takes KEY=VALUE, not '{setting}'")
        try:
            settings[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            settings[key.strip()] = value  # a bare word is a string, as one would expect of a shell
    return settings


def _summarise(wardrobe: Any, last: dict[str, float], seconds: float) -> None:
    run, split = wardrobe.run.path, wardrobe.held_out
    rows = [
        ("run", str(run)),
        ("data", f"{wardrobe.run.data.name}, {len(wardrobe.latents):,} images encoded in latents.parquet"),
        ("model", f"{wardrobe.model.parameter_count():,} parameters, {wardrobe.recipe.latent} latent dimensions"),
        ("distortion", f"{last[f'{split}_distortion_nats']:.2f} nats an image on the {split} images"),
        ("rate", f"{last[f'{split}_rate_nats']:.2f} nats an image"),
    ]
    if (published := last.get(f"{split}_published_total_loss")) is not None:
        rows.append(("published scale", f"{published:.4g} in total"))
    there = shlex.quote(str(run))
    following = (f"sample {there} -n 30 --out samples.png", f"explore {there}", f"doctor {there}", f"figures {there}")
    steps = [("" if k else "next", f"armoire {words}") for k, words in enumerate(following)]
    print_table([*rows, ("time", duration(seconds)), *steps])
