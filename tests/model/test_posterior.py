from __future__ import annotations

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from armoire.model.posterior import DiagonalGaussian

finite = st.floats(-5, 5)


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=6))
def test_rate_is_the_kl_divergence_of_torch_and_never_negative(dimensions):
    mean, log_var = torch.tensor(dimensions, dtype=torch.float64).T[:, None]
    rate = DiagonalGaussian(mean, log_var).rate()
    there = kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(rate, there, rtol=1e-9, atol=1e-9)
    assert rate.item() >= -1e-12


def test_gradient_of_the_rate():
    mean = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    log_var = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, v: DiagonalGaussian(m, v).rate(), (mean, log_var))
    DiagonalGaussian(mean, log_var).rate().sum().backward()
    torch.testing.assert_close(mean.grad, mean.detach())
    torch.testing.assert_close(log_var.grad, (log_var.detach().exp() - 1) / 2)


def test_samples_have_the_mean_and_the_variance_of_the_posterior():
    n, mean, log_var = 100_000, torch.tensor([2.0, -1.0]), torch.tensor([math.log(0.25), math.log(9.0)])
    z = DiagonalGaussian(mean.expand(n, 2), log_var.expand(n, 2)).sample(
        torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    )
    std = torch.tensor([0.5, 3.0])
    assert ((z.mean(dim=0) - mean).abs() < 4 * std / math.sqrt(n)).all()
    assert ((z.std(dim=0) / std - 1).abs() < 4 / math.sqrt(2 * n)).all()
    assert abs(torch.corrcoef(z.T)[0, 1].item()) < 4 / math.sqrt(n)
