from __future__ import annotations

import pytest
import torch

from armoire.model import Architecture, Autoencoder

SMALL = {"size": 16, "image_channels": 1, "latent": 3, "channels": (4, 8)}


def model(seed: int = 0, **changes) -> Autoencoder:
    return Autoencoder(Architecture(**SMALL | changes), torch.Generator().manual_seed(seed))


def images(n: int = 4, c: int = 1, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, c, 16, 16, generator=torch.Generator().manual_seed(seed))


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))


def test_terms_are_those_of_the_sample():
    m, x = model(), images()
    terms = m.terms(x, noise(7))
    posterior = m.encode(x)
    z = posterior.sample(noise(7))
    assert torch.equal(terms.z, z)
    torch.testing.assert_close(terms.distortion, m.likelihood.distortion(m.decoder(z), x))
    torch.testing.assert_close(terms.rate, posterior.rate())
    torch.testing.assert_close(terms.distortion, 256 * terms.error)


def test_the_corrupted_image_is_encoded_and_the_clean_one_is_the_target():
    m, x, seen = model(posterior="point"), images(), images(seed=1)
    terms = m.terms(x, noise(), seen)
    assert torch.equal(terms.z, m.encode(seen).mean)
    assert not torch.equal(terms.z, m.encode(x).mean)
    torch.testing.assert_close(terms.distortion, m.likelihood.distortion(m.decoder(terms.z), x))


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
def test_an_architecture_that_cannot_be_built_is_an_error(odd):
    """Before anything is built."""
    with pytest.raises((ValueError, TypeError)):
        Architecture(**{"size": 16, "image_channels": 1, "latent": 2} | odd)
