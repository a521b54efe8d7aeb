"""Every random draw of a training as a function of the seed, its purpose and its step.

A resumed run therefore draws what an uninterrupted one would, with no generator's state to save.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

ALL = slice(None)


def generator(seed: int, purpose: str, step: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one purpose at one step."""
    words = np.random.SeedSequence([seed, *purpose.encode(), step]).generate_state(2, np.uint32)
    return torch.Generator(device).manual_seed((int(words[0]) << 31) ^ int(words[1]))


def permutation(seed: int, epoch: int, n: int) -> Tensor:
    """The order in which an epoch visits n images: int64 (n,)."""
    return torch.randperm(n, generator=generator(seed, "order", epoch))


def normal_like(x: Tensor, draws: torch.Generator, rows: slice = ALL, batch: int | None = None) -> Tensor:
    """noise ~ N(0, I) in the shape (n, ..), type and memory layout of x.

    x is the `rows` of a batch of `batch` images, by default all of it. The whole batch is drawn, so an image gets the
    same noise in any number of processes.
    """
    if not len(x):
        return torch.empty_like(x)
    # In the layout of x: the numbers are drawn in memory order.
    stride = (x[0].numel(), *x.stride()[1:])
    whole = torch.empty_strided((batch or len(x), *x.shape[1:]), stride, dtype=x.dtype, device=x.device)
    return whole.normal_(generator=draws)[rows]
