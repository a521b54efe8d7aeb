from __future__ import annotations

import math
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.images import ImageSet
from armoire.images.imageset import drawn_rows
from armoire.model import Autoencoder
from armoire.model.likelihood import to_unit
from armoire.model.pretrained import read_header
from armoire.training import Run, fit_epochs, trainer
from armoire.training.checkpointing import list_checkpoints, load_checkpoint, lock_folder, stop_requests
from armoire.training.randomness import generator, normal_like, permutation
from armoire.training.recipe import load_recipe
from armoire.training.schedule import beta_at, learning_rate
from armoire.training.step import corrupt

TIMES = ("seconds", "images_per_second")
STEPS = 5  # an epoch of 40 images in batches of 8


def fit(recipe, images, out, **rest) -> Run:
    return fit_epochs(recipe, images, out, device="cpu", **rest)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.path / "model.safetensors")


def numbers(run: Run) -> list[dict[str, float]]:
    """The history without what depends on the clock."""
    rows = Run.open(run.path).history
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def assert_same(one: Run, two: Run) -> None:
    assert numbers(one) == numbers(two)
    a, b = weights(one), weights(two)
    assert list(a) == list(b)
    assert all(torch.equal(a[name], b[name]) for name in a)


def interrupt(recipe, images, out, recorder, **rest) -> None:
    with pytest.raises(TrainingInterruptedError, match="stopped by SIGINT"):
        fit(recipe, images, out, progress=recorder, **rest)


def pixels(images: ImageSet) -> torch.Tensor:
    return to_unit(torch.from_numpy(images.split("train").images.copy()))


@pytest.mark.parametrize(
    ("name", "changes"), [("fashion-vae", {}), ("fashion-dae", {}), ("images-vae", {"size": 16, "latent": 3})]
)
def test_the_same_seed_gives_the_same_bits(tmp_path, tiny, discs, name, changes):
    recipe, images = tiny(name, **changes), discs()
    torch.manual_seed(1)
    one = fit(recipe, images, tmp_path / "one")
    torch.manual_seed(2)
    two = fit(recipe, images, tmp_path / "two")
    assert_same(one, two)
    other = fit(recipe.change(seed=1), images, tmp_path / "other")
    assert numbers(other) != numbers(one)


@pytest.fixture(scope="module", params=["fashion-vae", "images-vae"])
def uninterrupted(request, tmp_path_factory, tiny, discs):
    """A recipe, images, and the run that they make; not to be written to."""
    # a convolution from 8 to 12 channels: memory layouts that differ would show
    recipe, images = tiny(request.param, channels=[8, 12], epochs=3, size=16), discs(channels=3)
    if request.param == "images-vae":
        recipe = recipe.change(steps=3 * STEPS, validation=0.2)
    return recipe, images, fit(recipe, images, tmp_path_factory.mktemp("uninterrupted") / "whole")


@pytest.mark.parametrize("moments", [(1,), (STEPS,), (STEPS + 3,), (3 * STEPS,), (2, 5)])
def test_interrupted_and_resumed_is_equal_to_the_bit(tmp_path, uninterrupted, stops_at, moments):
    recipe, images, whole = uninterrupted
    for at in moments:
        interrupt(recipe, images, tmp_path / "parts", stops_at(at), resume=at != moments[0])
    assert_same(whole, fit(recipe, images, tmp_path / "parts", resume=True))


def test_an_interrupted_run_can_be_used_and_goes_on_where_it_stopped(tmp_path, tiny, discs, stops_at, recorder):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    words = r"stopped by SIGINT after 3 of 10 steps.*--resume .in Python resume=True. goes on from there"
    with pytest.raises(TrainingInterruptedError, match=words):
        fit(tiny(), discs(), tmp_path / "run", progress=stops_at(3))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    run = Run.open(tmp_path / "run")
    assert (run.header["step"], run.header["epoch"]) == ("3", "0.6")
    assert isinstance(run.model(), Autoencoder)
    fit(tiny(), discs(), run.path, resume=True, progress=recorder)
    assert "going on from step-000000003.safetensors, 3 of 10 steps done" in recorder.notes
    assert (recorder.total, recorder.done, recorder.advances) == (80, 80, 7)


def test_the_first_signal_is_noted_and_the_second_acts_as_usual():
    with stop_requests() as stop:
        assert stop() == ""
        signal.raise_signal(signal.SIGTERM)
        assert stop() == "SIGTERM"
    with pytest.raises(KeyboardInterrupt), stop_requests() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop() == "SIGINT"
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("changes", "options", "n", "words"),
    [
        ({}, {"device": "cdua"}, 40, "no device 'cdua'; did you mean 'cuda'"),
        ({}, {"snapshots": -1}, 40, "--snapshots should be 0 or more"),
        ({"norm": "batch", "batch": 1}, {}, 40, "at least 2 training images and a --batch of 2 or more"),
        ({"norm": "batch"}, {}, 1, "at least 2 training images"),
        ({"channels": [4] * 5}, {}, 40, "5 stages do not divide a size of 16 in recipe fashion-vae"),
    ],
)
def test_what_cannot_be_trained_is_an_error(tmp_path, tiny, discs, changes, options, n, words):
    with pytest.raises(ArmoireError, match=words):
        fit_epochs(tiny(**changes), discs(n), tmp_path / "run", **{"device": "cpu"} | options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "seed", "words"),
    [
        ({"lr": 0.5}, 0, r"begun with lr 0.003 \(now 0.5\)"),
        ({}, 1, "begun on other data"),
        ({"epochs": 1}, 0, "give --epochs 2 or more"),
    ],
)
def test_a_training_is_resumed_with_its_settings_and_data_only(tmp_path, vae_run, discs, changes, seed, words):
    out = shutil.copytree(vae_run.run.path, tmp_path / "run")
    with pytest.raises(ArmoireError, match=words):
        fit(vae_run.recipe.change(**changes), discs(seed=seed), out, resume=True)
    for taken, reason in ((out, "already holds something"), (out / "history.csv" / "run", "is a file, not a folder")):
        with pytest.raises(ArmoireError, match=reason):
            fit(vae_run.recipe, discs(), taken)


def test_a_resumed_training_may_have_more_epochs(tmp_path, tiny, discs):
    recipe = tiny(schedule="constant")
    fit(recipe, discs(), tmp_path / "run")
    longer = fit(recipe.change(epochs=3), discs(), tmp_path / "run", resume=True)
    assert_same(longer, fit(recipe.change(epochs=3), discs(), tmp_path / "whole"))


@pytest.mark.parametrize("name", ["", "checkpoints", "priors", "neighbours"])
def test_what_killed_processes_left_half_written_is_removed(tmp_path, name):
    folder = tmp_path / "run" / name
    folder.mkdir(parents=True)
    (folder / ".gmm.99404681.part.safetensors").touch()
    (folder / "gmm.safetensors").touch()
    with lock_folder(tmp_path / "run"):
        assert [path.name for path in folder.glob("*.safetensors")] == ["gmm.safetensors"]


def test_a_new_checkpoint_stays_where_no_earlier_one_can_be_read(tmp_path, vae_run, stops_at):
    from armoire.io.tensors import write_tensors

    out, recorder = shutil.copytree(vae_run.run.path, tmp_path / "run"), stops_at(2)
    one, other = list_checkpoints(out / "checkpoints")
    one.write_bytes(b"")
    write_tensors(other, {}, {"format": "armoire-checkpoint-2"})
    interrupt(vae_run.recipe, vae_run.images, out, recorder, resume=True)
    assert any(path.stem == "step-000000002" for path in list_checkpoints(out / "checkpoints"))
    for words in (f"{one} is damaged", f"{other} is of another version"):
        assert any(words in note for note in recorder.notes)


def test_the_last_two_checkpoints_and_the_best_stay(tmp_path, tiny, discs, monkeypatch):

    objectives, real = iter([5.0, 3.0, 4.0, 4.5]), trainer.average_over
    monkeypatch.setattr(trainer, "average_over", lambda *given: replace(real(*given), objective=next(objectives)))
    run = fit(tiny(epochs=4), discs(), tmp_path / "run")
    folder = run.path / "checkpoints"
    names = ["best.safetensors", "step-000000015.safetensors", "step-000000020.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert load_checkpoint(folder / "best.safetensors").step == 2 * STEPS
    last = load_checkpoint(folder / names[-1]).tensors
    assert all(torch.equal(last[f"model.{name}"], t) for name, t in weights(run).items())


def test_a_checkpoint_within_an_epoch_holds_what_a_resumed_training_needs(tmp_path, tiny, discs, monkeypatch):
    monkeypatch.setattr("armoire.training.trainer.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    recipe, images = tiny(), discs()
    whole = fit(recipe, images, tmp_path / "whole")
    partly = fit(recipe, images, tmp_path / "run")
    folder = partly.path / "checkpoints"
    names = [path.name for path in list_checkpoints(folder)]
    assert names == ["step-000000009.safetensors", "step-000000010.safetensors"]
    (folder / names[-1]).unlink()
    assert_same(whole, fit(recipe, images, tmp_path / "run", resume=True))


def finite(path) -> bool:
    return all(torch.isfinite(t).all() for t in load_file(path).values() if t.is_floating_point())


@pytest.mark.parametrize("batch", [8, 40])
def test_an_objective_that_is_no_longer_finite_stops_the_training(tmp_path, tiny, discs, batch):
    recipe = tiny(lr=1e30, batch=batch, epochs=4, schedule="constant")
    with pytest.raises(ArmoireError, match=r"stopped at step \d+: .* no longer finite.*learning rate.*try --lr 1e\+29"):
        fit(recipe, discs(), tmp_path / "run", snapshots=10)
    assert all(finite(path) for path in (tmp_path / "run").rglob("*.safetensors"))
    history = tmp_path / "run" / "history.csv"
    assert not history.exists() or not {"nan", "inf"} & set(history.read_text().replace("\n", ",").split(","))


def test_a_line_ends_with_the_warning_of_its_row(tmp_path, tiny, discs, recorder, monkeypatch):
    monkeypatch.setattr(trainer, "jump", lambda *given: f"; warning: row {len(given[2])}")
    fit(tiny(), discs(), tmp_path / "run", progress=recorder)
    lines = [line for line in recorder.notes if line.startswith("epoch")]
    assert [line.rpartition("; ")[2] for line in lines] == ["warning: row 0", "warning: row 1"]


def test_the_first_step_that_is_not_finite_is_named(tmp_path, tiny, discs, monkeypatch):
    from armoire.training import step

    real, number = step.forward, iter(range(1, 1000))

    def poisoned(*given):
        terms = real(*given)
        return replace(terms, distortion=terms.distortion * (math.nan if next(number) == 8 else 1))

    monkeypatch.setattr(step, "forward", poisoned)
    with pytest.raises(ArmoireError, match=r"stopped at step 8: .*last good checkpoint is .*step-000000005"):
        fit(tiny(), discs(), tmp_path / "run")
    assert [p.stem for p in list_checkpoints(tmp_path / "run" / "checkpoints")] == ["step-000000005"]


def test_the_columns_of_the_history(vae_run, ae_run, tmp_path, tiny, discs):
    of_a_split = ["distortion_nats", "rate_nats", "objective_nats"]
    published = ["published_reconstruction_loss", "published_kl_loss", "published_total_loss"]
    expected = ["epoch", "step"]
    expected += [f"{split}_{column}" for split in ("train", "test") for column in of_a_split + published]
    expected += ["learning_rate", "seconds", "images_per_second"]
    assert list(vae_run.run.history[0]) == list(ae_run.run.history[0]) == expected
    run = fit(tiny("images-vae", size=16), discs(), tmp_path / "run")
    assert list(run.history[0]) == [name for name in expected if "published" not in name]


def test_the_history_agrees_with_itself(vae_run):
    rows, recipe = vae_run.run.history, vae_run.recipe
    assert [row["epoch"] for row in rows] == [1, 2]
    assert [row["step"] for row in rows] == [5, 10]
    for row in rows:
        for split in ("train", "test"):
            distortion, rate = row[f"{split}_distortion_nats"], row[f"{split}_rate_nats"]
            assert row[f"{split}_objective_nats"] == pytest.approx(distortion + recipe.beta * rate, rel=1e-9)
            assert row[f"{split}_published_kl_loss"] == rate
            # 256 pixels an image here, where the published pictures have 1024
            assert row[f"{split}_published_reconstruction_loss"] == pytest.approx(500 * distortion / 256, rel=1e-6)
        # Both are rounded, and an epoch may take few milliseconds.
        rate, seconds = row["images_per_second"], row["seconds"]
        assert (rate - 0.1) * (seconds - 0.001) < 40 < (rate + 0.1) * (seconds + 0.001)
    assert rows[1]["train_objective_nats"] < rows[0]["train_objective_nats"]


@pytest.mark.parametrize(
    "changes",
    [{"beta": 7.0, "beta_warmup": 0.5, "beta_cycles": 2}, {"noise": 0.4}, {"schedule": "constant"}, {"clip": 0.5}],
)
def test_it_is_the_loop_that_anyone_would_write(tmp_path, tiny, discs, changes):
    recipe, images = tiny(**changes), discs(n=42)
    run = fit(recipe, images, tmp_path / "run")
    x = pixels(images)
    model = Autoencoder(recipe.architecture(images), generator(recipe.seed, "weights")).train()
    optimizer = torch.optim.Adam(model.parameters())
    step = 0
    for epoch in range(recipe.epochs):
        for chosen in permutation(recipe.seed, epoch, 42).split(recipe.batch):
            draws = generator(recipe.seed, "step", step)
            seen = corrupt(x[chosen], recipe.noise, normal_like(x[chosen], draws)) if recipe.noise else x[chosen]
            q = model.encode(seen)
            distortion = model.likelihood.distortion(model.decoder(q.sample(normal_like(q.mean, draws))), x[chosen])
            optimizer.zero_grad()
            (distortion + beta_at(recipe, step, 12) * q.rate()).mean().backward()
            if recipe.clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            optimizer.param_groups[0]["lr"] = learning_rate(recipe, step, 12)
            optimizer.step()
            step += 1
    assert step == 12
    trained = weights(run)
    for name, t in model.state_dict().items():
        torch.testing.assert_close(trained[name], t, rtol=1e-3, atol=1e-5)


def test_an_epoch_averages_over_every_training_image_once(tmp_path, tiny, discs):
    # nothing is learned at such a rate, so the epoch's average is that of the fresh model
    recipe, images = tiny("fashion-ae", lr=1e-12, epochs=1), discs(n=42)
    run = fit(recipe, images, tmp_path / "run")
    with torch.no_grad():
        distortion = run.model().terms(pixels(images), torch.zeros(42, recipe.dimensions)).distortion.mean().item()
    assert run.history[0]["train_distortion_nats"] == pytest.approx(distortion, rel=1e-5)


def test_snapshots_are_evenly_spaced_and_exact_under_resume(tmp_path, uninterrupted, stops_at):
    recipe, images, _ = uninterrupted
    whole = fit(recipe, images, tmp_path / "whole", snapshots=4)
    assert list(whole.snapshots) == [4, 8, 12, 15]
    assert all(read_header(path)["step"] == str(step) for step, path in whole.snapshots.items())
    last = dict(Autoencoder.from_pretrained(whole.snapshot(15)).named_parameters())  # sigma is fitted after the step
    assert all(torch.equal(t, last[name]) for name, t in whole.model().named_parameters())
    interrupt(recipe, images, tmp_path / "parts", stops_at(6), snapshots=4)
    with pytest.raises(ArmoireError, match=r"begun with snapshots 4 \(now 5\)"):
        fit(recipe, images, tmp_path / "parts", resume=True, snapshots=5)
    parts = fit(recipe, images, tmp_path / "parts", resume=True)  # as many as before
    for step, path in whole.snapshots.items():
        one, other = load_file(path), load_file(parts.snapshot(step))
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_snapshots_of_a_training_that_begins_again_are_removed(tmp_path, tiny, discs):
    begun = tmp_path / "run" / "snapshots" / "step-000099.safetensors"
    begun.parent.mkdir(parents=True)
    begun.touch()
    assert list(fit(tiny(), discs(), tmp_path / "run", snapshots=1).snapshots) == [10]


def test_a_function_is_called_after_each_step(tmp_path, tiny, discs):
    recipe, seen = tiny(beta_warmup=0.5), []
    run = fit(recipe, discs(), tmp_path / "run", on_step=seen.append)
    assert [(done.step, done.total) for done in seen] == [(step, 10) for step in range(1, 11)]
    assert [done.beta for done in seen] == [beta_at(recipe, step, 10) for step in range(10)]
    for done in seen:
        objective = done.terms.objective(done.beta).mean().item()
        assert done.objective.item() == pytest.approx(objective, rel=1e-5)
    assert all(torch.equal(t, run.model().state_dict()[name]) for name, t in seen[-1].model.state_dict().items())
    assert [row["beta"] for row in run.history] == [seen[4].beta, seen[9].beta]


def test_its_error_ends_the_training_which_goes_on_from_the_last_checkpoint(tmp_path, tiny, discs):
    def fail(done):
        if done.step == 7:
            raise RuntimeError("of the caller's own")

    with pytest.raises(RuntimeError, match="own"):
        fit(tiny(), discs(), tmp_path / "run", on_step=fail)
    assert_same(fit(tiny(), discs(), tmp_path / "run", resume=True), fit(tiny(), discs(), tmp_path / "whole"))


def test_what_a_run_holds(vae_run):
    path = vae_run.run.path
    assert {p.name for p in path.iterdir()} == {
        "recipe.toml",
        "model.safetensors",
        "history.csv",
        "checkpoints",
        "previews",
        "latents.parquet",
        "outliers.safetensors",
    }
    assert sorted(p.name for p in (path / "previews").iterdir()) == ["step-000005.png", "step-000010.png"]
    header = read_header(path / "model.safetensors")
    assert header["step"] == "10"
    assert header["epoch"] == "2"
    assert header["seed"] == "0"
    assert header["data_fingerprint"] == vae_run.images.info.fingerprint
    assert "nats" in header["units"]
    assert load_recipe(path / "recipe.toml") == vae_run.recipe


def with_pixels(images: ImageSet, split: str, value: int) -> ImageSet:
    """The same set with every pixel of one split replaced."""
    pixels = images.images.copy()
    pixels[images.split_of == split] = value
    return replace(images, images=pixels)


@pytest.mark.parametrize("validation", [0, 0.2])
def test_training_never_sees_a_held_out_image(tmp_path, tiny, discs, validation):
    images, recipe = discs(), tiny(validation=validation)
    one = fit(recipe, images, tmp_path / "one")
    two = fit(recipe, with_pixels(images, "test", 255), tmp_path / "two")
    a, b = weights(one), weights(two)
    assert all(torch.equal(a[name], b[name]) for name in a)
    for x, y in zip(numbers(one), numbers(two), strict=True):
        assert x["train_distortion_nats"] == y["train_distortion_nats"]
        assert x["test_distortion_nats"] != y["test_distortion_nats"]
    three = weights(fit(recipe, with_pixels(images, "train", 255), tmp_path / "three"))
    assert not all(torch.equal(a[name], three[name]) for name in a)


def test_labels_never_train(tmp_path, tiny, discs):
    images = discs()
    blank = images.table.set_column(2, "label", [[None] * len(images)])
    one, two = fit(tiny(), images, tmp_path / "a"), fit(tiny(), replace(images, table=blank), tmp_path / "b")
    assert all(torch.equal(t, weights(two)[name]) for name, t in weights(one).items())


def test_a_limit_draws_training_images_with_the_seed(tmp_path, tiny, discs):
    images = discs()
    beyond = images.images.copy()
    beyond[np.setdiff1d(np.arange(40), drawn_rows(images.labels[:40], 16, tiny().seed))] = 255
    one = fit(tiny(limit=16), images, tmp_path / "one")
    two = fit(tiny(limit=16), replace(images, images=beyond), tmp_path / "two")
    assert_same(one, two)
    assert one.history[-1]["step"] == 4


def test_a_last_batch_of_one_image_is_left_out(tmp_path, tiny, discs):
    run = fit(tiny("images-vae", size=16), discs(n=33), tmp_path / "run")
    assert run.history[-1]["step"] == 8
    assert np.isfinite(run.history[-1]["test_objective_nats"])


def test_the_validation_split_is_held_out_where_there_is_no_test_split(tmp_path, tiny, discs):
    images = discs()
    splits = ["valid" if split == "test" else split for split in images.split_of]
    run = fit(tiny(epochs=1), replace(images, table=images.table.set_column(1, "split", [splits])), tmp_path / "run")
    assert "valid_objective_nats" in run.history[0]
