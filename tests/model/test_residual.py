from __future__ import annotations

import pytest
import torch
from torch import nn

from armoire.model import Architecture, Autoencoder, DiagonalGaussian
from armoire.model.residual import Block, ResidualDecoder, ResidualEncoder, ResidualNetwork


def autoencoder(size: int = 32, image_channels: int = 3, latent: int = 5, **settings) -> Autoencoder:
    settings = {"blocks": "residual", "norm": "group", "activation": "silu"} | settings
    made = Architecture(size, image_channels, latent, likelihood="calibrated", **settings)
    return Autoencoder(made, torch.Generator().manual_seed(0)).eval()


@pytest.mark.parametrize(
    ("size", "stages"),
    [(16, (64,)), (32, (64, 128)), (64, (64, 128, 256)), (128, (64, 128, 256, 256)), (256, (64, 128, 256, 256, 256))],
)
def test_stages_lead_from_a_quarter_of_every_size_down_to_four(size, stages):
    assert ResidualNetwork.default_channels(size) == stages
    assert size // ResidualNetwork(Architecture(size, 3, 2, blocks="residual")).shrinkage == 4


@pytest.mark.parametrize("image_channels", [1, 3])
@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_what_goes_in_comes_out(size, image_channels):
    model = autoencoder(size, image_channels)
    x = torch.rand(2, image_channels, size, size)
    with torch.no_grad():
        posterior, again = model.encode(x), model(x)
    assert isinstance(posterior, DiagonalGaussian)
    assert posterior.mean.shape == (2, 5)
    assert again.shape == x.shape
    assert again.min() >= 0
    assert again.max() <= 1


def test_a_size_that_the_stages_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="do not divide a size of 16"):
        autoencoder(16, channels=(8, 8, 8, 8))


def test_a_block_without_weights_changes_nothing():
    block = Block(8, "group", "silu")
    nn.init.zeros_(block.change[-1].weight)
    nn.init.zeros_(block.change[-1].bias)
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(block(x), x)


def test_beside_the_convolutions_runs_a_linear_map():
    """With their last layer silenced, both ways are linear in what they are given."""
    encoder = ResidualEncoder(1, 16, [8], 3, "group", "silu")
    x = torch.rand(2, 1, 16, 16)
    a, b, middle = (encoder(v)[:, -3:] for v in (x[:1], x[1:], (x[:1] + x[1:]) / 2))
    torch.testing.assert_close(middle, (a + b) / 2)
    decoder = ResidualDecoder(3, 1, 16, [8], "group", "silu")
    last = [layer for layer in decoder.convolutions if isinstance(layer, nn.Conv2d)][-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    z = torch.randn(2, 3)
    torch.testing.assert_close(decoder(z.mean(dim=0, keepdim=True)), decoder(z).mean(dim=0, keepdim=True))
    assert decoder(z).std() > 0


@pytest.mark.parametrize("train", [False, True])
def test_an_image_means_the_same_alone_and_in_company_even_in_training(train):
    model = autoencoder().train(train)
    x = torch.rand(6, 3, 32, 32)
    with torch.no_grad():
        together = model.encode(x).mean
        alone = torch.cat([model.encode(x[i : i + 1]).mean for i in range(6)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
