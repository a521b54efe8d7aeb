from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from armoire.model import NETWORKS, Architecture, Autoencoder
from armoire.model.convolution import HalvingConv, SameConv
from armoire.model.networks import PlainNetwork
from armoire.model.residual import Block, ResidualDecoder, ResidualEncoder

PLAIN = [(16, (32, 64)), (64, (32, 64, 128, 256)), (256, (32, 64, 128, 256, 256, 256))]
RESIDUAL = [(16, (64,)), (64, (64, 128, 256)), (256, (64, 128, 256, 256, 256))]


@pytest.mark.parametrize(
    ("kind", "size", "channels"), [("plain", *case) for case in PLAIN] + [("residual", *case) for case in RESIDUAL]
)
def test_default_channels_lead_from_every_size_down_to_four(kind, size, channels):
    assert NETWORKS.get(kind).default_channels(size) == channels
    assert size // NETWORKS.get(kind)(Architecture(size, 3, 2, blocks=kind)).shrinkage == 4


@pytest.mark.parametrize(("kind", "channels"), [("plain", (4,) * 5), ("residual", (8,) * 4)])
def test_a_size_that_the_stages_do_not_divide_is_an_error(kind, channels):
    with pytest.raises(ValueError, match="stages do not divide a size of 16"):
        Autoencoder(Architecture(16, 3, 5, channels=channels, blocks=kind))


def network(size: int, channels: tuple[int, ...], norm: str = "none", activation: str = "relu") -> PlainNetwork:
    return PlainNetwork(Architecture(size, 3, 5, channels=channels, norm=norm, activation=activation))


@pytest.mark.parametrize(("size", "stages", "side"), [(32, 3, 4), (64, 5, 2), (16, 2, 4), (64, 4, 4)])
def test_encoder_halves_and_decoder_doubles(size, stages, side):
    built = network(size, (8,) * stages)
    encoder, features = built.encoder()
    x, sides = torch.rand(2, 3, size, size), []
    for layer in encoder:
        x = layer(x)
        sides += [x.shape[-1]] if isinstance(layer, nn.ReLU) else []
    assert sides == [size >> stage for stage in range(1, stages + 1)]
    assert x.shape == (2, features) == (2, 8 * side * side)
    assert built.decoder()(torch.randn(2, 5)).shape == (2, 3, size, size)


@pytest.mark.parametrize(("posterior", "parameters"), [("point", 343_043), ("gaussian", 347_141)])
def test_parameters_of_the_published_networks(posterior, parameters):
    model = Autoencoder(Architecture(32, 1, 2, posterior, channels=(32, 64, 128)))
    assert model.parameter_count() == parameters


def test_norm_and_activation_are_what_they_are_called():
    built = network(16, (4,), "batch", "leaky_relu")
    layers = list(built.encoder()[0])
    assert [type(layer) for layer in layers] == [HalvingConv, nn.BatchNorm2d, nn.LeakyReLU, nn.Flatten]
    assert layers[2].negative_slope == 0.3
    decoder = [type(layer) for layer in built.decoder()]
    assert decoder[:4] == [nn.Linear, nn.BatchNorm1d, nn.LeakyReLU, nn.Unflatten]
    assert decoder[-1] is SameConv


def test_weights_are_glorot_uniform_and_biases_zero():
    model = Autoencoder(Architecture(32, 1, 2, channels=(32, 64, 128)), torch.Generator().manual_seed(0))
    checked = 0
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            w = module.weight
            fans = (w.shape[0] + w.shape[1]) * math.prod(w.shape[2:])
            bound = math.sqrt(6 / fans)
            assert w.abs().max().item() <= bound
            assert w.abs().max().item() > 0.95 * bound
            assert w.var().item() == pytest.approx(bound**2 / 3, rel=0.25)
            assert torch.count_nonzero(module.bias) == 0
            checked += 1
    assert checked == 10


def residual(size: int = 32, image_channels: int = 3) -> Autoencoder:
    architecture = Architecture(size, image_channels, 5, norm="group", activation="silu", blocks="residual")
    return Autoencoder(architecture, torch.Generator().manual_seed(0))


def test_a_block_without_weights_changes_nothing():
    block = Block(8, "group", "silu")
    nn.init.zeros_(block.change[-1].weight)
    nn.init.zeros_(block.change[-1].bias)
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(block(x), x)


def test_a_linear_map_is_parallel_to_the_convolutions():
    """With the last layer of the convolutions at 0, encoder and decoder are linear in the pixels."""
    architecture = Architecture(16, 1, 3, norm="group", activation="silu")
    encoder = ResidualEncoder(architecture, [8])
    x = torch.rand(2, 1, 16, 16)
    a, b, middle = (encoder(v)[:, -3:] for v in (x[:1], x[1:], (x[:1] + x[1:]) / 2))
    torch.testing.assert_close(middle, (a + b) / 2)
    decoder = ResidualDecoder(architecture, [8])
    for parameter in decoder.last.parameters():
        nn.init.zeros_(parameter)
    z = torch.randn(2, 3)
    middle, ends = torch.sigmoid(decoder(z.mean(dim=0, keepdim=True))), torch.sigmoid(decoder(z))
    torch.testing.assert_close(middle, ends.mean(dim=0, keepdim=True))
    assert ends.std() > 0


def test_an_image_is_encoded_alike_alone_and_with_others_also_in_training():
    model = residual().train()
    x = torch.rand(6, 3, 32, 32)
    with torch.no_grad():
        together = model.encode(x).mean
        alone = torch.cat([model.encode(x[i : i + 1]).mean for i in range(6)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
