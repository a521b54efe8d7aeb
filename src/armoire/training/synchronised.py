"""Layers that depend on a batch as a whole, computed over all processes' rows of it, and layers for an empty share.

PyTorch's own SyncBatchNorm works on GPUs only, and not for empty shares.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from armoire.model.likelihood import RunningMean
from armoire.training.distributed import DistributedContext


class SynchronisedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015) by the statistics of all processes' rows.

    Its parameters and buffers are those of the layer that it replaces, under the same names.
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
        """(x - mean) / sqrt(variance + eps) * weight + bias, for each channel."""
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


class SynchronisedRunningMean(RunningMean):
    """The running mean of a calibrated likelihood, over all processes' rows."""

    def __init__(self, running: RunningMean, distributed: DistributedContext) -> None:
        super().__init__(running.smallest)
        self.batches, self.ratio, self.distributed = running.batches, running.ratio, distributed

    def mean(self, error: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        total, n = self.distributed.sum(torch.stack([error.sum(), error.new_tensor(len(error))]))
        return total / n


class PixelUnshuffle(nn.PixelUnshuffle):
    """PyTorch's, for a batch of no images too, where its gradient has a wrong shape."""

    def forward(self, input: Float[Tensor, "n c h w"]) -> Tensor:
        n, c, h, w = input.shape
        r = self.downscale_factor
        return super().forward(input) if n else input.reshape(0, c * r * r, h // r, w // r)


class PixelShuffle(nn.PixelShuffle):
    """PyTorch's, for a batch of no images too, as `PixelUnshuffle`."""

    def forward(self, input: Float[Tensor, "n c h w"]) -> Tensor:
        n, c, h, w = input.shape
        r = self.upscale_factor
        return super().forward(input) if n else input.reshape(0, c // (r * r), h * r, w * r)


def synchronise(model: nn.Module, distributed: DistributedContext) -> None:
    """Replace a model's layers by those of this file, where several processes share each batch."""
    if distributed.size == 1:
        return
    for module in list(model.modules()):
        for name, child in module.named_children():
            if (replacement := _replacement(child, distributed)) is not None:
                setattr(module, name, replacement)


def _replacement(layer: nn.Module, distributed: DistributedContext) -> nn.Module | None:
    if isinstance(layer, _BatchNorm):
        return SynchronisedBatchNorm(layer, distributed)
    if isinstance(layer, RunningMean):
        return SynchronisedRunningMean(layer, distributed)
    if isinstance(layer, nn.PixelUnshuffle):
        return PixelUnshuffle(layer.downscale_factor)
    return PixelShuffle(layer.upscale_factor) if isinstance(layer, nn.PixelShuffle) else None
