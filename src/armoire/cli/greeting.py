"""`armoire` without a command: the runs below the current folder, and three commands to type next."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from armoire.cli.output import print_table
from armoire.console import duration

if TYPE_CHECKING:
    from armoire.training.runs import RunSummary

MOST = 8  # runs
FIRST = [
    ("armoire train fashion-vae", "train a variational autoencoder of clothes"),
    ("armoire explore runs/fashion-vae", "explore it in a browser"),
    ("armoire figures runs/fashion-vae", "draw figures and report.html"),
]


def greet() -> None:
    from armoire.training.runs import find_runs

    found = find_runs(Path())
    print("armoire: train autoencoders and VAEs on your own images; explore, edit and share their latent space.\n")
    if found:
        print("Runs here:")
        print_table([_row(run) for run in found[:MOST]])
        print(f"  and {len(found) - MOST} more\n" if found[MOST:] else "")
    print("Next:")
    print_table([(f"  {command}", why) for command, why in _next(found)])
    print("\nFor images of your own: armoire train images-vae --data FOLDER. All commands: armoire --help.")


def _row(run: RunSummary) -> tuple[str, ...]:
    ago = duration(max(0.0, time.time() - run.modified))
    return f"  {shlex.quote(str(run.path))}", run.recipe, f"{run.state}, {ago} ago"


def _next(found: list[RunSummary]) -> list[tuple[str, str]]:
    commands = []
    if found and not found[0].is_finished:
        recipe, path = (shlex.quote(str(part)) for part in (found[0].path / "recipe.toml", found[0].path))
        commands = [(f"armoire train {recipe} --out {path} --resume", "continue it")]
    for run in filter(lambda run: run.is_finished, found):
        path = shlex.quote(str(run.path))
        commands += [
            (f"armoire explore {path}", "explore it in a browser"),
            (f"armoire sample {path} --out samples.png", "generate images"),
            (f"armoire doctor {path}", "check it"),
        ]
    return [*commands, *FIRST][:3]
