from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from armoire.errors import ArmoireError
from armoire.model import Architecture, Autoencoder
from armoire.model.pretrained import FORMAT, read_header
from armoire.tensors import write_tensors

ARCHITECTURE = Architecture(16, 3, 2, "gaussian", "calibrated", channels=(4, 8), norm="batch", activation="leaky_relu")


def trained(architecture: Architecture = ARCHITECTURE) -> Autoencoder:
    """A model whose buffers are no longer those of a fresh one."""
    model = Autoencoder(architecture, torch.Generator().manual_seed(3)).train()
    draws = torch.Generator().manual_seed(0)
    x = torch.rand(5, architecture.image_channels, 16, 16, generator=draws)
    model.terms(x, draws)
    return model.eval()


@pytest.mark.parametrize(
    "architecture",
    [
        ARCHITECTURE,
        Architecture(16, 1, 3, "point", channels=(4, 8)),
        Architecture(16, 1, 2, likelihood="gaussian", sigma=0.3),
    ],
)
def test_saved_and_opened_is_equal_to_the_bit(tmp_path, architecture):
    model = trained(architecture)
    file = model.save_pretrained(tmp_path, {"note": "hello"})
    again = Autoencoder.from_pretrained(tmp_path)
    assert again.architecture == architecture
    assert not again.training
    assert list(again.state_dict()) == list(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), model.state_dict().values(), strict=True))
    x = torch.rand(4, architecture.image_channels, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(again.encode(x).mean, model.encode(x).mean)
        assert torch.equal(again(x), model(x))
        one, two = (m.terms(x, torch.Generator().manual_seed(2)) for m in (model, again))
    assert torch.equal(one.distortion, two.distortion)
    assert read_header(file)["note"] == "hello"


def test_a_file_may_be_named(tmp_path):
    file = trained().save_pretrained(tmp_path / "my.safetensors")
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
def test_a_damaged_architecture_is_told(tmp_path, architecture):
    state = {name: t.contiguous() for name, t in trained().state_dict().items()}
    write_tensors(tmp_path / "model.safetensors", state, {"format": FORMAT, "architecture": architecture})
    with pytest.raises(ArmoireError, match="is damaged"):
        Autoencoder.from_pretrained(tmp_path)


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_that_do_not_fit_are_told(tmp_path, change):
    state = {name: t.contiguous() for name, t in trained().state_dict().items()}
    if change == "missing":
        del state["head.mean.bias"]
    elif change == "extra":
        state["head.more"] = torch.zeros(2)
    else:
        state["head.mean.bias"] = torch.zeros(5)
    header = {"format": FORMAT, "architecture": json.dumps(ARCHITECTURE.to_dict())}
    write_tensors(tmp_path / "model.safetensors", state, header)
    with pytest.raises(ArmoireError, match="is damaged"):
        Autoencoder.from_pretrained(tmp_path)
