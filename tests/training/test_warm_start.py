"""train --from RUN: a training starts from the weights of another."""

from __future__ import annotations

import pytest
import torch

from armoire import train
from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.model import Autoencoder
from armoire.training import Run
from armoire.training.averages import average_over
from armoire.training.batches import Batches
from armoire.training.warm_start import WarmStart


@pytest.fixture(scope="module")
def other(discs):
    return discs(seed=5, name="other discs")


def test_equal_networks_take_all_weights_over(vae_run):
    model = Autoencoder(vae_run.model.architecture, torch.Generator().manual_seed(7))
    WarmStart.of(vae_run.run).load_into(model)
    trained = vae_run.model.state_dict()
    assert all(torch.equal(tensor, trained[name]) for name, tensor in model.state_dict().items())


def test_another_number_of_dimensions_takes_the_rest_over(vae_run, tiny, other):
    recipe = tiny(latent=5)
    model = Autoencoder(recipe.architecture(other), torch.Generator().manual_seed(7))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    WarmStart.of(vae_run.run).load_into(model)
    trained = vae_run.model.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, trained[name] if tensor.shape == trained[name].shape else before[name])
    assert sum(tensor.shape == trained[name].shape for name, tensor in before.items()) > len(before) / 2


def test_a_training_begins_where_the_other_ended(vae_run, tiny, other, tmp_path, recorder):
    """The first of many tiny steps changes nothing yet."""
    recipe = tiny(latent=2, lr=1e-9, epochs=1)
    warm = train(recipe, other, tmp_path / "warm", start_from=vae_run, device="cpu", progress=recorder)
    part = Batches(other.split("test").images, torch.device("cpu"))
    then = average_over(vae_run.model, part, recipe)
    row = warm.run.history[0]
    assert row["test_objective_nats"] == pytest.approx(then.objective, rel=1e-3)
    assert warm.run.started_from == {"run": vae_run.run.name, "model_sha256": vae_run.run.model_sha256()}
    assert vae_run.run.started_from == {}


def test_auto_takes_the_dimensions_of_the_run(vae_run, tiny, other, tmp_path):
    warm = train(tiny(latent="auto", epochs=1), other, tmp_path / "r", start_from=vae_run.run.path, device="cpu")
    assert warm.recipe.latent == vae_run.recipe.latent


@pytest.mark.parametrize("changes", [{"channels": [4, 4]}, {"norm": "group"}, {"posterior": "point"}])
def test_another_network_is_refused(changes, vae_run, tiny, other, tmp_path):
    name = next(iter(changes))
    with pytest.raises(ArmoireError, match=f"has {name} = .*, and this training {name} = .*--from"):
        train(tiny(**changes), other, tmp_path / "r", start_from=vae_run, device="cpu")
    assert not (tmp_path / "r" / "model.safetensors").exists()


def test_a_resumed_training_knows_what_it_started_from(vae_run, tiny, other, tmp_path, stops_at):
    recipe = tiny()
    with pytest.raises(TrainingInterruptedError):
        train(recipe, other, tmp_path / "r", start_from=vae_run, device="cpu", progress=stops_at(2))
    went_on = train(recipe, other, tmp_path / "r", resume=True, device="cpu")
    assert went_on.run.started_from["run"] == vae_run.run.name
    whole = train(recipe, other, tmp_path / "whole", start_from=vae_run, device="cpu")
    a, b = (Run.open(run.run.path).model().state_dict() for run in (went_on, whole))
    assert all(torch.equal(tensor, b[name]) for name, tensor in a.items())
