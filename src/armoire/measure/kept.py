"""The last numbers that were measured of a run, kept in RUN/evaluation.json for whoever shows it to others."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from armoire.errors import ArmoireError
from armoire.io.files import read_checksummed, write_checksummed
from armoire.training import Run

FILE = "evaluation.json"
FORMAT = "armoire-evaluation-1"
ON_REQUEST = ("samples", "likelihood", "denoising")


def keep_evaluation(run: Run, found: dict[str, Any], samples_asked: bool) -> None:
    """Keep what `evaluate` found; of what is measured only on request, what was known before stays.

    Args:
        run: the run.
        found: what was measured of it.
        samples_asked: whether samples were, and not only looked at quickly.
    """
    before = kept_evaluation(run) or {}
    new = {name for name in ON_REQUEST if found.get(name) and (name != "samples" or samples_asked)}
    stays = {name: before[name] for name in ON_REQUEST if before.get(name) and name not in new}
    # Edits have a file of their own.
    content = {name: value for name, value in found.items() if name != "editing"} | stays
    with contextlib.suppress(ArmoireError):  # of a run that may only be read
        write_checksummed(run.path / FILE, {"made_of": _made_of(run), "evaluation": content})


def kept_evaluation(run: Run) -> dict[str, Any] | None:
    """What `evaluate` found of these weights the last time, without edits; None where that is not there."""
    try:
        kept = read_checksummed(run.path / FILE)
        return kept["evaluation"] if kept["made_of"] == _made_of(run) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def last_epoch(run: Run) -> dict[str, Any]:
    """What training itself measured last on the held-out images, in the shape of an evaluation.

    Raises:
        ArmoireError: the history is missing or damaged.
    """
    row = run.history[-1]
    split = next((found[1] for name in row if (found := re.fullmatch(r"(valid|test)_distortion_nats", name))), "")
    names = ("distortion_nats", "rate_nats", "objective_nats")
    elbo = {name: row[f"{split}_{name}"] for name in names if f"{split}_{name}" in row}
    return {"data": {"name": run.data.name, "split": split, "n": None}, "elbo": elbo}


def _made_of(run: Run) -> dict[str, str]:
    return run.key() | {"format": FORMAT}
