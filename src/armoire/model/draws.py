"""Standard normal draws for a batch, or for the rows of one that several processes share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SharedDraws:
    """The draws of a batch of n images of which only some rows are here.

    The whole batch is drawn and the rows are taken from it, so that an image gets the same noise however many processes
    share the batch.

    Attributes:
        generator: as for the whole batch.
        rows: which rows of the batch are here.
        n: images in the whole batch.
    """

    generator: torch.Generator
    rows: slice
    n: int


#: What a model draws with: a generator, the rows of a batch, or PyTorch's global generator (None).
Draws = torch.Generator | SharedDraws | None


def normal_like(x: Tensor, draws: Draws) -> Tensor:
    """eps ~ N(0, I) in the shape (n, ..), type and layout of x."""
    if not isinstance(draws, SharedDraws):
        return torch.empty_like(x).normal_(generator=draws)
    if not len(x):
        return torch.empty_like(x)
    # Laid out in memory as x is: the numbers are drawn in that order.
    stride = (x[0].numel(), *x.stride()[1:])
    whole = torch.empty_strided((draws.n, *x.shape[1:]), stride, dtype=x.dtype, device=x.device)
    return whole.normal_(generator=draws.generator)[draws.rows]
