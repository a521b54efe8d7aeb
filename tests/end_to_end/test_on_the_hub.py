"""A run that is uploaded to the Hub and used from there; the Hub is a stand-in on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import Armoire, assert_ends_in_one_sentence, assert_one_sentence, contents
from hub_stand_in import Hub


@pytest.fixture
def online(armoire: Armoire, there: Hub, tmp_path: Path) -> Armoire:
    """`armoire` with a token and empty caches."""
    at_home = {"HF_HOME": str(tmp_path / "hugging"), "ARMOIRE_CACHE": str(tmp_path / "cache")}
    return replace(armoire, env=armoire.env | there.env | at_home)


def test_uploaded_and_used_from_there(online, there, copied, tmp_path):
    sent = online("push", copied, "me/shapes", "--license", "mit", "--json").json()
    assert sent["repository"] == "me/shapes"
    assert sent["commit"] == there.repositories["me/shapes"].commits[-1][0]
    assert set(sent["files"]) == set(there.files("me/shapes"))
    made = online("sample", "hf:me/shapes", "-n", 3, "--seed", 5, "--out", "there.npy")
    assert made.code == 0, made.err
    assert online("sample", copied, "-n", 3, "--seed", 5, "--out", "here.npy").code == 0
    assert np.array_equal(np.load(online.cwd / "there.npy"), np.load(online.cwd / "here.npy"))
    there.requests.clear()
    pinned = online("sample", f"hf:me/shapes@{sent['commit']}", "--out", "pinned.png")
    assert pinned.code == 0, pinned.err
    assert there.requests == []


def test_what_is_written_into_a_run_is_written_into_the_one_in_the_cache(online, there, copied, tmp_path):
    sent = online("push", copied, "me/shapes")
    assert (sent.code, sent.out) == (0, f"{there.url}/me/shapes\n"), sent.err
    assert "armoire sample hf:me/shapes" in sent.err
    before = contents(online.cwd)
    for arguments in (("prior", "hf:me/shapes", "--kind", "gmm"), ("figures", "hf:me/shapes", "samples")):
        outcome = online(*arguments)
        assert outcome.code == 0, (arguments, outcome.err)
    assert contents(online.cwd) == before
    assert Path(outcome.out.strip()).is_relative_to(tmp_path / "cache" / "hub")
    assert Path(outcome.out.strip()).is_file()
    assert list((tmp_path / "cache" / "hub").rglob("run/shapes/priors/gmm.safetensors"))


@pytest.mark.slow
def test_every_command_takes_it(online, there, copied, pictures, tmp_path):
    assert online("push", copied, "me/shapes", "--keep-paths").code == 0
    image = next(pictures.rglob("*.png"))
    for arguments in (
        ("reconstruct", "hf:me/shapes", image, "--out", tmp_path / "again.png"),
        ("nearest", "hf:me/shapes", image, "--json"),
        ("morph", "hf:me/shapes", image, image, "--out", tmp_path / "morph.png"),
        ("encode", "hf:me/shapes", pictures, "--out", tmp_path / "latents.parquet"),
        ("encode", "hf:me/shapes", pictures, "--out", tmp_path / "shards", "--workers", 1),
        ("evaluate", "hf:me/shapes", "--json"),
        ("export", "hf:me/shapes", "--onnx", tmp_path / "onnx"),
        ("explore", "hf:me/shapes", "--export", tmp_path / "site"),
        ("doctor", "hf:me/shapes", "--json"),
        ("push", "hf:me/shapes", "me/again"),
    ):
        outcome = online(*arguments)
        assert outcome.code == 0, (arguments, outcome.err)


def test_a_refusal_is_one_sentence(online, there, copied):
    assert_one_sentence(online("sample", "hf:me/nothing", "--out", "x.png"), "has no hf:me/nothing")
    there.fails("/api/repos/create", 401)
    assert_ends_in_one_sentence(online("push", copied, "me/shapes"), "127.0.0.1")


def test_files_that_do_not_belong_together_are_refused(online, there, copied):
    online("push", copied, "me/shapes")
    files = dict(there.files("me/shapes"))
    recipe = files["recipe.toml"].replace(b"latent = 2", b"latent = 3")
    there.repositories["me/shapes"].commit(files | {"recipe.toml": recipe, "sitecustomize.py": b"raise SystemExit(7)"})
    outcome = online("sample", "hf:me/shapes", "--out", "x.png")
    assert_one_sentence(outcome, "recipe.toml is not what model.safetensors was trained with")
    assert not there.asked("sitecustomize")
