from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from armoire.cli.arguments import (
    ColumnFlags,
    DataOfRecipe,
    Device,
    Flag,
    Json,
    LikelihoodName,
    RecipeName,
    Whole,
    WholeOrAuto,
)
from armoire.cli.output import print_json, print_table
from armoire.console import duration, terminal_progress
from armoire.errors import ArmoireError

if TYPE_CHECKING:
    from armoire.wardrobe import Wardrobe

NEXT = {"sample": " -n 30 --out samples.png", "explore": "", "doctor": "", "figures": ""}


def train(
    recipe: RecipeName,
    /,
    *,
    data: DataOfRecipe = None,
    columns: ColumnFlags | None = None,
    out: Path | None = None,
    epochs: Whole | None = None,
    steps: Whole | None = None,
    minutes: float | None = None,
    batch: Whole | None = None,
    lr: float | None = None,
    latent: WholeOrAuto | None = None,
    size: Whole | None = None,
    beta: float | None = None,
    likelihood: LikelihoodName | None = None,
    noise: float | None = None,
    seed: Whole | None = None,
    device: Device = "auto",
    start_from: Annotated[Path | None, Parameter(name="--from")] = None,
    resume: Flag = False,
    snapshots: Whole | None = None,
    limit: Whole | None = None,
    without: Path | None = None,
    track: Annotated[list[Literal["tensorboard", "trackio", "wandb"]] | None, Parameter(negative="")] = None,
    setting: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    json: Json = False,
) -> None:
    """Train a recipe on a data set, and write a run: a folder with everything needed to use the model.

    Args:
        out: folder of the run; by default runs/RECIPE.
        epochs: passes over the training images; by default, as for all settings here, the recipe's. A recipe without a
            length, such as images-vae, takes a number of steps that suits the number of images.
        steps: optimiser steps, instead of epochs; by default the recipe's.
        minutes: time for steps and measurements, instead of epochs: the schedule of the learning rate follows the
            clock. Reading the images before and encoding them after take more. A resumed training has the rest of it.
            By default the recipe's.
        batch: images per step, of all processes together under torchrun; by default the recipe's.
        lr: largest learning rate of a step; by default the recipe's.
        latent: latent dimensions, or auto for as many as the data ask for; by default the recipe's.
        size: side that the images of a folder are resized to, 16 to 256 pixels, padded to a power of two; by default
            the recipe's.
        beta: weight of the rate in distortion + beta * rate, both in nats per image; by default the recipe's.
        likelihood: of the pixels: bernoulli, gaussian, calibrated, laplace, or a registered one; by default the
            recipe's.
        noise: standard deviation of noise on the input (pixels are 0 to 1) for a denoising autoencoder; by default the
            recipe's.
        seed: on a CPU the same seed gives the same bits; by default the recipe's.
        start_from: a run of the same network whose weights the training starts from, on other data; by default the
            weights are new.
        resume: continue from the run's last checkpoint.
        snapshots: number of moments of the training, evenly spaced over its steps and with the last one, whose weights
            are stored in RUN/snapshots; by default none.
        limit: train on this many images, drawn at random with the seed; by default all.
        without: survey.csv of `armoire survey`, whose duplicates are left out; by default none.
        track: log losses, previews and histograms to an experiment tracker; may be given more than once; by default to
            none.
        setting: any other setting of the recipe, as KEY=VALUE in TOML; may be given more than once (`armoire recipes
            NAME` shows all settings); by default none.
    """
    import armoire
    from armoire.training.distributed import is_first_process
    from armoire.wardrobe.training import take_part

    flags = {
        "epochs": epochs,
        "steps": steps,
        "minutes": minutes,
        "batch": batch,
        "lr": lr,
        "latent": latent,
        "size": size,
        "beta": beta,
        "likelihood": likelihood,
        "noise": noise,
        "seed": seed,
        "limit": limit,
        "without": str(without) if without else None,
    }
    given = columns.settings() if columns else {}
    chosen = armoire.load_recipe(recipe).change(**flags | given | _settings(setting or []))
    began = time.monotonic()
    options: dict[str, Any] = {"resume": resume, "device": device, "snapshots": snapshots, "start_from": start_from}
    if not is_first_process():
        take_part(chosen, data, out, **options)
        return
    wardrobe = armoire.train(chosen, data, out, progress=terminal_progress(), track=track or (), **options)
    seconds = time.monotonic() - began
    if json:
        done = {"seconds": round(seconds, 1), "steps": wardrobe.run.steps, "last_epoch": wardrobe.run.measured}
        print_json({"run": str(wardrobe.run)} | done)
    else:
        _print_summary(wardrobe, seconds)


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
            settings[key.strip()] = value  # a bare word is a string
    return settings


def _print_summary(wardrobe: Wardrobe, seconds: float) -> None:
    run, split, last = wardrobe.run, wardrobe.held_out, wardrobe.run.measured
    data = run.data
    left_out = f"; {data.left_out:,} duplicates are left out" if data.left_out else ""
    rows = [
        ("run", str(run)),
        ("data", f"{data.name}, {len(wardrobe.latents):,} images encoded in latents.parquet{left_out}"),
        ("model", f"{wardrobe.model.parameter_count():,} parameters, {wardrobe.recipe.dimensions} latent dimensions"),
        ("distortion", f"{last[f'{split}_distortion_nats']:.2f} nats per image on the {split} images"),
        ("rate", f"{last[f'{split}_rate_nats']:.2f} nats per image"),
    ]
    if (published := last.get(f"{split}_published_total_loss")) is not None:
        rows.append(("published scale", f"{published:.4g} in total"))
    rows.append(("time", f"{duration(seconds)}, {run.steps:,} steps"))
    for k, (command, options) in enumerate(NEXT.items()):
        rows.append(("" if k else "next", f"armoire {command} {shlex.quote(str(run))}{options}"))
    print_table(rows)
