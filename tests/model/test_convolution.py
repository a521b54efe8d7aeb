"""Quick convolutions: the same numbers as PyTorch's own, forward and backward."""

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


def test_few_images_at_a_time_are_as_good_as_all(monkeypatch):
    for ours, _, before, after in LAYERS:
        torch.manual_seed(0)
        layer, x = ours(before, after), torch.randn(10, before, 8, 8)
        whole = results(layer, x, layer)
        monkeypatch.setattr(convolution, "PATCH_BYTES", 3 * 4 * 4 * 9 * 4 * before)
        for part, all_ in zip(results(layer, x, layer), whole, strict=True):
            torch.testing.assert_close(part, all_, rtol=1e-4, atol=1e-4)
        monkeypatch.undo()


def test_a_size_that_cannot_be_halved_goes_the_common_way():
    layer, x = HalvingConv(2, 3), torch.randn(2, 2, 7, 8)
    torch.testing.assert_close(layer(x), nn.Conv2d.forward(layer, x))


def test_what_needs_no_gradient_gets_none():
    for ours, _, before, after in LAYERS:
        layer = ours(before, after)
        layer.weight.requires_grad_(False)
        x = torch.randn(2, before, 4, 4, requires_grad=True)
        layer(x).sum().backward()
        assert layer.weight.grad is None and layer.bias.grad is not None and x.grad is not None
        with torch.no_grad():
            assert not layer(x).requires_grad


def test_the_quick_way_is_taken_in_training(monkeypatch):
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


def test_other_precisions_go_the_common_way():
    layer = DoublingConv(2, 2).double()
    assert layer(torch.rand(1, 2, 4, 4, dtype=torch.float64)).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert SameConv(2, 1)(torch.rand(1, 2, 4, 4)).dtype == torch.bfloat16
