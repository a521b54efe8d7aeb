"""Fast convolutions: the same numbers as PyTorch's own, forward and backward."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from armoire.model import convolution
from armoire.model.convolution import DoublingConv, HalvingConv, SameConv

LAYERS = [
    (HalvingConv, nn.Conv2d, 1, 8),
    (HalvingConv, nn.Conv2d, 5, 7),
    (DoublingConv, nn.ConvTranspose2d, 6, 4),
    (SameConv, nn.Conv2d, 8, 1),
    (SameConv, nn.Conv2d, 8, 3),
    (SameConv, nn.Conv2d, 3, 8),
]


def results(layer: nn.Module, x: Tensor, forward) -> list[Tensor]:
    """What a layer makes of x, and the gradients of x, its weight and its bias."""
    layer.zero_grad()
    x = x.clone().requires_grad_()
    y = forward(x)
    y.backward(torch.sin(torch.arange(y.numel(), dtype=x.dtype)).view(y.shape))
    return [y.detach(), x.grad, layer.weight.grad.clone(), layer.bias.grad.clone()]


@pytest.mark.parametrize(("ours", "theirs", "before", "after"), LAYERS)
@pytest.mark.parametrize("shape", [(1, 2, 2), (3, 16, 12), (37, 32, 32)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_the_same_as_pytorchs_in_double_precision(ours, theirs, before, after, shape, layout):
    torch.manual_seed(0)
    n, height, width = shape
    layer = ours(before, after).to(memory_format=layout)
    x = torch.randn(n, before, height, width).to(memory_format=layout)
    found = results(layer, x, layer)
    exact = copy.deepcopy(layer).double()
    for value, expected in zip(found, results(exact, x.double(), lambda x: theirs.forward(exact, x)), strict=True):
        assert value.shape == expected.shape
        scale = expected.abs().max().clamp(min=1)
        assert ((value - expected).abs().max() / scale) < 2e-4  # sums of 37 * 32 * 32 terms of which most cancel: 2e-5


@pytest.mark.parametrize(("ours", "theirs", "before", "after"), LAYERS)
def test_parts_of_a_batch_and_of_the_gradients(ours, theirs, before, after, monkeypatch):
    torch.manual_seed(0)
    layer, x = ours(before, after), torch.randn(10, before, 8, 8)
    whole = results(layer, x, layer)
    monkeypatch.setattr(convolution, "PATCH_BYTES", 3 * 4 * 4 * 9 * 4 * before)  # a few images at a time
    for part, all_ in zip(results(layer, x, layer), whole, strict=True):
        torch.testing.assert_close(part, all_, rtol=1e-4, atol=1e-4)
    layer.weight.requires_grad_(False).grad = None
    layer(x.requires_grad_()).sum().backward()
    assert layer.weight.grad is None and layer.bias.grad is not None and x.grad is not None
    with torch.no_grad():
        assert not layer(x).requires_grad


def test_the_fast_path_is_taken_in_training(monkeypatch):
    """Else the tests above compare PyTorch with itself."""
    taken = []
    for name in ("_Strided", "_Thin"):
        function = getattr(convolution, name)
        monkeypatch.setattr(function, "apply", lambda *a, name=name, f=function.apply: taken.append(name) or f(*a))
    HalvingConv(1, 4)(torch.rand(2, 1, 4, 4))
    DoublingConv(4, 2)(torch.rand(2, 4, 4, 4))
    SameConv(4, 3)(torch.rand(2, 4, 4, 4))
    SameConv(4, 8)(torch.rand(2, 4, 4, 4))  # wide: PyTorch's own
    assert taken == ["_Strided", "_Strided", "_Thin"]


def test_other_precisions_and_odd_sizes_take_the_path_of_pytorch():
    layer, x = HalvingConv(2, 3), torch.randn(2, 2, 7, 8)
    torch.testing.assert_close(layer(x), nn.Conv2d.forward(layer, x))
    layer = DoublingConv(2, 2).double()
    assert layer(torch.rand(1, 2, 4, 4, dtype=torch.float64)).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert SameConv(2, 1)(torch.rand(1, 2, 4, 4)).dtype == torch.bfloat16
