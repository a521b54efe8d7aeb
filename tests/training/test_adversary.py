"""A critic: the gradients that it adds, and that a training with one is resumed to the bit."""

from __future__ import annotations

import contextlib

import pytest
import torch

from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.model import Autoencoder, to_unit
from armoire.training import fit_epochs
from armoire.training.adversary import Adversary
from armoire.training.distributed import DistributedContext
from armoire.training.randomness import generator
from armoire.training.step import forward


@pytest.fixture
def recipe(tiny):
    return tiny("images-vae", latent=4, adversarial=0.7, adversarial_from=0.4)


def batch(images) -> torch.Tensor:
    return to_unit(torch.from_numpy(images.split("train").images[:8].copy()))


def gradients(recipe, images, weight: float, steps: int = 1) -> tuple[list[torch.Tensor], Adversary]:
    model = Autoencoder(recipe.architecture(images), generator(0, "weights"))
    x = batch(images)
    adversary = Adversary(x.shape[1], weight, 0, torch.device("cpu"))
    for step in range(steps):
        model.zero_grad()
        terms = forward(model.terms, x, recipe, generator(0, "step", step))
        adversary.step(x, terms, model.likelihood, recipe.beta, 1e-3)
    return [p.grad.clone() for p in model.parameters()], adversary


def test_with_a_weight_of_zero_the_gradients_are_those_of_the_objective(recipe, discs):
    images = discs()
    found, _ = gradients(recipe, images, 0.0)
    model = Autoencoder(recipe.architecture(images), generator(0, "weights"))
    forward(model.terms, batch(images), recipe, generator(0, "step", 0)).objective(recipe.beta).mean().backward()
    for ours, parameter in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(ours, parameter.grad, rtol=1e-4, atol=1e-6)


def test_the_added_gradient_has_its_weight(recipe, discs, monkeypatch):
    """At the decoder's output the critic adds a gradient of `weight` times the length of the likelihood's."""
    entering: list[torch.Tensor] = []
    backward = torch.autograd.backward

    def record(tensors, gradients=None, *others, **settings):
        entering.append(gradients[0].clone())
        backward(tensors, gradients, *others, **settings)

    monkeypatch.setattr(torch.autograd, "backward", record)
    for weight in (0.0, 0.7):
        gradients(recipe, discs(), weight)
    plain, changed = entering
    assert (changed - plain).norm() == pytest.approx(0.7 * plain.norm().item(), rel=1e-3)


def test_the_critic_learns_to_distinguish(recipe, discs):
    images = discs()
    _, adversary = gradients(recipe, images, 0.5, steps=60)
    x = batch(images)
    real, _ = adversary.critic(x)
    fake, _ = adversary.critic(torch.full_like(x, 0.5))
    assert real.mean() > fake.mean() + 0.5


def test_a_training_with_a_critic_is_resumed_to_the_bit(recipe, discs, tmp_path, stops_at):
    images = discs()
    whole = fit_epochs(recipe, images, tmp_path / "whole", device="cpu")
    # Before, in, and after the step in which the critic comes in, the fourth of ten.
    for at in (2, 5, 8):
        with pytest.raises(TrainingInterruptedError):
            fit_epochs(recipe, images, tmp_path / f"parts-{at}", resume=True, device="cpu", progress=stops_at(at))
        parts = fit_epochs(recipe, images, tmp_path / f"parts-{at}", resume=True, device="cpu")
        one, other = (run.model().state_dict() for run in (whole, parts))
        assert all(torch.equal(one[name], other[name]) for name in one), at


def test_the_global_generator_is_not_changed():
    state = torch.random.get_rng_state()
    one, other = (Adversary(3, 1.0, 5, torch.device("cpu")).critic.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_several_processes_are_refused(recipe, discs, tmp_path, monkeypatch):
    from armoire.training import trainer

    monkeypatch.setattr(trainer, "join", lambda device: DistributedContext(rank=0, size=2))
    monkeypatch.setattr(trainer, "synchronise", lambda model, distributed: None)
    monkeypatch.setattr(DistributedContext, "together", lambda self: contextlib.nullcontext())
    monkeypatch.setattr(DistributedContext, "parallel", lambda self, module: module)
    with pytest.raises(ArmoireError, match="one process only"):
        fit_epochs(recipe, discs(), tmp_path / "r", device="cpu")
