"""Devices, and memory settings."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

import torch

from armoire.errors import ArmoireError, did_you_mean

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str | torch.device | None = "auto") -> torch.device:
    """A device by name, `cpu`, `cuda`, `cuda:1`, `mps`; `auto` and None: CUDA where there is a GPU, else the CPU."""
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    name = "auto" if name is None else str(name)
    if name == "auto":
        return torch.device("cuda" if there["cuda"] else "cpu")
    kind, _, number = name.partition(":")
    if kind not in there or (":" in name and not number.isdecimal()):
        raise ArmoireError(f"no device '{name}'; {did_you_mean(kind, DEVICES)}")
    if int(number or 0) >= there[kind]:
        raise ArmoireError(f"this machine or its PyTorch has no {name} device; use --device auto")
    return torch.device(name)


@cache
def keep_memory() -> None:
    """Keep freed memory in the process instead of returning it to the system at every step (glibc only).

    Saves 10 to 25 % of a step on a CPU: page faults cost more than the arithmetic of small layers.
    """
    if sys.platform == "linux":
        trim_threshold, mmap_max = -1, -4  # the names M_TRIM_THRESHOLD and M_MMAP_MAX of malloc.h
        try:
            mallopt = ctypes.CDLL(None).mallopt
        except (AttributeError, OSError):  # another C library
            return
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)
