"""prior, doctor, sweep and beta, and what evaluate measures on request, as a user types them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from command_line import QUICK, Armoire, assert_ends_in_one_sentence


def test_a_fitted_prior_is_drawn_from_and_measured(armoire: Armoire, copied: Path) -> None:
    assert armoire("sample", "run", "-n", 5, "--out", "before.npy").code == 0
    fitted = armoire("prior", "run", "--kind", "gmm", "--json").json()
    assert fitted["prior"] == "gmm"
    assert set(fitted) >= {"log_prob", "log_prob_normal", "held_out"}
    drawn = armoire("sample", "run", "-n", 5, "--out", "after.npy")
    assert "mixture" in drawn.err
    normal = armoire("sample", "run", "-n", 5, "--prior", "normal", "--out", "normal.npy")
    assert "N(0, I)" in normal.err
    before, after, again = (np.load(armoire.cwd / f"{name}.npy") for name in ("before", "after", "normal"))
    assert np.array_equal(before, again)
    assert not np.array_equal(before, after)
    found = armoire("evaluate", "run", "--samples", 10, "--json").json()
    assert "mixture" in found["samples"]["drawn_from"]
    assert found["samples"]["features"] == "efficientnet-lite0"
    assert found["samples"]["n"] == min(10, found["data"]["n"])
    assert "mixture" in found["latent"]["drawn_from"]


def test_evaluate_in_words(armoire: Armoire, copied: Path) -> None:
    words = armoire("evaluate", "run", "--samples", 10, "--draws", 3, "--denoising")
    assert words.code == 0, words.err
    for told in ("samples fd ", "likelihood bits per dimension", "denoising masking 0.1", "latent holes"):
        assert told in words.out
    assert "rate by dimension" not in words.out


def test_doctor(armoire: Armoire, copied: Path) -> None:
    found = armoire("doctor", "run", "--json").json()
    assert found["run"] == "run"
    assert found["healthy"] == (not found["findings"])
    in_words = armoire("doctor", "run")
    assert in_words.code == 0
    for finding in found["findings"]:
        assert all(finding[name] in in_words.out for name in ("name", "evidence", "cause", "fix"))


def test_doctor_of_a_training_that_exploded(armoire: Armoire, pictures: Path) -> None:
    stopped = armoire("train", "images-vae", "--data", pictures, *QUICK, "--out", "run", "--lr", "1e9")
    assert_ends_in_one_sentence(stopped, "no longer finite")
    told = armoire("doctor", "run")
    assert told.code == 0, told.err
    assert told.out.startswith("diverged training")
    fix = told.out.split("\n  fix")[1].split()
    assert fix[:2] == ["armoire", "train"]
    assert armoire(*fix[1:]).code == 0, "what it says must work"


def test_sweep(armoire: Armoire, pictures: Path) -> None:
    words = ["sweep", "images-vae", "--data", pictures, "--beta", "0.1,10", "--epochs", 1, "--samples", 0]
    words += ["--limit", 30, "--size", 16, "--latent", 2]
    found = armoire(*words, "--out", "s", "--json").json()
    assert [row["beta"] for row in found["rows"]] == [0.1, 10]
    assert (armoire.cwd / "s" / "sweep.png").read_bytes()[:4] == b"\x89PNG"
    with (armoire.cwd / "s" / "sweep.csv").open() as file:
        assert [row["beta"] for row in csv.DictReader(file)] == ["0.1", "10.0"]
    again = armoire(*words, "--out", "s")
    assert again.code == 0
    assert "distortion_nats" in again.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--from", "2000*mse", "--size", 64), "--likelihood gaussian --set sigma=1.75271 --beta 1"),
        (("--from", "500*bce", "--size", 32, "--channels", 1), "--likelihood bernoulli --beta 2.048"),
        (("--from", "2000*mse", "--size", 64, "--mse", 0.0249), "beta 123.373"),
        (("--from", "mse + batch/images*kl", "--size", 64, "--batch", 144, "--images", 162770), "sigma=2.33142"),
    ],
)
def test_beta(armoire: Armoire, words: tuple[object, ...], told: str) -> None:
    outcome = armoire("beta", *words)
    assert outcome.code == 0, outcome.err
    assert told in outcome.out
    assert armoire("beta", *words, "--json").json()["flags"] in outcome.out
