"""What is a function of the step: learning rate, beta, order of the images, noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from armoire.training.randomness import generator, permutation
from armoire.training.recipe import Recipe
from armoire.training.schedule import beta_at, learning_rate
from armoire.training.step import corrupt


def test_one_cycle_rises_to_the_largest_rate_and_falls_to_almost_zero():
    recipe = Recipe(name="r", lr=0.01, schedule="one-cycle", warmup=0.1)
    rates = [learning_rate(recipe, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01 / 101)
    assert rates[49] == pytest.approx(0.01 * 50 / 101)
    assert rates[100] == max(rates) == 0.01
    assert rates[550] == pytest.approx(0.005)
    assert 0 < rates[-1] < 1e-7
    assert all(b > a for a, b in pairwise(rates[:101]))
    assert all(b < a for a, b in pairwise(rates[100:]))


@given(total=st.integers(1, 5000), warmup=st.floats(0, 1), place=st.floats(0, 1, exclude_max=True))
def test_a_learning_rate_is_positive_and_never_above_the_largest(total, warmup, place):
    recipe, step = Recipe(name="r", lr=0.01, warmup=warmup), int(place * total)
    assert 0 < learning_rate(recipe, step, total) <= 0.01
    assert learning_rate(recipe.change(schedule="constant"), step, total) == 0.01


def test_beta_warms_up_in_each_cycle():
    def betas(**changes):
        return [beta_at(Recipe(name="r", beta=4.0, **changes), step, 12) for step in range(12)]

    assert betas() == betas(beta_cycles=3) == [4.0] * 12
    assert betas(beta_warmup=0.5) == pytest.approx([0, 2 / 3, 4 / 3, 2, 8 / 3, 10 / 3] + [4] * 6)
    assert betas(beta_warmup=0.5, beta_cycles=3) == [0.0, 2.0, 4.0, 4.0] * 3
    assert betas(beta_warmup=1, beta_cycles=2)[:6] == pytest.approx([4 * step / 6 for step in range(6)])


@given(seed=st.integers(0, 2**40), epoch=st.integers(0, 100), n=st.integers(1, 200))
def test_an_order_is_a_permutation_and_repeats(seed, epoch, n):
    first = permutation(seed, epoch, n)
    assert first.dtype == torch.int64
    assert sorted(first.tolist()) == list(range(n))
    assert torch.equal(first, permutation(seed, epoch, n))


def test_draws_differ_by_seed_purpose_and_step_and_repeat():
    keys = [(s, p, k) for s in (0, 1, 2**33) for p in ("weights", "step", "held out", "order") for k in (0, 1, 1000)]
    torch.manual_seed(0)
    draws = {key: torch.randn(4, generator=generator(*key)) for key in keys}
    orders = {tuple(permutation(seed, epoch, 100).tolist()) for seed in range(5) for epoch in range(5)}
    assert len({tuple(d.tolist()) for d in draws.values()}) == len(keys)
    assert len(orders) == 25
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    assert all(torch.equal(d, torch.randn(4, generator=generator(*key))) for key, d in draws.items())


def test_noise_has_its_standard_deviation_and_stays_in_range():
    x = torch.full((10, 1, 100, 100), 0.5)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    seen, loud = corrupt(x, 0.1, noise), corrupt(x, 1.0, noise)
    assert seen.mean().item() == pytest.approx(0.5, abs=0.002)
    assert seen.std().item() == pytest.approx(0.1, rel=0.02)
    assert torch.equal(x, torch.full_like(x, 0.5))
    assert (loud.min().item(), loud.max().item()) == (0, 1)
    # P(0.5 + eps < 0) = Phi(-0.5)
    assert (loud == 0).float().mean().item() == pytest.approx(0.3085, abs=0.006)
