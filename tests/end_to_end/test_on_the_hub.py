"""A run that goes to the Hub and comes back from it, as people type it; the Hub is a stand-in on this machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import Armoire, assert_one_sentence, contents
from hub_stand_in import Hub


@pytest.fixture
def online(armoire: Armoire, there: Hub, tmp_path: Path) -> Armoire:
    """`armoire` of somebody with a token, and with a cache in which nothing of the Hub's lies yet."""
    at_home = {"HF_HOME": str(tmp_path / "hugging"), "ARMOIRE_CACHE": str(tmp_path / "cache")}
    return replace(armoire, env=armoire.env | there.env | at_home)


def test_sent_and_used_from_there(online, there, copied, tmp_path):
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
    said = online("push", copied, "me/shapes")
    assert said.code == 0, said.err
    assert said.out.strip() == f"{there.url}/me/shapes"
    assert "armoire sample hf:me/shapes" in said.err
    before = contents(online.cwd)
    for arguments in (("prior", "hf:me/shapes", "--kind", "gmm"), ("figures", "hf:me/shapes", "samples")):
        outcome = online(*arguments)
        assert outcome.code == 0, (arguments, outcome.err)
    assert contents(online.cwd) == before
    assert Path(outcome.out.strip()).is_relative_to(tmp_path / "cache" / "hub")
    assert Path(outcome.out.strip()).is_file()
    assert list((tmp_path / "cache" / "hub").rglob("run/shapes/priors/gmm.safetensors"))


@pytest.mark.slow
def test_every_verb_takes_it(online, there, copied, pictures, tmp_path):
    online("push", copied, "me/shapes")
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


def test_without_a_network_it_goes_on(online, there, copied, tmp_path):
    online("push", copied, "me/shapes")
    assert online("sample", "hf:me/shapes", "--out", "1.png").code == 0
    offline = replace(online, env=online.env | {"HF_HUB_OFFLINE": "1"})
    outcome = offline("sample", "hf:me/shapes", "--out", "2.png")
    assert outcome.code == 0, outcome.err
    assert "downloaded before" in outcome.err
    assert (online.cwd / "1.png").read_bytes() == (online.cwd / "2.png").read_bytes()
    empty = replace(offline, env=offline.env | {"ARMOIRE_CACHE": str(tmp_path / "empty")})
    assert_one_sentence(empty("sample", "hf:me/shapes", "--out", "3.png"), "HF_HUB_OFFLINE is set")


def test_what_can_be_mended_is_one_sentence(online, there, copied):
    assert_one_sentence(online("sample", "hf:me/nothing", "--out", "x.png"), "has no hf:me/nothing")
    assert_one_sentence(online("sample", "hf:nothing", "--out", "x.png"), "give hf:OWNER/NAME")
    assert_one_sentence(online("push", copied, "shapes"), "give OWNER/NAME")
    assert_one_sentence(online("push", "nothing", "me/shapes"), "no run at nothing")
    assert_one_sentence(online("train", "fashion-vae", "--out", "hf:me/shapes"), "choose a folder for --out")
    there.fails("/api/repos/create", 401)
    outcome = online("push", copied, "me/shapes")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("armoire: 127.0.0.1")
    assert "Traceback" not in outcome.err


def test_a_strangers_run_is_distrusted(online, there, copied):
    online("push", copied, "me/shapes")
    files = dict(there.files("me/shapes"))
    recipe = files["recipe.toml"].replace(b"latent = 2", b"latent = 3")
    there.repositories["me/shapes"].commit(files | {"recipe.toml": recipe, "sitecustomize.py": b"raise SystemExit(7)"})
    outcome = online("sample", "hf:me/shapes", "--out", "x.png")
    assert_one_sentence(outcome, "recipe.toml is not what model.safetensors was trained with")
    assert not there.asked("sitecustomize")


def test_check_tells_of_the_extra(online):
    found = online("check", "--json").json()
    assert found["extras"]["hub"].startswith("huggingface-hub ")
    assert json.dumps(found)
