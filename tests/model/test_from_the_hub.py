from __future__ import annotations

import pytest
import torch

from armoire.errors import ArmoireError
from armoire.model import Architecture, Autoencoder

ARCHITECTURE = Architecture(16, 1, 2, "gaussian", "calibrated", channels=(4, 8))


@pytest.fixture
def model() -> Autoencoder:
    return Autoencoder(ARCHITECTURE, torch.Generator().manual_seed(3)).eval()


def same(one: Autoencoder, other: Autoencoder) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return one.architecture == other.architecture and all(torch.equal(a, b) for a, b in pairs)


def test_sent_and_opened_is_equal_to_the_bit(hub, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.push_to_hub("me/model")
    commit = hub.repositories["me/model"].commits[-1][0]
    for given in ("hf:me/model", "me/model", f"hf:me/model@{commit}"):
        assert same(Autoencoder.from_pretrained(given), model)
    other = Autoencoder(ARCHITECTURE, torch.Generator().manual_seed(4))
    other.push_to_hub("me/model")
    assert same(Autoencoder.from_pretrained("me/model"), other.eval())
    assert same(Autoencoder.from_pretrained("me/model", revision=commit), model)


def test_what_is_here_is_not_looked_for_there(hub, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save_pretrained("me/model")
    assert same(Autoencoder.from_pretrained("me/model"), model)
    with pytest.raises(ArmoireError, match=r"no model\.safetensors in me/modle|no modle in me"):
        Autoencoder.from_pretrained("me/modle")
    with pytest.raises(ArmoireError, match=r"no other\.safetensors in you"):
        Autoencoder.from_pretrained("you/other.safetensors")
    with pytest.raises(ArmoireError, match="is here and not on the Hub"):
        Autoencoder.from_pretrained("me/model", revision="v1")
    assert hub.requests == []


def test_what_is_neither_here_nor_there_is_told(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArmoireError, match=r"no folder me/model is here, and of the Hub: .* has no hf:me/model"):
        Autoencoder.from_pretrained("me/model")
    with pytest.raises(ArmoireError, match="is a pickle"):
        Autoencoder.from_pretrained("me/model.pt")
    with pytest.raises(ArmoireError, match="names no repository"):
        Autoencoder.from_pretrained("hf:model")


def test_a_strangers_model_is_distrusted_as_a_file_is(hub, model, tmp_path):
    model.push_to_hub("me/model")
    repository = hub.repositories["me/model"]
    content = bytearray(hub.files("me/model")["model.safetensors"])
    content[-1] ^= 1  # the Hub tells the digest of this, so only the file's own can tell
    repository.commit({"model.safetensors": bytes(content)})
    with pytest.raises(ArmoireError, match="is damaged"):
        Autoencoder.from_pretrained("hf:me/model")
