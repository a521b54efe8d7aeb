from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from armoire.errors import ArmoireError
from armoire.io.tensors import write_tensors
from armoire.model import Architecture, Autoencoder
from armoire.model.likelihood import Laplace
from armoire.model.posterior import Head, Point
from armoire.model.pretrained import FORMAT, read_header
from armoire.training.distributed import ALONE
from armoire.training.synchronised import SynchronisedBatchNorm

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


def test_a_missing_model_is_an_error(tmp_path):
    with pytest.raises(ArmoireError, match=r"no model\.safetensors in"):
        Autoencoder.from_pretrained(tmp_path)
    with pytest.raises(ArmoireError, match=r"no nothing\.safetensors in"):
        Autoencoder.from_pretrained(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04N.", b"\0" * 64, 4, 0.5, 0.99])
def test_a_file_that_is_cut_or_no_safetensors_is_an_error(tmp_path, content):
    file = trained().save_pretrained(tmp_path)
    whole = file.read_bytes()
    keep = content if isinstance(content, int) else int(len(whole) * content) if isinstance(content, float) else 0
    file.write_bytes(whole[:keep] or content)
    with pytest.raises(ArmoireError, match="is damaged"):
        Autoencoder.from_pretrained(tmp_path)


def test_the_file_of_another_program_is_an_error(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ArmoireError, match="is not a model of armoire's"):
        Autoencoder.from_pretrained(tmp_path)


def without_bias(state: dict) -> dict:
    return {name: t for name, t in state.items() if name != "head.mean.bias"}


@pytest.mark.parametrize(
    ("architecture", "change"),
    [
        *((text, dict) for text in ("not json", "[]", "{}")),
        *(
            (json.dumps(ARCHITECTURE.to_dict() | odd), dict)
            for odd in ({"colour": "red"}, {"posterior": "cloud"}, {"latent": "two"}, {"channels": [4, -8]})
        ),
        (json.dumps(ARCHITECTURE.to_dict()), without_bias),
        (json.dumps(ARCHITECTURE.to_dict()), lambda state: state | {"head.more": torch.zeros(2)}),
        (json.dumps(ARCHITECTURE.to_dict()), lambda state: state | {"head.mean.bias": torch.zeros(5)}),
    ],
)
def test_an_architecture_of_another_version_is_not_called_damage(tmp_path, architecture, change):
    file = write(tmp_path, change(trained().state_dict()), architecture, armoire_version="9.1")
    with pytest.raises(ArmoireError, match=r"is intact, but .* written by armoire 9\.1: open it"):
        Autoencoder.from_pretrained(file)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(ArmoireError, match="is damaged"):
        Autoencoder.from_pretrained(file)


def test_a_file_of_a_later_format_is_an_error(tmp_path):
    file = write(tmp_path, dict(trained().state_dict()), "{}", format="armoire-model-2")
    with pytest.raises(ArmoireError, match=r"is armoire-model-2, and this version reads armoire-model-1"):
        Autoencoder.from_pretrained(file)


def write(folder, state, architecture, **header):
    file = folder / "model.safetensors"
    write_tensors(file, state, {"format": FORMAT, "architecture": architecture} | header)
    return file


def replace(part: str, module: nn.Module):
    return lambda model: model.set_submodule(part, module) if "." in part else setattr(model, part, module)


DENSE = nn.Sequential(nn.Linear(2, 768), nn.Unflatten(1, (3, 16, 16)))
CHANGES = {
    r"encoder\.0\.weight is missing": replace("encoder", nn.Sequential(nn.Flatten())),
    r"head\.log_var\.weight is missing": replace("head", Head(128, 2, Point)),
    r"decoder\.0\.weight is float32 \(768, 2\), and should be": replace("decoder", DENSE),
    r"likelihood\.variance is missing": replace("likelihood", Laplace()),
    r"adapter\.weight is .*, and should be absent": replace("adapter", nn.Linear(2, 2)),
    r"module encoder\.2 is Tanh\(\), and should be LeakyReLU": replace("encoder.2", nn.Tanh()),
    r"module encoder\.2 is LeakyReLU\(negative_slope=0\.1": replace("encoder.2", nn.LeakyReLU(0.1)),
    r"encoder\.0\.weight is float16": lambda model: model.half(),
    r"not finite .*\(head\.mean\.bias\)": lambda model: model.head.mean.bias.data.fill_(torch.nan),
}


@pytest.mark.parametrize("words", CHANGES)
def test_what_could_not_be_loaded_again_is_not_saved(tmp_path, words):
    model = trained()
    file = model.save_pretrained(tmp_path)
    before = file.read_bytes()
    CHANGES[words](model)
    with pytest.raises(ArmoireError, match=words):
        model.save_pretrained(tmp_path)
    assert file.read_bytes() == before


def test_a_layer_of_another_class_with_the_same_tensors_is_saved(tmp_path):
    """As in distributed training."""
    model = trained()
    model.encoder[1] = SynchronisedBatchNorm(model.encoder[1], ALONE)
    assert Autoencoder.from_pretrained(model.save_pretrained(tmp_path)).architecture == ARCHITECTURE


def same(one: Autoencoder, other: Autoencoder) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return one.architecture == other.architecture and all(torch.equal(a, b) for a, b in pairs)


def test_pushed_and_opened_is_equal_to_the_bit(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = trained()
    model.push_to_hub("me/model")
    commit = hub.repositories["me/model"].commits[-1][0]
    for given in ("hf:me/model", "me/model", f"hf:me/model@{commit}"):
        assert same(Autoencoder.from_pretrained(given), model)
    other = Autoencoder(ARCHITECTURE, torch.Generator().manual_seed(4))
    other.push_to_hub("me/model")
    assert same(Autoencoder.from_pretrained("me/model"), other.eval())
    assert same(Autoencoder.from_pretrained("me/model", revision=commit), model)


def test_a_local_model_is_not_looked_for_on_the_hub(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = trained()
    model.save_pretrained("me/model")
    assert same(Autoencoder.from_pretrained("me/model"), model)
    with pytest.raises(ArmoireError, match=r"no model\.safetensors in me/modle|no modle in me"):
        Autoencoder.from_pretrained("me/modle")
    with pytest.raises(ArmoireError, match=r"no other\.safetensors in you"):
        Autoencoder.from_pretrained("you/other.safetensors")
    with pytest.raises(ArmoireError, match="is here and not on the Hub"):
        Autoencoder.from_pretrained("me/model", revision="v1")
    assert hub.requests == []


def test_a_model_that_is_nowhere_is_an_error(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArmoireError, match=r"no folder me/model is here, and of the Hub: .* has no hf:me/model"):
        Autoencoder.from_pretrained("me/model")
    with pytest.raises(ArmoireError, match="is a pickle"):
        Autoencoder.from_pretrained("me/model.pt")
    with pytest.raises(ArmoireError, match="names no repository"):
        Autoencoder.from_pretrained("hf:model")


def test_a_changed_model_is_refused_as_a_local_one_is(hub):
    trained().push_to_hub("me/model")
    repository = hub.repositories["me/model"]
    content = bytearray(hub.files("me/model")["model.safetensors"])
    content[-1] ^= 1  # the Hub has the digest of this; only the file's own shows the change
    repository.commit({"model.safetensors": bytes(content)})
    with pytest.raises(ArmoireError, match="is damaged"):
        Autoencoder.from_pretrained("hf:me/model")
