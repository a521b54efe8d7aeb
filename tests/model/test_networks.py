from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from armoire.model import Architecture, Autoencoder
from armoire.model.convolution import HalvingConv, SameConv
from armoire.model.networks import PlainNetwork, conv_decoder, conv_encoder, glorot


@pytest.mark.parametrize(
    ("size", "channels"),
    [
        (16, (32, 64)),
        (32, (32, 64, 128)),
        (64, (32, 64, 128, 256)),
        (128, (32, 64, 128, 256, 256)),
        (256, (32, 64, 128, 256, 256, 256)),
    ],
)
def test_channels_lead_from_every_size_down_to_four(size, channels):
    assert PlainNetwork.default_channels(size) == channels
    assert size >> len(channels) == 4


@pytest.mark.parametrize(("size", "stages", "side"), [(32, 3, 4), (64, 5, 2), (16, 2, 4), (64, 4, 4)])
def test_encoder_halves_and_decoder_doubles(size, stages, side):
    channels = [8] * stages
    features = conv_encoder(3, channels, "none", "relu")(torch.rand(2, 3, size, size))
    assert features.shape == (2, 8 * side * side)
    assert conv_decoder(5, 3, size, channels, "none", "relu")(torch.randn(2, 5)).shape == (2, 3, size, size)


def test_each_stage_of_the_encoder_of_the_published():
    x, shapes = torch.rand(1, 1, 32, 32), []
    for layer in conv_encoder(1, [32, 64, 128], "none", "relu"):
        x = layer(x)
        if isinstance(layer, nn.ReLU | nn.Flatten):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(32, 16, 16), (64, 8, 8), (128, 4, 4), (2048,)]


@pytest.mark.parametrize(("posterior", "parameters"), [("point", 343_043), ("gaussian", 347_141)])
def test_parameters_of_the_networks_of_the_published(posterior, parameters):
    model = Autoencoder(Architecture(32, 1, 2, posterior, channels=(32, 64, 128)))
    assert model.parameter_count() == parameters


def test_norm_and_activation_are_what_they_are_called():
    layers = [type(layer) for layer in conv_encoder(1, [4], "batch", "leaky_relu")]
    assert layers == [HalvingConv, nn.BatchNorm2d, nn.LeakyReLU, nn.Flatten]
    assert conv_encoder(1, [4], "none", "leaky_relu")[1].negative_slope == 0.3
    decoder = [type(layer) for layer in conv_decoder(2, 1, 16, [4], "batch", "relu")]
    assert decoder[:4] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Unflatten]
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


def test_weights_repeat_with_the_generator():
    def weight(seed: int) -> torch.Tensor:
        layer = nn.Linear(4, 4)
        glorot(layer, torch.Generator().manual_seed(seed))
        return layer.weight

    assert torch.equal(weight(1), weight(1))
    assert not torch.equal(weight(1), weight(2))
