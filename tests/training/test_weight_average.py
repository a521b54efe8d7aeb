from __future__ import annotations

import pytest
import torch
from torch import nn

from armoire.training import Run, fit_epochs
from armoire.training.averages import average_over
from armoire.training.batches import Batches
from armoire.training.weight_average import WeightAverage


def test_it_is_the_exponential_moving_average_and_is_used_for_a_block_only():
    layer = nn.Linear(1, 1)
    average, expected = WeightAverage(layer, 0.9), None
    for step in range(200):
        with torch.no_grad():
            layer.weight.fill_(step)
        average.update(step)
        keep = min(0.9, (1 + step) / (10 + step))
        expected = step if expected is None else keep * expected + (1 - keep) * step
    last = layer.weight.detach().clone()
    with average.in_use(), average.in_use():
        assert layer.weight.item() == pytest.approx(expected, rel=1e-3)
    assert torch.equal(layer.weight, last)


def test_without_a_decay_the_last_weights_are_used():
    layer = nn.Linear(1, 1)
    average, last = WeightAverage(layer, 0.0), layer.weight.detach().clone()
    average.update(0)
    with average.in_use():
        assert torch.equal(layer.weight, last)
    assert not average.values


def test_what_is_measured_is_what_is_kept(tmp_path, tiny, discs):
    recipe, images = tiny("images-vae", size=16, average=0.9), discs()
    run = fit_epochs(recipe, images, tmp_path / "run", device="cpu")
    last = fit_epochs(recipe.change(average=0.0), images, tmp_path / "last", device="cpu")
    column = "test_objective_nats"
    assert run.history[-1][column] != pytest.approx(last.history[-1][column], rel=1e-4)
    assert run.history[-1]["train_objective_nats"] == last.history[-1]["train_objective_nats"]  # trained alike
    for made in (run, last):
        opened = Run.open(made.path)
        found = average_over(opened.model(), Batches(images.split("test").images, torch.device("cpu")), opened.recipe)
        assert found.objective == pytest.approx(opened.history[-1][column], rel=1e-4)
