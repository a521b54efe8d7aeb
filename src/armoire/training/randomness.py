"""Every random draw of a training as a function of the seed and of where it stands, never of what was drawn before.

So a resumed run draws what an uninterrupted one would have drawn, with no generator's state to save.
"""

from __future__ import annotations

import numpy as np
import torch


def generator(seed: int, purpose: str, step: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator for one purpose at one step."""
    words = np.random.SeedSequence([seed, *purpose.encode(), step]).generate_state(2, np.uint32)
    return torch.Generator(device).manual_seed((int(words[0]) << 31) ^ int(words[1]))


def permutation(seed: int, epoch: int, n: int) -> torch.Tensor:
    """The order in which an epoch visits n images: int64 (n,)."""
    return torch.randperm(n, generator=generator(seed, "order", epoch))
