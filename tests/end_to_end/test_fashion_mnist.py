"""The published recipe on the real data, with few training images."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from command_line import FASHION, Armoire

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not FASHION.is_dir(), reason=f"Fashion-MNIST is not in {FASHION}: apt-get install dataset-fashion-mnist"
    ),
]
CLASSES = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"}


def test_it_trains_and_is_measured_on_the_whole_test_set(armoire: Armoire) -> None:
    made = armoire("train", "fashion-vae", "--epochs", 1, "--limit", 600)
    assert made.code == 0, made.err
    assert "published scale" in made.out
    splits = pq.read_table(armoire.cwd / "runs/fashion-vae/latents.parquet")["split"].value_counts().to_pylist()
    assert splits == [{"values": "train", "counts": 600}, {"values": "test", "counts": 10_000}]
    found = armoire("evaluate", "runs/fashion-vae", "--json").json()
    assert {key: found["data"][key] for key in ("name", "split", "n")} == {
        "name": "fashion-mnist",
        "split": "test",
        "n": 10_000,
    }
    elbo, published = found["elbo"], found["published_scale"]
    assert elbo["rate_nats"] > 0.1
    assert elbo["objective_nats"] == pytest.approx(elbo["distortion_nats"] + 2.048 * elbo["rate_nats"])
    assert published["reconstruction_loss"] == pytest.approx(500 * elbo["distortion_nats"] / 32**2, rel=1e-5)
    assert published["kl_loss"] == pytest.approx(elbo["rate_nats"])
    assert published["total_loss"] == pytest.approx(published["reconstruction_loss"] + published["kl_loss"])
    assert 0.2 < found["reconstruction"]["bce"] < 0.69, "worse than a grey picture, or too good to be true"
    areas = found["latent"]["areas"]
    assert set(areas["area_share"]) == CLASSES
    assert all(share == pytest.approx(0.1) for share in areas["data_share"].values())
