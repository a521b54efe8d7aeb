"""Loss weights of other systems as beta and sigma."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from armoire.errors import ArmoireError
from armoire.model.likelihood import Bernoulli, Gaussian
from armoire.training.loss_weights import parse_loss_weights


def test_the_published_weights():
    fashion = parse_loss_weights("500*bce", 32, 1)
    assert (fashion.error, fashion.sigma) == ("bce", None)
    assert fashion.beta() == pytest.approx(2.048)
    faces = parse_loss_weights("2000*mse", 64, 3)
    assert faces.sigma**2 == pytest.approx(3.072)
    assert faces.beta(faces.sigma) == pytest.approx(1)
    assert faces.beta(1.0) == pytest.approx(3.072)


@pytest.mark.parametrize(
    ("text", "names", "sigma2"),
    [
        ("0.5*sse + kl", {}, 1),  # pythae's VAE
        ("sse/2 + kl", {}, 1),
        ("mse + batch/images*kl", {"batch": 144, "images": 162770}, 12288 / 2 * 144 / 162770),  # PyTorch-VAE's
        ("kl*0.00025 + mse", {}, 12288 / 2 * 0.00025),
        ("2*(mse + 0.5*kl) + mse", {}, 12288 / 2 / 3),
        ("MSE - 0*kl + kl", {}, 6144),
    ],
)
def test_weights_in_use(text, names, sigma2):
    assert parse_loss_weights(text, 64, 3, **names).sigma ** 2 == pytest.approx(sigma2)


@settings(max_examples=10)
@given(st.floats(1e-3, 1e4), st.floats(1e-3, 1e3), st.sampled_from([(4, 1), (8, 3)]))
def test_the_translation_is_proportional_to_the_loss(weight, kl, shape):
    """What is translated differs from the loss by a factor and a constant, whatever the images."""
    size, channels = shape
    draws = torch.Generator().manual_seed(0)
    output = torch.randn(2, 4, channels, size, size, generator=draws, dtype=torch.float64)
    x = torch.rand(4, channels, size, size, generator=draws, dtype=torch.float64)
    rate = 10 * torch.rand(2, 4, generator=draws, dtype=torch.float64)
    for error in ("bce", "mse"):
        found = parse_loss_weights(f"{weight!r}*{error} + {kl!r}*kl", size, channels)
        likelihood = Bernoulli() if error == "bce" else Gaussian(0.3).double()
        beta = found.beta() if error == "bce" else found.beta(0.3)
        errors = [likelihood.error(out, x) for out in output]
        losses = [weight * e + kl * r for e, r in zip(errors, rate, strict=True)]
        ours = [likelihood.distortion(out, x) + beta * r for out, r in zip(output, rate, strict=True)]
        torch.testing.assert_close(ours[0] - ours[1], (losses[0] - losses[1]) * beta / kl, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kl", "one error"),
        ("mse + bce", "holds 2 of them"),
        ("2000", "is a number"),
        ("2000*msee", "did you mean 'mse'"),
        ("0*mse", "should be above 0"),
        ("-1*mse", "sum such as"),
        ("mse + 0*kl", "should be above 0"),
        ("mse*mse", "sum such as"),
        ("mse/0", "sum such as"),
        ("mse**2", "sum such as"),
        ("", "sum such as"),
        ("__import__('os')", "sum such as"),
        ("mse.real", "sum such as"),
        ("1e999*mse", "should be above 0"),
        ("(" * 300 + "mse", "sum such as"),
        ("mse + batch*kl", "no error 'batch'"),
        ("mse + 1j*kl", "sum such as"),
    ],
)
def test_a_text_that_is_no_loss_is_an_error(text, words):
    with pytest.raises(ArmoireError, match=words):
        parse_loss_weights(text, 64, 3)


@given(st.text(max_size=40))
def test_any_text_is_a_loss_or_an_error(text):
    try:
        found = parse_loss_weights(text, 32, 1)
    except ArmoireError:
        return
    assert math.isfinite(found.weight) and found.weight > 0
