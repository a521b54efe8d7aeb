"""Checkpoints: all that a training needs to go on, in one safetensors file each, complete or absent."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from armoire.errors import ArmoireError
from armoire.io.files import parse_json, write_bytes
from armoire.io.tensors import open_tensors, write_tensors

FORMAT = "armoire-checkpoint-1"
KEEP = 2
BEST = "best.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """A training at rest.

    Attributes:
        step: optimiser steps done, counted over all epochs.
        tensors: weights as `model.NAME`, Adam's moments as `optimizer.INDEX.NAME`, the epoch's sums so far as `sums`.
        facts: plain values: history, data fingerprint, recipe, seconds spent in the epoch.
    """

    step: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `prefix.`, without it."""
        start = f"{prefix}."
        return {name.removeprefix(start): t for name, t in self.tensors.items() if name.startswith(start)}


def save_checkpoint(folder: Path, checkpoint: Checkpoint, best: bool = False) -> Path:
    """Write a checkpoint, drop all but the last two, and keep a copy if it is the best so far."""
    header = {
        "format": FORMAT,
        "step": str(checkpoint.step),
        "facts": json.dumps(checkpoint.facts),
    }
    path = folder / f"step-{checkpoint.step:09d}.safetensors"
    content = write_tensors(folder / BEST if best else path, checkpoint.tensors, header)
    if best:  # the copy first: who goes on from this step does not come by the end of its epoch again
        write_bytes(path, content)
    # A later one is damaged, or training would have gone on from it.
    kept = [other for other in list_checkpoints(folder) if other.name <= path.name][-KEEP:]
    for other in set(list_checkpoints(folder)) - set(kept):
        other.unlink(missing_ok=True)
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints from the oldest to the newest, the best one's copy aside."""
    return sorted(path for path in folder.glob("step-*.safetensors") if re.fullmatch(r"step-\d{9}", path.stem))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint back.

    Raises:
        ArmoireError: it is damaged, or not a checkpoint.
    """
    try:
        found = open_tensors(path, FORMAT)
        return Checkpoint(int(found.metadata["step"]), found.read(), parse_json(found.metadata["facts"]))
    except (OSError, KeyError, ValueError) as error:
        raise ArmoireError(f"{path} is damaged ({error}); delete it to go on from an earlier one") from None


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and step counts as named tensors."""
    return {
        f"optimizer.{index}.{name}": value
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put back what `pack_optimizer` took, `tensors` without the leading `optimizer.`."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        parameter = parameters[int(index)]
        # Laid out in memory as its parameter is: fused Adam walks through both as flat arrays.
        moment = torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
        state.setdefault(int(index), {})[name] = moment
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
