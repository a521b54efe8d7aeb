"""Batches for a model, converted from stored uint8 to float one at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from armoire.images.mapped import release
from armoire.model import to_unit

RESIDENT = 1 << 30  # bytes of pixels copied into memory, or onto the device; a larger set stays memory-mapped
RELEASE_AFTER = 256 << 20  # bytes read from a mapped set before its pages are released
AT_LEAST = 64 << 10  # bytes read for an image, however small: the kernel reads neighbouring pages too


class Batches:
    """The images of a split as float batches on a device."""

    def __init__(self, images: UInt8[np.ndarray, "n h w c"], device: torch.device, stay_mapped: bool = False) -> None:
        self._device = device
        self._mapped = images
        resident = images.nbytes <= RESIDENT and not stay_mapped
        self._resident = torch.from_numpy(np.array(images)).to(device) if resident else None
        self._read = 0

    def __len__(self) -> int:
        return len(self._mapped)

    def batch(self, indices: Tensor) -> Float[Tensor, "n c h w"]:
        """The images at int64 indices (n,)."""
        if self._resident is not None:
            return to_unit(self._resident[indices.to(self._device)])
        chosen = self._mapped[indices.numpy()]
        self._read += len(indices) * max(AT_LEAST, self._mapped[0].nbytes)
        if self._read > RELEASE_AFTER:
            release(self._mapped)
            self._read = 0
        return to_unit(torch.from_numpy(chosen).to(self._device))

    def in_turn(self, size: int) -> Iterator[Float[Tensor, "n c h w"]]:
        """All images once, in stored order."""
        for start in range(0, len(self), size):
            yield self.batch(torch.arange(start, min(start + size, len(self))))
