from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import distributions
from torch.distributions import Normal

from armoire.errors import ArmoireError
from armoire.model import to_pixels, to_unit
from armoire.model.kinds import LIKELIHOODS
from armoire.model.likelihood import Bernoulli, CalibratedGaussian, Gaussian, Laplace

KINDS = LIKELIHOODS.names()


def batch(n: int = 3, c: int = 2, side: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Decoder outputs and images, float64."""
    draws = torch.Generator().manual_seed(seed)
    output = 2 * torch.randn(n, c, side, side, generator=draws, dtype=torch.float64)
    return output, torch.rand(n, c, side, side, generator=draws, dtype=torch.float64)


def test_bernoulli_is_the_summed_cross_entropy():
    output, x = batch()
    p = torch.sigmoid(output)
    closed_form = -(x * p.log() + (1 - x) * (1 - p).log()).sum(dim=(1, 2, 3))
    torch.testing.assert_close(Bernoulli().distortion(output, x), closed_form)


@pytest.mark.parametrize(("logit", "x"), [(200.0, 0.0), (-200.0, 1.0)])
def test_a_saturated_logit_has_a_gradient(logit, x):
    output = torch.full((1, 1, 2, 2), logit, requires_grad=True)
    cost = Bernoulli().distortion(output, torch.full((1, 1, 2, 2), x)).sum()
    cost.backward()
    assert cost.item() == pytest.approx(800.0)
    torch.testing.assert_close(output.grad, torch.full((1, 1, 2, 2), math.copysign(1.0, logit)))


@given(sigma=st.floats(0.01, 10), seed=st.integers(0, 1000))
def test_gaussian_is_the_log_density_of_torch(sigma, seed):
    output, x = batch(seed=seed)
    there = -Normal(torch.sigmoid(output), sigma).log_prob(x).sum(dim=(1, 2, 3))
    torch.testing.assert_close(Gaussian(sigma).double().distortion(output, x), there, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "buffer", "density"),
    [
        (CalibratedGaussian, "variance", lambda mean, v: Normal(mean, v.sqrt())),
        (Laplace, "scale", distributions.Laplace),
    ],
)
def test_a_calibrated_scale_is_the_error_of_the_first_batch_and_fixed_in_evaluation(kind, buffer, density):
    likelihood, (output, x) = kind().double().train(), batch()
    cost, scale = likelihood.distortion(output, x), getattr(likelihood, buffer).clone()
    assert scale.item() == pytest.approx(likelihood.error(output, x).mean().item(), rel=1e-12)
    torch.testing.assert_close(cost, -density(torch.sigmoid(output), scale).log_prob(x).flatten(1).sum(dim=1))
    likelihood.eval().distortion(output, 1 - x)
    assert torch.equal(getattr(likelihood, buffer), scale)


def test_calibrated_cost_has_the_gradient_of_the_log_rmse():
    output, x = batch()
    output.requires_grad_()
    cost = CalibratedGaussian().double().train().distortion(output, x).mean()
    log_rmse = x[0].numel() * 0.5 * (torch.sigmoid(output) - x).square().mean().log()
    torch.testing.assert_close(torch.autograd.grad(cost, output)[0], torch.autograd.grad(log_rmse, output)[0])


def test_calibrated_sigma_averages_the_first_ten_batches_and_follows_later_ones():
    likelihood, errors = CalibratedGaussian().double().train(), [0.01 * (i + 1) for i in range(12)]
    for error in errors:
        likelihood.cost(torch.tensor([error], dtype=torch.float64), 4)
    expected = sum(errors[:10]) / 10
    for error in errors[10:]:
        expected = 0.9 * expected + 0.1 * error
    assert likelihood.variance.item() == pytest.approx(expected, rel=1e-6)
    assert likelihood.calibrate.batches.item() == 12


@pytest.mark.parametrize(("kind", "buffer"), [(CalibratedGaussian, "variance"), (Laplace, "scale")])
def test_a_calibrated_scale_follows_the_error_of_images_not_trained_on(kind, buffer):
    likelihood, (output, x) = kind().double().train(), batch()
    error = likelihood.error(output, x)
    likelihood.cost(error, x[0].numel())
    likelihood.fit_scale(3 * error.mean().item())
    assert getattr(likelihood, buffer).item() == pytest.approx(3 * error.mean().item(), rel=1e-5)
    for _ in range(60):
        likelihood.cost(error / 2, x[0].numel())
    assert getattr(likelihood, buffer).item() == pytest.approx(1.5 * error.mean().item(), rel=0.02)
    likelihood.fit_scale(0.1 * error.mean().item())  # by chance: never smaller than by the batches
    assert getattr(likelihood, buffer).item() == pytest.approx(0.5 * error.mean().item(), rel=0.02)


def test_calibrated_sigma_has_a_floor():
    likelihood = CalibratedGaussian().train()
    cost = likelihood.cost(torch.zeros(2), 100)
    assert likelihood.variance.item() == pytest.approx(1 / (12 * 255**2))
    assert torch.isfinite(cost).all()
    assert list(likelihood.parameters()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_likelihood_meets_the_contract(kind):
    likelihood, (output, x) = LIKELIHOODS.get(kind).build(0.5).double(), batch()
    likelihood.eval()
    mean, distortion = likelihood.mean(output), likelihood.distortion(output, x)
    assert mean.shape == x.shape
    assert ((mean >= 0) & (mean <= 1)).all()
    assert distortion.shape == (3,)
    torch.testing.assert_close(likelihood.cost(likelihood.error(output, x), x[0].numel()), distortion)
    best = likelihood.distortion(torch.logit(x, 1e-9), x)
    assert (best < distortion).all()
    for i in range(3):
        torch.testing.assert_close(likelihood.distortion(output[i : i + 1], x[i : i + 1])[0], distortion[i])


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_the_distortion(kind):
    likelihood, (output, x) = LIKELIHOODS.get(kind).build(0.5).double().eval(), batch(n=2, c=1, side=2)
    output.requires_grad_()
    assert torch.autograd.gradcheck(lambda out: likelihood.distortion(out, x), output)


def test_bytes_come_back_unchanged():
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).repeat(2, 1, 1, 3)
    unit = to_unit(pixels)
    assert (unit.shape, unit.min(), unit.max()) == ((2, 3, 16, 16), 0, 1)
    assert unit[0, 0, 3, 3].item() == pytest.approx(51 / 255)
    assert np.array_equal(to_pixels(unit), pixels.numpy())


@pytest.mark.parametrize(("value", "byte"), [(-0.5, 0), (1.5, 255), (0.499 / 255, 0), (0.501 / 255, 1)])
def test_pixels_are_rounded_and_clamped(value, byte):
    assert to_pixels(torch.full((1, 1, 1, 1), value)).item() == byte


@pytest.mark.parametrize("kind", ["gaussian", "calibrated", "laplace"])
@pytest.mark.parametrize("deviation", [2e-3, 0.05, 1.0, 30.0])
@pytest.mark.parametrize("logit", [-9.0, -0.3, 6.0])
def test_the_masses_of_all_bytes_add_up_to_one(kind, deviation, logit):
    likelihood = LIKELIHOODS.get(kind).build(deviation).double().eval()
    if kind == "calibrated":
        likelihood.variance.fill_(deviation**2)
    elif kind == "laplace":
        likelihood.scale.fill_(deviation)
    x = (torch.arange(256, dtype=torch.float64) / 255).reshape(256, 1, 1, 1)
    masses = likelihood.log_mass(torch.full_like(x, logit), x)
    assert masses.exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert torch.isfinite(masses).any()


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_a_mass_is_the_density_times_the_width_of_a_bin(kind):
    """Where a bin is narrow compared with the standard deviation, and away from the ends of the scale."""
    likelihood, draws = LIKELIHOODS.get(kind).build(0.4).double().eval(), torch.Generator().manual_seed(0)
    x = torch.randint(1, 255, (3, 1, 8, 8), generator=draws).double() / 255
    output = torch.randn(3, 1, 8, 8, generator=draws, dtype=torch.float64)
    expected = -likelihood.distortion(output, x) - 64 * math.log(255)
    torch.testing.assert_close(likelihood.log_mass(output, x), expected, rtol=1e-4, atol=1e-2)


def test_far_from_the_mean_a_mass_is_small_and_not_zero():
    for likelihood in (Gaussian(0.02), Laplace()):
        likelihood.eval()
        x = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)
        masses = likelihood.log_mass(torch.full_like(x, 3.0), x)
        assert torch.isfinite(masses).all()
        assert masses[0] < masses[1] < 0


def test_grey_pixels_have_no_bernoulli_mass():
    output, x = batch()
    with pytest.raises(ArmoireError, match="not normalised over grey pixels"):
        Bernoulli().log_mass(output, x)
