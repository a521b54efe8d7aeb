from __future__ import annotations

import math
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from armoire.errors import ArmoireError, TrainingInterruptedError
from armoire.images import ImageSet
from armoire.images.imageset import drawn_rows
from armoire.model import Autoencoder
from armoire.model.pretrained import read_header
from armoire.training import Run, fit_epochs
from armoire.training.checkpointing import list_checkpoints, load_checkpoint, stop_requests
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


def interrupt(recipe, images, out, recorder) -> None:
    with pytest.raises(TrainingInterruptedError, match="stopped by SIGINT"):
        fit(recipe, images, out, progress=recorder)


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
    return recipe, images, fit(recipe, images, tmp_path_factory.mktemp("uninterrupted") / "whole")


@pytest.mark.parametrize("at", [1, 3, STEPS, STEPS + 3, 3 * STEPS])
def test_interrupted_and_resumed_is_equal_to_the_bit(tmp_path, uninterrupted, stops_at, at):
    recipe, images, whole = uninterrupted
    interrupt(recipe, images, tmp_path / "parts", stops_at(at))
    parts = fit(recipe, images, tmp_path / "parts", resume=True)
    assert_same(whole, parts)


def test_interrupted_twice_is_equal_to_the_bit_too(tmp_path, tiny, discs, stops_at):
    recipe, images = tiny(), discs()
    whole = fit(recipe, images, tmp_path / "whole")
    interrupt(recipe, images, tmp_path / "parts", stops_at(2))
    with pytest.raises(TrainingInterruptedError):
        fit(recipe, images, tmp_path / "parts", resume=True, progress=stops_at(5))
    assert_same(whole, fit(recipe, images, tmp_path / "parts", resume=True))


def test_an_interrupted_run_can_be_used_and_says_how_far_it_came(tmp_path, tiny, discs, stops_at):
    with pytest.raises(
        TrainingInterruptedError, match=r"after 3 of 10 steps.*--resume .in Python resume=True. goes on from there"
    ):
        fit(tiny(), discs(), tmp_path / "run", progress=stops_at(3))
    run = Run.open(tmp_path / "run")
    assert run.header["step"] == "3"
    assert run.header["epoch"] == "0.6"
    assert isinstance(run.model(), Autoencoder)


def test_resuming_reports_from_where_it_goes_on(tmp_path, tiny, discs, stops_at, recorder):
    interrupt(tiny(), discs(), tmp_path / "run", stops_at(3))
    fit(tiny(), discs(), tmp_path / "run", resume=True, progress=recorder)
    assert "going on from step-000000003.safetensors, 3 of 10 steps done" in recorder.notes
    assert recorder.total == 80
    assert recorder.done == 80
    assert recorder.advances == 7


def test_the_handlers_are_put_back(tmp_path, tiny, discs, stops_at):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    interrupt(tiny(), discs(), tmp_path / "run", stops_at(3))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_signal_acts_as_usual():
    with pytest.raises(KeyboardInterrupt), stop_requests() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop() == "SIGINT"
        signal.raise_signal(signal.SIGINT)


def test_sigterm_is_noted_too():
    with stop_requests() as stop:
        assert stop() == ""
        signal.raise_signal(signal.SIGTERM)
        assert stop() == "SIGTERM"


@pytest.mark.parametrize(("key", "value"), [("lr", 0.5), ("beta", 7.0), ("batch", 10), ("seed", 3), ("latent", 3)])
def test_resuming_with_another_setting_names_it(tmp_path, tiny, discs, stops_at, key, value):
    recipe = tiny()
    interrupt(recipe, discs(), tmp_path / "run", stops_at(3))
    before = (tmp_path / "run" / "recipe.toml").read_text()
    with pytest.raises(ArmoireError, match=rf"begun with {key} {getattr(recipe, key)} \(now {value}\)"):
        fit(recipe.change(**{key: value}), discs(), tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "recipe.toml").read_text() == before


def test_resuming_on_other_data_is_told(tmp_path, tiny, discs, stops_at):
    interrupt(tiny(), discs(), tmp_path / "run", stops_at(3))
    with pytest.raises(ArmoireError, match="begun on other data"):
        fit(tiny(), discs(seed=1), tmp_path / "run", resume=True)


def test_more_epochs_may_be_asked_for(tmp_path, tiny, discs):
    recipe = tiny(schedule="constant")
    fit(recipe, discs(), tmp_path / "run")
    longer = fit(recipe.change(epochs=3), discs(), tmp_path / "run", resume=True)
    assert_same(longer, fit(recipe.change(epochs=3), discs(), tmp_path / "whole"))


def test_resuming_a_finished_run_changes_nothing(tmp_path, tiny, discs):
    run = fit(tiny(), discs(), tmp_path / "run")
    before = {name: (run.path / name).read_bytes() for name in ("model.safetensors", "history.csv", "recipe.toml")}
    fit(tiny(), discs(), tmp_path / "run", resume=True)
    assert {name: (run.path / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("damage", [b"", b"hello", "half"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, uninterrupted, recorder, damage):
    recipe, images, whole = uninterrupted
    run = Run(Path(shutil.copytree(whole.path, tmp_path / "run")))
    before, newest = list_checkpoints(run.path / "checkpoints")
    content = newest.read_bytes()
    newest.write_bytes(content[: len(content) // 2] if damage == "half" else damage)
    fit(recipe, images, tmp_path / "run", resume=True, progress=recorder)
    assert any(newest.name in note and "is damaged" in note for note in recorder.notes)
    assert any(f"going on from {before.name}" in note for note in recorder.notes)
    assert_same(whole, run)


def test_with_every_checkpoint_damaged_what_is_saved_next_is_kept(tmp_path, tiny, discs, stops_at):
    run = fit(tiny(), discs(), tmp_path / "run")
    for path in list_checkpoints(run.path / "checkpoints"):
        path.write_bytes(b"")
    with pytest.raises(TrainingInterruptedError, match="after 2 of 10 steps; all is saved"):
        fit(tiny(), discs(), tmp_path / "run", resume=True, progress=stops_at(2))
    assert any(path.stem == "step-000000002" for path in list_checkpoints(run.path / "checkpoints"))


def test_the_last_two_checkpoints_and_the_best_are_kept(tmp_path, tiny, discs):
    run = fit(tiny(epochs=4), discs(), tmp_path / "run")
    folder = run.path / "checkpoints"
    names = ["best.safetensors", "step-000000015.safetensors", "step-000000020.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names
    objectives = [row["test_objective_nats"] for row in run.history]
    best = 1 + objectives.index(min(objectives))
    assert load_checkpoint(folder / "best.safetensors").step == best * STEPS
    last = load_checkpoint(folder / names[-1])
    assert all(torch.equal(t, weights(run)[name]) for name, t in last.part("model").items())


def test_the_best_is_not_the_last_when_it_gets_worse(tmp_path, tiny, discs, monkeypatch):
    from armoire.training import trainer

    fixed = iter([5.0, 3.0, 4.0])
    real = trainer.average_over

    def worse_in_the_end(*given):
        return replace(real(*given), objective=next(fixed))

    monkeypatch.setattr(trainer, "average_over", worse_in_the_end)
    run = fit(tiny(epochs=3), discs(), tmp_path / "run")
    assert load_checkpoint(run.path / "checkpoints" / "best.safetensors").step == 2 * STEPS


def test_a_checkpoint_in_time_holds_what_a_resume_needs(tmp_path, tiny, discs, monkeypatch):
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


@pytest.mark.parametrize(("batch", "step"), [(8, r"\d+"), (40, r"\d+")])
def test_an_objective_that_is_no_longer_finite_stops_the_training(tmp_path, tiny, discs, batch, step):
    recipe = tiny(lr=1e30, batch=batch, epochs=4, schedule="constant")
    with pytest.raises(ArmoireError, match=rf"stopped at step {step}: .* no longer finite.*learning rate") as caught:
        fit(recipe, discs(), tmp_path / "run")
    assert "try --lr 1e+29" in str(caught.value)
    for path in (tmp_path / "run").rglob("*.safetensors"):
        assert finite(path)
    history = tmp_path / "run" / "history.csv"
    assert not history.exists() or not {"nan", "inf"} & set(history.read_text().replace("\n", ",").split(","))


def test_a_finite_explosion_is_warned_of_and_clipping_prevents_it(tmp_path, tiny, discs, recorder):
    """exp(log_var) turns a few steps that are too large into a rate of millions of nats."""
    recipe, images = tiny("images-vae", channels=[8, 16], latent=8, lr=0.1, batch=16, epochs=6), discs(300, channels=3)
    worst = {}
    for clip in (0.0, recipe.clip):
        run = fit(recipe.change(clip=clip), images, tmp_path / f"{clip}", progress=recorder)
        worst[clip] = max(row["train_rate_nats"] for row in run.history)
        warned = [line for line in recorder.notes if line.startswith("epoch") and "warning" in line]
        recorder.notes.clear()
        assert any("unstable" in line and "--lr 0.025" in line for line in warned) == (clip == 0)
    assert worst[0.0] > 100 * worst[recipe.clip]


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
    x = torch.from_numpy(images.split("train").images.copy()).permute(0, 3, 1, 2).float() / 255
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
    model = run.model()
    x = torch.from_numpy(images.split("train").images.copy()).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        distortion = model.terms(x, torch.zeros(42, recipe.latent)).distortion.mean().item()
    assert run.history[0]["train_distortion_nats"] == pytest.approx(distortion, rel=1e-5)


def test_snapshots_are_evenly_spaced_and_exact_under_resume(tmp_path, uninterrupted, stops_at):
    recipe, images, _ = uninterrupted
    whole = fit(recipe, images, tmp_path / "whole", snapshots=4)
    assert list(whole.snapshots) == [4, 8, 12, 15]
    assert all(read_header(path)["step"] == str(step) for step, path in whole.snapshots.items())
    last = Autoencoder.from_pretrained(whole.snapshot(15)).state_dict()
    assert all(torch.equal(t, last[name]) for name, t in whole.model().state_dict().items())
    with pytest.raises(TrainingInterruptedError):
        fit(recipe, images, tmp_path / "parts", snapshots=4, progress=stops_at(6))
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


def test_no_snapshot_is_taken_of_weights_that_are_not_finite(tmp_path, tiny, discs):
    with pytest.raises(ArmoireError, match="no longer finite"):
        fit(tiny(lr=1e30, schedule="constant"), discs(), tmp_path / "run", snapshots=10)
    assert all(finite(path) for path in (tmp_path / "run").rglob("*.safetensors"))


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
        "error_percentiles.json",
    }
    assert sorted(p.name for p in (path / "previews").iterdir()) == ["epoch-0001.png", "epoch-0002.png"]
    header = read_header(path / "model.safetensors")
    assert header["step"] == "10"
    assert header["epoch"] == "2"
    assert header["seed"] == "0"
    assert header["data_fingerprint"] == vae_run.images.info.fingerprint
    assert "nats" in header["units"]
    assert load_recipe(path / "recipe.toml") == vae_run.recipe


@pytest.mark.parametrize("there", ["folder", "file"])
def test_a_place_that_is_taken_is_told(tmp_path, tiny, discs, there):
    out = tmp_path / "run"
    if there == "folder":
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    else:
        out.write_text("mine")
    with pytest.raises(ArmoireError, match="already holds something" if there == "folder" else "is a file"):
        fit(tiny(), discs(), out)
    assert (out / "mine.txt" if there == "folder" else out).read_text() == "mine"
    assert sum(1 for _ in tmp_path.rglob("*")) == (2 if there == "folder" else 1)


def test_an_empty_folder_may_be_used(tmp_path, tiny, discs):
    (tmp_path / "run").mkdir()
    assert fit(tiny(epochs=1), discs(), tmp_path / "run").history[0]["epoch"] == 1


def test_a_place_that_cannot_be_written_is_told(tmp_path, tiny, discs):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArmoireError, match="file is a file, not a folder"):
        fit(tiny(), discs(), tmp_path / "file" / "run")


def with_pixels(images: ImageSet, split: str, value: int) -> ImageSet:
    """The same set with every pixel of one split replaced."""
    pixels = images.images.copy()
    pixels[images.split_of == split] = value
    return replace(images, images=pixels)


def test_training_never_sees_a_held_out_image(tmp_path, tiny, discs):
    images = discs()
    one = fit(tiny(), images, tmp_path / "one")
    two = fit(tiny(), with_pixels(images, "test", 255), tmp_path / "two")
    a, b = weights(one), weights(two)
    assert all(torch.equal(a[name], b[name]) for name in a)
    for x, y in zip(numbers(one), numbers(two), strict=True):
        assert x["train_distortion_nats"] == y["train_distortion_nats"]
        assert x["test_distortion_nats"] != y["test_distortion_nats"]
    three = weights(fit(tiny(), with_pixels(images, "train", 255), tmp_path / "three"))
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


def test_an_image_left_alone_in_the_last_batch_is_left_out(tmp_path, tiny, discs):
    run = fit(tiny("images-vae", size=16), discs(n=33), tmp_path / "run")
    assert run.history[-1]["step"] == 8
    assert np.isfinite(run.history[-1]["test_objective_nats"])


@pytest.mark.parametrize(("n", "batch"), [(1, 8), (40, 1)])
def test_batches_of_one_image_with_batch_norm_train_or_are_told(tmp_path, tiny, discs, n, batch):
    try:
        run = fit(tiny("images-vae", size=16, batch=batch), discs(n=n), tmp_path / "run")
    except ArmoireError as error:
        assert "batch" in str(error)
    else:
        assert np.isfinite(run.history[-1]["test_objective_nats"])


def test_validation_serves_where_there_is_no_test(tmp_path, tiny, discs):
    images = discs()
    splits = ["valid" if split == "test" else split for split in images.split_of]
    run = fit(tiny(epochs=1), replace(images, table=images.table.set_column(1, "split", [splits])), tmp_path / "run")
    assert "valid_objective_nats" in run.history[0]


@pytest.mark.parametrize("name", ["gpu", "cdua"])
def test_an_unknown_device_is_told(tmp_path, tiny, discs, name):
    with pytest.raises(ArmoireError, match=f"no device '{name}'"):
        fit_epochs(tiny(), discs(), tmp_path / "run", device=name)
    assert not (tmp_path / "run").exists()
