"""3 x 3 convolutions whose gradients are fast on a CPU; elsewhere they are PyTorch's own (docs/decisions/015).

Where PyTorch's library, oneDNN, is slow on a CPU, the same is computed differently:

- the gradient of a transposed convolution's bias is a sum, which costs it as much as that of the weights;
- the gradient of the weights is a matrix product over patches, a few images at a time, so that they stay in the cache;
- for one or three output channels, a product with all nine taps and nine shifted sums replaces its wide kernels.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

KERNEL = 3
PATCH_BYTES = 4 << 20  # of patches at a time, few enough to be reread from the cache
THIN = 4  # output channels up to which taps and shifted sums are faster
_CENTRE = KERNEL // 2


class HalvingConv(nn.Conv2d):
    """A 3 x 3 convolution of stride 2 that halves an even height and width."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, KERNEL, stride=2, padding=1)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        if not _is_fast(input) or input.shape[2] % 2 or input.shape[3] % 2:
            return super().forward(input)
        return _Strided.apply(input, self.weight, self.bias, False)  # type: ignore[no-any-return]


class DoublingConv(nn.ConvTranspose2d):
    """A 3 x 3 transposed convolution of stride 2 that doubles height and width."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, KERNEL, stride=2, padding=1, output_padding=1)

    def forward(
        self, input: Float[Tensor, "n c h w"], output_size: list[int] | None = None
    ) -> Float[Tensor, "n c2 h2 w2"]:
        if not _is_fast(input):
            return super().forward(input)
        return _Strided.apply(input, self.weight, self.bias, True)  # type: ignore[no-any-return]


class SameConv(nn.Conv2d):
    """A 3 x 3 convolution that keeps height and width."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(before, after, KERNEL, padding=1)

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h w"]:
        if not _is_fast(input) or self.out_channels > THIN:
            return super().forward(input)
        return _Thin.apply(input, self.weight, self.bias)  # type: ignore[no-any-return]


def _is_fast(x: Tensor) -> bool:
    plain = x.device.type == "cpu" and x.dtype == torch.float32 and x.numel() > 0
    return plain and not torch.compiler.is_compiling() and not torch.is_autocast_enabled("cpu")


def _convolve(x: Tensor, weight: Tensor, bias: Tensor | None, doubles: bool) -> Tensor:
    if doubles:
        return F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
    return F.conv2d(x, weight, bias, stride=2, padding=1)


class _Strided(Function):
    """Halving and doubling, which are each other's transposes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, doubles: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.doubles = doubles
        return _convolve(x, weight, bias, doubles)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight = ctx.saved_tensors
        large, small = (gradient, x) if ctx.doubles else (x, gradient)
        wanted_x, wanted_weight, wanted_bias, _ = ctx.needs_input_grad
        return (
            _convolve(gradient, weight, None, not ctx.doubles) if wanted_x else None,
            _weight_gradient(large, small) if wanted_weight else None,
            gradient.sum((0, 2, 3)) if wanted_bias else None,
            None,
        )


def _weight_gradient(large: Float[Tensor, "n a h w"], small: Float[Tensor, "n b h2 w2"]) -> Float[Tensor, "b a 3 3"]:
    """sum over images i and positions p of patch(large_i, 2 p) times small_i(p), for weights (b, a, 3, 3).

    For a convolution `large` is the input and `small` the gradient of the output; for a transposed one, vice versa.
    """
    large, small = _channels_last(large), _channels_last(small)
    n, height, width, a = large.shape
    _, h, w, b = small.shape
    taps = KERNEL**2 * a
    most = max(1, PATCH_BYTES // (large.element_size() * h * w * taps))
    step = -(-n // -(-n // most))  # parts of nearly equal size
    # These patches need a border of zeros above and to the left only.
    bordered = large.new_zeros(step, height + 1, width + 1, a)
    by_image, by_row, by_pixel, _ = bordered.stride()
    window = bordered.as_strided(
        (step, h, w, KERNEL, KERNEL, a), (by_image, 2 * by_row, 2 * by_pixel, by_row, by_pixel, 1)
    )
    patches = large.new_empty(step, h, w, KERNEL, KERNEL, a)
    gradient = large.new_zeros(taps, b)
    for start in range(0, n, step):
        count = min(step, n - start)
        bordered[:count, 1:, 1:] = large[start : start + count]
        patches[:count] = window[:count]
        gradient.addmm_(patches[:count].view(-1, taps).t(), small[start : start + count].reshape(-1, b))
    return gradient.view(KERNEL, KERNEL, a, b).permute(3, 2, 0, 1)


class _Thin(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        made = x.new_empty(len(weight), len(x), *x.shape[2:])
        pixels = _channels_last(x)
        taps = _taps(weight)
        for images in _some(pixels, len(taps)):
            _add_taps(made[:, images], torch.mm(taps, pixels[images].reshape(-1, x.shape[1]).t()), bias)
        return made.transpose(0, 1).contiguous(memory_format=torch.channels_last)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight = ctx.saved_tensors
        pixels, taps = _channels_last(x), _taps(weight)
        planes = gradient.transpose(0, 1).contiguous()
        of_x = torch.empty_like(pixels) if ctx.needs_input_grad[0] else None
        of_taps = torch.zeros_like(taps)
        for images in _some(pixels, len(taps)):
            shifted = _shifted(planes[:, images])
            if of_x is not None:
                torch.mm(shifted.t(), taps, out=of_x[images].view(-1, x.shape[1]))
            if ctx.needs_input_grad[1]:
                of_taps.addmm_(shifted, pixels[images].reshape(-1, x.shape[1]))
        of_weight = of_taps.view(KERNEL, KERNEL, *weight.shape[:2]).permute(2, 3, 0, 1)
        of_bias = planes.flatten(1).sum(1) if ctx.needs_input_grad[2] else None
        return None if of_x is None else of_x.permute(0, 3, 1, 2), of_weight, of_bias


def _taps(weight: Float[Tensor, "b a 3 3"]) -> Float[Tensor, "taps a"]:
    return weight.permute(2, 3, 0, 1).reshape(-1, weight.shape[1])


def _some(pixels: Float[Tensor, "n h w a"], taps: int) -> list[slice]:
    """Slices of images, small enough for their taps to fit into the cache."""
    step = max(1, PATCH_BYTES // (4 * pixels[0, :, :, 0].numel() * taps))
    return [slice(start, start + step) for start in range(0, len(pixels), step)]


def _shifts(height: int, width: int) -> list[tuple[int, int, tuple[slice, slice], tuple[slice, slice]]]:
    """For each tap: its row and column, the slice of the output it adds to, and the slice of its product."""

    def overlap(by: int, side: int) -> tuple[slice, slice]:
        return slice(max(0, -by), side - max(0, by)), slice(max(0, by), side - max(0, -by))

    found = []
    for row, column in product(range(KERNEL), repeat=2):
        (to_row, from_row), (to_column, from_column) = overlap(row - 1, height), overlap(column - 1, width)
        found.append((row, column, (to_row, to_column), (from_row, from_column)))
    return found


def _add_taps(out: Float[Tensor, "b n h w"], products: Float[Tensor, "taps m"], bias: Float[Tensor, " b"]) -> None:
    """out(p) = bias + sum over taps t of product_t(p + t)."""
    products = products.view(KERNEL, KERNEL, *out.shape)
    torch.add(products[_CENTRE, _CENTRE], bias.view(-1, 1, 1, 1), out=out)
    for row, column, (rows, columns), (from_rows, from_columns) in _shifts(*out.shape[2:]):
        if (row, column) != (_CENTRE, _CENTRE):
            out[:, :, rows, columns] += products[row, column][:, :, from_rows, from_columns]


def _shifted(planes: Float[Tensor, "b n h w"]) -> Float[Tensor, "taps m"]:
    """For each tap t the gradient at p - t, zero outside: the adjoint of `_add_taps`."""
    shifted = planes.new_zeros(KERNEL, KERNEL, *planes.shape)
    for row, column, (rows, columns), (from_rows, from_columns) in _shifts(*planes.shape[2:]):
        shifted[row, column][:, :, from_rows, from_columns] = planes[:, :, rows, columns]
    return shifted.view(KERNEL**2 * len(planes), -1)


def _channels_last(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w c"]:
    return x.permute(0, 2, 3, 1).contiguous()
