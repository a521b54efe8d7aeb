"""What looks at a batch as a whole must look at all processes' rows of it: batch norm and the calibrated sigma.

PyTorch's own SyncBatchNorm knows GPUs only, and no empty shares.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from armoire.model import Autoencoder
from armoire.model.likelihood import Calibrated
from armoire.training.distributed import DistributedContext


class SynchronisedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015) by the statistics of all processes' rows.

    Its parameters and buffers are those of the layer that it takes the place of, by the same names.
    """

    def __init__(self, norm: _BatchNorm, distributed: DistributedContext) -> None:
        super().__init__()
        self.distributed, self.eps, self.momentum = distributed, norm.eps, norm.momentum or 0.0
        self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)
        self.running_mean: Tensor
        self.running_var: Tensor
        self.num_batches_tracked: Tensor

    def forward(self, x: Float[Tensor, "n c *side"]) -> Float[Tensor, "n c *side"]:
        """(x - mean) / sqrt(variance + eps) * weight + bias, each channel by its own."""
        mean, variance = self._statistics(x) if self.training else (self.running_mean, self.running_var)
        shape = (1, -1) + (1,) * (x.dim() - 2)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (x - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)

    def _statistics(self, x: Float[Tensor, "n c *side"]) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
        others = [dimension for dimension in range(x.dim()) if dimension != 1]
        # Deviations from the mean of all, not E[x^2] - E[x]^2, which cancels.
        sums = self.distributed.sum_with_gradient(torch.cat([x.sum(others), x.new_tensor([x.numel() / x.shape[1]])]))
        n = sums[-1].detach()
        mean = sums[:-1] / n
        shape = (1, -1) + (1,) * (x.dim() - 2)
        variance = self.distributed.sum_with_gradient((x - mean.view(shape)).square().sum(others)) / n
        self._follow(mean, variance * (n / (n - 1)))
        return mean, variance

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1


def synchronise(model: Autoencoder, distributed: DistributedContext) -> None:
    """Make a model's statistics over a batch those over all processes' rows of it."""
    if distributed.size == 1:
        return
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, SynchronisedBatchNorm(child, distributed))
    if isinstance(model.likelihood, Calibrated):
        model.likelihood.average = lambda values: _mean(values, distributed)


def _mean(values: Float[Tensor, " n"], distributed: DistributedContext) -> Float[Tensor, ""]:
    total, n = distributed.sum(torch.stack([values.sum(), values.new_tensor(len(values))]))
    return total / n
