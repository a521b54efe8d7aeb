"""Where a training runs: devices, and what makes them fast."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

import torch

from armoire.errors import ArmoireError, did_you_mean

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str = "auto") -> torch.device:
    """A device by name; `auto` takes the fastest there is."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if there["cuda"] else "mps" if there["mps"] else "cpu")
    if name not in there:
        raise ArmoireError(f"no device '{name}'; {did_you_mean(name, DEVICES)}")
    if not there[name]:
        raise ArmoireError(f"this machine or its PyTorch has no {name} device; use --device auto")
    return torch.device(name)


@cache
def keep_memory() -> None:
    """Keep big activations in the process instead of returning them to the system at every step (glibc only).

    Worth 10 to 25 % of a step on a CPU: faulting fresh pages in costs more than the arithmetic of the small layers.
    """
    if sys.platform == "linux":
        trim_threshold, mmap_max = -1, -4  # the names M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
        try:
            mallopt = ctypes.CDLL(None).mallopt
        except (AttributeError, OSError):  # another C library
            return
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)
