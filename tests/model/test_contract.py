"""What every combination of posterior, likelihood, network and normalisation promises."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from armoire.model import LIKELIHOODS, NETWORKS, POSTERIORS, Architecture, Autoencoder
from armoire.onnx_graphs import open_session, to_graph

NORMS = ("none", "batch", "group")
COMBINATIONS = list(product(POSTERIORS.names(), LIKELIHOODS.names(), NETWORKS.names(), NORMS))
every = pytest.mark.parametrize(("posterior", "likelihood", "blocks", "norm"), COMBINATIONS)
N, D = 6, 3


def build(posterior: str, likelihood: str, blocks: str, norm: str, image_channels: int = 3) -> Autoencoder:
    architecture = Architecture(16, image_channels, D, posterior, likelihood, 0.5, (4, 8), norm, "leaky_relu", blocks)
    return Autoencoder(architecture, torch.Generator().manual_seed(0))


def images(image_channels: int = 3) -> Tensor:
    return torch.rand(N, image_channels, 16, 16, generator=torch.Generator().manual_seed(1))


def noise() -> Tensor:
    return torch.randn(N, D, generator=torch.Generator().manual_seed(2))


@every
@pytest.mark.parametrize("image_channels", [1, 3])
def test_shapes_rate_and_gradients(posterior, likelihood, blocks, norm, image_channels):
    model, x = build(posterior, likelihood, blocks, norm, image_channels).train(), images(image_channels)
    terms = model.terms(x, noise())
    encoded = model.encode(x)
    assert type(encoded) is model.posterior is POSTERIORS.get(posterior)
    assert terms.z.shape == encoded.mean.shape == (N, D)
    assert terms.output.shape == x.shape
    assert terms.distortion.shape == terms.rate.shape == terms.error.shape == (N,)
    assert (encoded.log_var is not None) == model.posterior.is_stochastic
    assert ((terms.rate > 0) if model.posterior.is_stochastic else (terms.rate == 0)).all()
    torch.testing.assert_close(terms.objective(0.5), terms.distortion + 0.5 * terms.rate)
    terms.objective(1.0).mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        # The gradient of a bias before a normalisation is only rounding, and may be 0.
        assert parameter.grad.any() or (name.endswith("bias") and norm != "none"), name
    model.eval()
    for z in (terms.z.detach(), 100 * noise()):
        decoded = model.decode(z)
        assert decoded.shape == x.shape and ((decoded >= 0) & (decoded <= 1)).all()
    torch.testing.assert_close(model.encode(x[2:3]).mean, model.encode(x).mean[2:3], rtol=1e-4, atol=1e-5)


@every
def test_saved_and_opened_it_is_equal_to_the_bit(posterior, likelihood, blocks, norm, tmp_path):
    model, x = build(posterior, likelihood, blocks, norm).train(), images()
    model.terms(x, noise())  # buffers that differ from those of a fresh model
    model.eval().save_pretrained(tmp_path)
    again = Autoencoder.from_pretrained(tmp_path)
    assert again.architecture == model.architecture and not again.training
    assert list(again.state_dict()) == list(model.state_dict())
    assert all(torch.equal(t, again.state_dict()[name]) for name, t in model.state_dict().items())
    with torch.no_grad():
        one, other = (m.terms(x, noise()) for m in (model, again))
    assert torch.equal(one.distortion, other.distortion) and torch.equal(one.rate, other.rate)


@every
def test_a_step_against_the_gradient_lowers_the_objective(posterior, likelihood, blocks, norm):
    model, x = build(posterior, likelihood, blocks, norm).train(), images()
    model.terms(x, noise())
    model.likelihood.eval()  # a calibrated likelihood keeps the scale of the first batch
    before = model.terms(x, noise()).objective(1.0).mean()
    before.backward()
    with torch.no_grad():
        length = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
        for parameter in model.parameters():
            parameter -= 0.01 * parameter.grad / length
        assert model.terms(x, noise()).objective(1.0).mean() < before - 0.003 * length


class _All(nn.Module):
    """The halves of many models side by side, decoded by every likelihood: one export is much faster than one each."""

    def __init__(self, models: list[Autoencoder]) -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        self.likelihoods = nn.ModuleList(LIKELIHOODS.get(kind).build(0.5) for kind in LIKELIHOODS.names())

    def forward(self, x: Tensor, z: Tensor) -> tuple[Tensor, ...]:
        found = []
        for model in self.models:
            output = model.decoder(z)
            found += [*vars(model.encode(x)).values(), *(likelihood.mean(output) for likelihood in self.likelihoods)]
        return tuple(found)


def test_in_onnx_all_give_what_they_give_in_pytorch():
    """Every pair of posterior, network and normalisation; torch takes a second to export a model."""
    kinds = POSTERIORS.names()
    models = [
        build(kinds[(i + j) % len(kinds)], "calibrated", blocks, norm).train()
        for (i, blocks), (j, norm) in product(enumerate(NETWORKS), enumerate(NORMS))
    ]
    with torch.no_grad():
        for model in models:
            model.terms(images(), noise())  # statistics to normalise by
    module = _All(models).eval().to(memory_format=torch.contiguous_format)
    with torch.no_grad():
        expected = module(images(), noise())
    names = [f"output_{k}" for k in range(len(expected))]
    graph = to_graph(module, (images()[:2], noise()[:2]), ["x", "z"], names)
    found = open_session(graph.SerializeToString()).run(names, {"x": images().numpy(), "z": noise().numpy()})
    for ours, theirs in zip(expected, found, strict=True):
        np.testing.assert_allclose(np.asarray(theirs), ours.numpy(), rtol=1e-3, atol=1e-4)
