"""How long a training is, in epochs, steps or minutes, and which of its weights are kept."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.images import ImageSet
from armoire.training import Run, StepDone, fit_epochs, load_recipe, trainer
from armoire.training.checkpointing import load_checkpoint
from armoire.training.optimizer_state import with_prefix
from armoire.training.parts import Parts
from armoire.training.recipe import Recipe
from armoire.training.schedule import ROWS, Length, default_steps

CPU = torch.device("cpu")


class Clock:
    """A clock that goes on by what a step takes, and a measurement."""

    def __init__(self, *paces: float, measuring: float = 0.0) -> None:
        self.now, self.paces, self.measuring = 1000.0, paces, measuring

    def __call__(self) -> float:
        return self.now

    def step(self, done: StepDone) -> None:
        self.now += self.paces[done.step % len(self.paces)]


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.path / "model.safetensors")


def by_clock(recipe: Recipe, images: ImageSet, out: object, clock: Clock, **rest: object) -> Run:
    """A training in which a clock goes on with every step and every measurement."""
    real, half = trainer.average_over, clock.measuring / 2 if recipe.validation else clock.measuring

    def slow(*given: object) -> object:
        clock.now += half
        return real(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "average_over", slow)
        return fit_epochs(recipe, images, out, device="cpu", clock=clock, on_step=clock.step, **rest)


@pytest.mark.parametrize(
    ("paces", "measuring"),
    [((0.5,), 0.0), ((0.2, 1.3), 1.0), ((0.1,) * 50 + (1.0,) * 20, 2.0), ((0.3,) * 30 + (0.9,) * 60, 3.0)],
    ids=["steady", "uneven", "slows down", "next to a busy process"],
)
def test_minutes_end_in_time_and_with_the_schedule_at_its_end(tmp_path, tiny, discs, recorder, paces, measuring):
    recipe, clock = tiny(minutes=1, validation=0.2), Clock(*paces, measuring=measuring)
    run = by_clock(recipe, discs(), tmp_path / "run", clock, progress=recorder)
    assert 54 <= clock.now - 1000 <= 66
    rates, steps = ([row[key] for row in run.history] for key in ("learning_rate", "step"))
    assert rates[-1] < recipe.lr / 100
    assert max(rates) > recipe.lr / 2
    assert 4 <= len(rates) <= ROWS
    assert Run.open(run.path).steps == steps[-1]
    assert any("1 minutes" in note for note in recorder.notes)


@pytest.mark.parametrize("at", [3, 30, 55])
def test_a_resumed_training_has_the_rest_of_its_minutes(tmp_path, tiny, discs, stops_at, at):
    recipe, first, second = tiny("images-vae", minutes=1), Clock(1.0, measuring=0.5), Clock(0.3, measuring=0.5)
    with pytest.raises(TrainingInterruptedError, match=r"of 1 minutes; all is saved"):
        by_clock(recipe, discs(), tmp_path / "run", first, progress=stops_at(at))
    # A recipe without a length goes on with the run's.
    run = by_clock(load_recipe_of(recipe), discs(), tmp_path / "run", second, resume=True)
    assert 54 <= first.now + second.now - 2000 <= 66
    assert run.history[-1]["learning_rate"] < recipe.lr / 100
    assert Run.open(run.path).recipe.minutes == 1
    third = Clock(1.0)
    before = weights(run)
    again = by_clock(recipe, discs(), tmp_path / "run", third, resume=True)
    assert third.now == 1000
    assert all(torch.equal(t, before[name]) for name, t in weights(again).items())


def load_recipe_of(recipe: Recipe) -> Recipe:
    """The recipe without its length."""
    return Recipe.model_validate(recipe.model_dump() | {"minutes": None})


def test_as_many_steps_as_some_epochs_give_the_same_bits(tmp_path, tiny, discs):
    one = fit_epochs(tiny(epochs=2), discs(), tmp_path / "epochs", device="cpu")
    two = fit_epochs(tiny(steps=10), discs(), tmp_path / "steps", device="cpu")
    assert (two.recipe.steps, two.recipe.epochs) == (10, None)
    assert all(torch.equal(t, weights(two)[name]) for name, t in weights(one).items())


@pytest.mark.parametrize(("images", "fewest", "most"), [(20, 1000, 1000), (200, 1000, 1000), (200_000, 6250, 31_250)])
def test_the_default_length_suits_few_and_many_images(images, fewest, most):
    """200,000 images: at least an epoch in batches of 32, and at most five."""
    assert fewest <= default_steps(images) <= most


def test_a_recipe_without_a_length_gets_one_that_its_run_records(tmp_path, tiny, discs, stops_at, monkeypatch):
    recipe = Recipe.model_validate(tiny().model_dump() | {"epochs": None})
    monkeypatch.setattr("armoire.training.checkpointing.default_steps", lambda images: images // 5)
    with pytest.raises(TrainingInterruptedError, match="3 of 8 steps"):
        fit_epochs(recipe, discs(), tmp_path / "run", device="cpu", progress=stops_at(3))
    monkeypatch.setattr("armoire.training.checkpointing.default_steps", lambda images: images)
    run = fit_epochs(recipe, discs(), tmp_path / "run", device="cpu", resume=True)
    assert (Run.open(run.path).recipe.steps, run.history[-1]["step"]) == (8, 8)
    with pytest.raises(ArmoireError, match="has done 8 steps; give --steps 8 or more"):
        fit_epochs(recipe.change(steps=7), discs(), tmp_path / "run", device="cpu", resume=True)


def test_one_length_is_given_and_replaces_another():
    recipe = load_recipe("fashion-vae")
    assert [recipe.change(**{unit: 3}).length for unit in ("epochs", "steps", "minutes")] == [
        "3 epochs",
        "3 steps",
        "3 minutes",
    ]
    with pytest.raises(ArmoireError, match="recipe fashion-vae: give one of epochs, steps, minutes, not steps and min"):
        recipe.change(steps=3, minutes=3)


def test_measurements_take_a_tenth_of_the_work_at_most():
    recipe = load_recipe("images-vae")
    for images, steps in ((2000, 2000), (66, 2000), (2000, 30)):
        length = Length(recipe.change(steps=steps), 100, images)
        rows = 0
        for step in range(1, steps + 1):
            length.move(step)
            rows += length.is_due(step)
        assert 1 <= rows <= ROWS
        assert (rows - 1) * images / 3 <= 0.1 * steps * recipe.batch


def rising(monkeypatch: pytest.MonkeyPatch, objectives: list[float]) -> None:
    """Let the objective on the validation images take these values."""
    real, values = trainer.at_fitted_scale, iter(objectives)
    monkeypatch.setattr(trainer, "at_fitted_scale", lambda *given: replace(real(*given), objective=next(values)))


def test_the_weights_that_validation_chose_are_kept_and_over_fitting_stops(
    tmp_path, tiny, discs, recorder, monkeypatch
):
    recipe = tiny("images-vae", size=16, steps=100, validation=0.2)
    with monkeypatch.context() as patch:
        rising(patch, [5.0, 3.0, *map(float, range(4, 30))])
        run = fit_epochs(recipe, discs(), tmp_path / "run", device="cpu", progress=recorder)
    rows = run.history
    best, last = int(rows[1]["step"]), int(rows[-1]["step"])
    assert best + 25 <= last < 100
    assert any("over-fits" in note and f"weights of step {best}" in note for note in recorder.notes)
    kept = load_checkpoint(run.path / "checkpoints" / "best.safetensors")
    assert kept.step == best
    tensors = with_prefix(kept.tensors, "model") | with_prefix(kept.tensors, "average")
    assert all(torch.equal(tensors[name], t) for name, t in weights(run).items())
    opened = Run.open(run.path)
    assert (opened.header["step"], opened.steps, opened.measured) == (str(best), last, rows[1])
    again = fit_epochs(recipe, discs(), tmp_path / "run", device="cpu", resume=True)
    assert again.history == rows
    assert all(torch.equal(t, weights(again)[name]) for name, t in weights(run).items())
    (run.path / "checkpoints" / "best.safetensors").write_bytes(b"damaged")
    fit_epochs(recipe, discs(), tmp_path / "run", device="cpu", resume=True, progress=recorder)
    assert any("best.safetensors is damaged" in note and "last weights are kept" in note for note in recorder.notes)


def test_validation_images_are_drawn_from_the_training_images_or_a_valid_split_that_is_not_held_out(tiny, discs):
    images, recipe = discs(), tiny(validation=0.2)
    parts = Parts.of(recipe, images, CPU)
    assert (len(parts), len(parts.validation), len(parts.held_out)) == (32, 8, 10)
    trained = {x.numpy().tobytes() for x in parts.train.batch(parts.rows)}
    chosen = {x.numpy().tobytes() for x in next(parts.validation.in_turn(8))}
    assert len(trained | chosen) == 40
    other = Parts.of(recipe.change(seed=1), images, CPU)
    assert not torch.equal(other.rows, parts.rows)

    def with_splits(*splits: tuple[str, int]) -> ImageSet:
        names = [name for name, n in splits for _ in range(n)]
        return replace(images, table=images.table.set_column(1, "split", [names]))

    apart = Parts.of(recipe, with_splits(("train", 30), ("valid", 10), ("test", 10)), CPU)
    assert (len(apart), len(apart.validation)) == (30, math.ceil(0.2 * 30))
    held_out = Parts.of(recipe, with_splits(("train", 40), ("valid", 10)), CPU)
    assert (len(held_out), len(held_out.validation)) == (32, 8)
    few = Parts.of(recipe, with_splits(("train", 9), ("test", 41)), CPU)
    assert (len(few), few.validation) == (9, None)
