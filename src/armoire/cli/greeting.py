"""What `armoire` alone says: the runs that lie here, and the three commands that come next."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

from armoire.cli.output import print_table
from armoire.console import duration
from armoire.training.runs import RunSummary, find_runs

SHOWN = 8  # runs
NEWCOMER = [
    ("armoire train fashion-vae", "a variational autoencoder of clothes, in runs/fashion-vae"),
    ("armoire explore runs/fashion-vae", "walk through it in a browser"),
    ("armoire figures runs/fashion-vae", "its pictures and numbers, in one report.html"),
]


def greet() -> None:
    """Say what there is, and what comes next."""
    found = find_runs(Path())
    print("armoire: give it images, and it gives you a wardrobe, a latent space that people can use.\n")
    if found:
        print("Runs here:")
        print_table([_row(run) for run in found[:SHOWN]])
        print(f"  and {len(found) - SHOWN} more\n" if found[SHOWN:] else "")
    print("Next:")
    print_table([(f"  {command}", why) for command, why in _next(found)])
    print("\nFor images of your own: armoire train images-vae --data FOLDER. All verbs: armoire --help.")


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
        return [(train, "go on where it was stopped"), *_about(next((r for r in found if r.is_finished), None))][:3]
    return _about(newest)


def _about(run: RunSummary | None) -> list[tuple[str, str]]:
    if run is None:
        return NEWCOMER[:2]
    path = _typed(run.path)
    return [
        (f"armoire explore {path}", "walk through it in a browser"),
        (f"armoire sample {path} --out samples.png", "make new images"),
        (f"armoire doctor {path}", "what is wrong with it, if anything"),
    ]


def _typed(path: Path) -> str:
    return shlex.quote(str(path))
