"""A moving average of the weights, which is measured and kept in their place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """average <- k * average + (1 - k) * weights after each step, k = min(decay, (1 + step) / (10 + step)).

    The weights of one step differ from those of the next by what a single batch taught; their average is nearer to the
    minimum (Polyak and Juditsky 1992). A decay of 0 keeps none: the last weights are used.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay, self._parameters = decay, dict(model.named_parameters()) if decay else {}
        self.values = {name: parameter.detach().clone() for name, parameter in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Count the weights after a step, from 0."""
        keep = min(self._decay, (1 + step) / (10 + step))
        for name, value in self.values.items():
            value.lerp_(self._parameters[name], 1 - keep)

    @contextlib.contextmanager
    @torch.no_grad()
    def in_use(self) -> Iterator[None]:
        """Give the model the average as its weights while the block runs."""
        weights = {name: parameter.clone() for name, parameter in self._parameters.items()}
        self.load_into(self._parameters, self.values)
        try:
            yield
        finally:
            self.load_into(self._parameters, weights)

    @staticmethod
    @torch.no_grad()
    def load_into(parameters: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
        """Copy values to tensors of the same names, in place."""
        for name, parameter in parameters.items():
            parameter.copy_(values[name])
