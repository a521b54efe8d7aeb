"""`armoire` without a command: the runs below the current folder, and three commands to type next."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from armoire.cli.output import print_table
from armoire.console import duration
from armoire.training.runs import RunSummary, find_runs

MOST = 8  # runs
NEWCOMER = [
    ("armoire train fashion-vae", "train a variational autoencoder of clothes"),
    ("armoire explore runs/fashion-vae", "explore it in a browser"),
    ("armoire figures runs/fashion-vae", "draw figures and report.html"),
]


def greet() -> None:
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
    state = f"{run.asked} epochs" if run.is_finished else f"stopped after {run.epochs} of {run.asked} epochs"
    ago = duration(max(0.0, time.time() - run.modified))
    return f"  {_typed(run.path)}", run.recipe, f"{state}, {ago} ago"


def _next(found: list[RunSummary]) -> list[tuple[str, str]]:
    if not found:
        return NEWCOMER
    newest = found[0]
    path = _typed(newest.path)
    if not newest.is_finished:
        train = f"armoire train {_typed(newest.path / 'recipe.toml')} --out {path} --resume"
        return [(train, "continue it"), *_uses(next((r for r in found if r.is_finished), None))][:3]
    return _uses(newest)


def _uses(run: RunSummary | None) -> list[tuple[str, str]]:
    if run is None:
        return NEWCOMER[:2]
    path = _typed(run.path)
    return [
        (f"armoire explore {path}", "explore it in a browser"),
        (f"armoire sample {path} --out samples.png", "generate images"),
        (f"armoire doctor {path}", "check it"),
    ]


def _typed(path: Path) -> str:
    return shlex.quote(str(path))
