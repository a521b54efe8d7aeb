from __future__ import annotations

import pytest
import torch
from beartype.roar import BeartypeCallHintParamViolation

from armoire.model import Architecture, Autoencoder

SMALL = {"size": 16, "image_channels": 1, "latent": 3, "channels": (4, 8)}


def model(seed: int = 0, **changes) -> Autoencoder:
    return Autoencoder(Architecture(**SMALL | changes), torch.Generator().manual_seed(seed))


def images(n: int = 4, c: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, c, 16, 16, generator=torch.Generator().manual_seed(seed))


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))


def test_terms_are_those_of_the_sample_drawn():
    m, x = model(), images()
    terms = m.terms(x, noise(7))
    posterior = m.encode(x)
    z = posterior.sample(noise(7))
    assert torch.equal(terms.z, z)
    torch.testing.assert_close(terms.distortion, m.likelihood.distortion(m.decoder(z), x))
    torch.testing.assert_close(terms.rate, posterior.rate())
    torch.testing.assert_close(terms.distortion, 256 * terms.error)


def test_what_is_seen_is_encoded_and_what_is_meant_is_explained():
    m, x, seen = model(posterior="point"), images(), images(seed=1)
    terms = m.terms(x, noise(), seen)
    assert torch.equal(terms.z, m.encode(seen).mean)
    assert not torch.equal(terms.z, m.encode(x).mean)
    torch.testing.assert_close(terms.distortion, m.likelihood.distortion(m.decoder(terms.z), x))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "calibrated"])
def test_gradient_of_the_objective(likelihood):
    # leaky: a rectifier that a finite difference crosses has no derivative to compare with
    m = model(likelihood=likelihood, channels=(2, 2), latent=2, activation="leaky_relu").double().eval()
    x = images(n=2).double()
    names = ["head.mean.weight", "head.log_var.bias", "decoder.0.bias"]
    given = tuple(m.get_parameter(name).detach().clone().requires_grad_() for name in names)

    def objective(*values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(Cost(m), {f"m.{n}": v for n, v in zip(names, values, strict=True)}, (x,))

    assert torch.autograd.gradcheck(objective, given, fast_mode=True)


class Cost(torch.nn.Module):
    """The mean objective as a module, so that functional_call can swap its weights."""

    def __init__(self, m: Autoencoder) -> None:
        super().__init__()
        self.m = m

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.m.terms(x, torch.ones(len(x), 2, dtype=x.dtype)).objective(2.048).mean()


def test_a_size_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="5 stages do not divide a size of 16"):
        Autoencoder(Architecture(16, 1, 2, channels=(4,) * 5))


@pytest.mark.parametrize(
    "odd",
    [
        *({"size": size} for size in (20, 512, 0, True)),
        *({"latent": latent} for latent in (0, 1 << 20, 2.0)),
        *({"channels": channels} for channels in ((4,) * 9, (4, 1 << 20), (4, -1))),
        *({"sigma": sigma} for sigma in (0.0, float("nan"), float("inf"))),
        {"image_channels": 2},
        {"norm": None},
    ],
)
def test_what_nobody_could_build_is_refused(odd):
    """Before anything is made of it; beartype, in tests, refuses some of it first."""
    with pytest.raises((ValueError, TypeError, BeartypeCallHintParamViolation)):
        Architecture(**{"size": 16, "image_channels": 1, "latent": 2} | odd)


def test_weights_repeat_with_the_generator():
    one, same, other = model(1).state_dict(), model(1).state_dict(), model(2).state_dict()
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not torch.equal(one["encoder.0.weight"], other["encoder.0.weight"])
