from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from armoire.errors import ArmoireError
from armoire.io.tensors import write_tensors
from armoire.model import Architecture, Autoencoder, Laplace, Point
from armoire.model.posterior import Head
from armoire.model.pretrained import FORMAT, read_header

ARCHITECTURE = Architecture(16, 3, 2, "gaussian", "calibrated", channels=(4, 8), norm="batch", activation="leaky_relu")


def trained(architecture: Architecture = ARCHITECTURE) -> Autoencoder:
    """A model whose buffers are no longer those of a fresh one."""
    model = Autoencoder(architecture, torch.Generator().manual_seed(3)).train()
    draws = torch.Generator().manual_seed(0)
    x = torch.rand(5, architecture.image_channels, 16, 16, generator=draws)
    model.terms(x, torch.randn(5, architecture.latent, generator=draws))
    return model.eval()


def test_a_file_may_be_named(tmp_path):
    file = trained().save_pretrained(tmp_path / "my.safetensors", {"note": "hello"})
    assert read_header(file)["note"] == "hello"
    assert file == tmp_path / "my.safetensors"
    assert Autoencoder.from_pretrained(file).architecture == ARCHITECTURE
    assert [p.name for p in tmp_path.iterdir()] == ["my.safetensors"]


def test_a_model_is_replaced_whole(tmp_path):
    trained().save_pretrained(tmp_path)
    other = Autoencoder(ARCHITECTURE, torch.Generator().manual_seed(9))
    other.save_pretrained(tmp_path)
    opened = Autoencoder.from_pretrained(tmp_path)
    assert torch.equal(opened.encoder[0].weight, other.encoder[0].weight)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_missing_model_is_told(tmp_path):
    with pytest.raises(ArmoireError, match=r"no model\.safetensors in"):
        Autoencoder.from_pretrained(tmp_path)
    with pytest.raises(ArmoireError, match=r"no nothing\.safetensors in"):
        Autoencoder.from_pretrained(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.99])
def test_a_cut_file_is_told(tmp_path, keep):
    file = trained().save_pretrained(tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[: keep if keep >= 4 or keep == 0 else int(len(content) * keep)])
    with pytest.raises(ArmoireError, match="is damaged"):
        Autoencoder.from_pretrained(tmp_path)


@pytest.mark.parametrize("content", [b"hello", b"\x80\x04N.", b"\xff" * 64, b"\0" * 64])
def test_what_is_no_safetensors_is_told(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ArmoireError, match="is damaged"):
        Autoencoder.from_pretrained(tmp_path)


def test_another_programs_file_is_told(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ArmoireError, match="is not a model of armoire's"):
        Autoencoder.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "architecture",
    [
        "not json",
        "[]",
        "{}",
        json.dumps(ARCHITECTURE.to_dict() | {"colour": "red"}),
        json.dumps(ARCHITECTURE.to_dict() | {"posterior": "cloud"}),
        json.dumps(ARCHITECTURE.to_dict() | {"size": 10}),
        json.dumps(ARCHITECTURE.to_dict() | {"latent": "two"}),
        json.dumps(ARCHITECTURE.to_dict() | {"norm": "batch", "channels": [4, -8]}),
    ],
)
def test_an_architecture_of_another_version_is_not_called_damage(tmp_path, architecture):
    file = write(tmp_path, dict(trained().state_dict()), architecture, armoire_version="9.1")
    with pytest.raises(ArmoireError, match=r"is intact, but holds an architecture .* written by armoire 9\.1: open it"):
        Autoencoder.from_pretrained(file)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(ArmoireError, match="is damaged"):
        Autoencoder.from_pretrained(file)


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_of_another_architecture_are_not_called_damage(tmp_path, change):
    state = dict(trained().state_dict())
    if change == "missing":
        del state["head.mean.bias"]
    elif change == "extra":
        state["head.more"] = torch.zeros(2)
    else:
        state["head.mean.bias"] = torch.zeros(5)
    file = write(tmp_path, state, json.dumps(ARCHITECTURE.to_dict()))
    name = "head.more" if change == "extra" else "head.mean.bias"
    with pytest.raises(ArmoireError, match=rf"is intact, but .*\({name} is .* another program or version"):
        Autoencoder.from_pretrained(file)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(ArmoireError, match="is damaged"):
        Autoencoder.from_pretrained(file)


def test_a_file_of_a_later_format_is_told(tmp_path):
    file = write(tmp_path, dict(trained().state_dict()), "{}", format="armoire-model-2")
    with pytest.raises(ArmoireError, match=r"is armoire-model-2, and this version reads armoire-model-1"):
        Autoencoder.from_pretrained(file)


def write(folder, state, architecture, **header):
    file = folder / "model.safetensors"
    write_tensors(
        file, {n: t.contiguous() for n, t in state.items()}, {"format": FORMAT, "architecture": architecture} | header
    )
    return file


def change_part(name, part):
    return lambda model: setattr(model, name, part)


def change_activation(model):
    model.encoder[2] = nn.Tanh()


def change_slope(model):
    model.encoder[2].negative_slope = 0.1


DENSE = nn.Sequential(nn.Linear(2, 768), nn.Unflatten(1, (3, 16, 16)))
CHANGES = {
    "encoder": (change_part("encoder", nn.Sequential(nn.Flatten())), r"encoder\.0\.weight is missing"),
    "head": (change_part("head", Head(128, 2, Point)), r"head\.log_var\.weight is missing"),
    "decoder": (change_part("decoder", DENSE), r"decoder\.0\.weight is float32 \(768, 2\), and should be"),
    "likelihood": (change_part("likelihood", Laplace()), r"likelihood\.variance is missing"),
    "one more layer": (change_part("adapter", nn.Linear(2, 2)), r"adapter\.weight is .*, and should be absent"),
    "activation": (change_activation, r"module encoder\.2 is Tanh\(\), and should be LeakyReLU"),
    "slope": (change_slope, r"module encoder\.2 is LeakyReLU\(negative_slope=0\.1"),
    "half": (lambda model: model.half(), r"encoder\.0\.weight is float16"),
    "not finite": (lambda model: model.head.mean.bias.data.fill_(torch.nan), r"not finite .*\(head\.mean\.bias\)"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_could_not_be_loaded_again_is_not_saved(tmp_path, change):
    model = trained()
    file = model.save_pretrained(tmp_path)
    before = file.read_bytes()
    do, said = CHANGES[change]
    do(model)
    with pytest.raises(ArmoireError, match=said):
        model.save_pretrained(tmp_path)
    assert file.read_bytes() == before


def test_layers_that_do_the_same_in_another_class_are_saved(tmp_path):
    """As in distributed training, whose batch norm has the same tensors."""
    model = trained()

    class Synchronised(nn.Module):
        def __init__(self, norm: nn.Module) -> None:
            super().__init__()
            self.weight, self.bias = norm.weight, norm.bias
            for name, buffer in norm.named_buffers():
                self.register_buffer(name, buffer)

    model.encoder[1] = Synchronised(model.encoder[1])
    assert Autoencoder.from_pretrained(model.save_pretrained(tmp_path)).architecture == ARCHITECTURE
