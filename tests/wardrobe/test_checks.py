"""Latents, counts, devices and runs given to a wardrobe: accepted in many forms, or refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import armoire
from armoire import Wardrobe
from armoire.checks import as_latents
from armoire.errors import ArmoireError
from armoire.training import Run
from armoire.training.machine import pick_device
from armoire.wardrobe.directions import Direction

LATENTS = {
    "nan": (np.full((1, 2), np.nan), "latents must be finite numbers, but row 0 holds nan"),
    "inf": ([[0, 0], [1, -np.inf], [0, np.inf]], "row 1 holds -inf, and 1 more rows are like it"),
    "too large": ([1e300, 0], "row 0 holds inf"),
    "another d": (np.zeros((4, 3)), r"must be \(n, 2\), as the model has them, not \(4, 3\)"),
    "one axis too many": (np.zeros((1, 1, 2)), "must be"),
    "a number": (np.zeros(()), "must be"),
    "text": (["a", "b"], "latents must be numbers"),
    "complex": (np.zeros((1, 2), complex), "latents must be numbers"),
    "objects": ([[None, 1]], "latents must be numbers"),
    "ragged": ([[0, 0], [0]], "cannot convert"),
    "a tensor of nan": (torch.full((1, 2), torch.nan), "row 0 holds nan"),
}
UP = Direction("up", "partial", np.array([0, 1], np.float32), 1.0, 10, 10, 1.0, 1.0, 1.0, 1.0)
USES = {
    "decode": lambda wardrobe, z: wardrobe.decode(z),
    "nearest": lambda wardrobe, z: wardrobe.nearest(z, k=3),
    "move": lambda wardrobe, z: UP.move(z, 1.0),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("case", LATENTS)
def test_invalid_latents_are_refused(vae_run, use, case):
    z, message = LATENTS[case]
    with pytest.raises(ArmoireError, match=message):
        USES[use](vae_run, z)


@pytest.mark.parametrize("strength", [np.nan, np.inf])
def test_a_strength_is_a_finite_number(strength):
    with pytest.raises(ArmoireError, match="strength should be a finite number"):
        UP.move(np.zeros(2), strength)


@pytest.mark.parametrize("z", [torch.zeros(1, 2, requires_grad=True), torch.zeros(2), [0, 0], [[0.0, 0.0]], (0, 0)])
def test_latents_come_in_many_forms(vae_run, z):
    assert np.array_equal(vae_run.decode(z), vae_run.decode(np.zeros((1, 2))))
    assert len(vae_run.nearest(z, k=2).rows) == 1
    assert as_latents(np.empty((0, 2)), 2).shape == (0, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": -1},
        {"n": 1, "seed": -1},
        {"n": 1, "temperature": np.nan},
        {"n": 1, "temperature": np.inf},
        {"n": 1, "temperature": 0.0},
    ],
)
def test_invalid_counts_and_temperatures_are_refused(vae_run, wrong):
    with pytest.raises(ArmoireError, match=f"{list(wrong)[-1]} (must|should) be"):
        vae_run.sample(**wrong)
    with pytest.raises(ArmoireError, match="k must be a whole number, 1 or more, not 0"):
        vae_run.nearest(np.zeros(2), k=0)


def test_a_run_may_be_given_as_a_path_or_opened(vae_run):
    folder = vae_run.run.path
    assert Wardrobe.open(vae_run) is vae_run
    assert Wardrobe.open(Run.open(folder)).run.path == folder
    measured = armoire.evaluate(vae_run, vae_run.images)
    for run in (str(folder), Run(folder)):
        found = armoire.evaluate(run, vae_run.images)
        assert found.data == measured.data
        assert found.reconstruction["mse"] == pytest.approx(measured.reconstruction["mse"], rel=1e-4)
    for wrong in ("runs/nowhere", folder / "figures"):
        with pytest.raises(ArmoireError, match="no run at"):
            armoire.evaluate(wrong)


def test_images_in_memory_can_be_measured(vae_run, pictures):
    many = pictures(30, seed=5)
    expected = armoire.evaluate(vae_run, many)
    described = {"name": "array", "split": "test", "n": 30, "fingerprint": "", "as_trained_on": False}
    assert expected.data | {"fingerprint": ""} == described
    for images in (torch.from_numpy(many), list(many[..., 0])):
        found = armoire.evaluate(vae_run, images)
        assert found.reconstruction == pytest.approx(expected.reconstruction, rel=1e-4)
    with pytest.raises(ArmoireError, match="no images were given"):
        armoire.evaluate(vae_run, [])


def test_a_device_is_a_name_or_a_torch_device(monkeypatch):
    """auto never picks mps, which is untested."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for given in ("auto", None, "cpu", torch.device("cpu")):
        assert pick_device(given) == torch.device("cpu")
    assert pick_device("mps") == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device() == pick_device("cuda") == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    for wrong, message in (("cuda:2", "no cuda:2 device"), ("cuda:x", "no dev"), ("gpu", "no dev"), ("", "no dev")):
        with pytest.raises(ArmoireError, match=message):
            pick_device(wrong)


def test_the_version_is_public():
    assert armoire.__version__.count(".") == 2
    assert "__version__" in dir(armoire)
