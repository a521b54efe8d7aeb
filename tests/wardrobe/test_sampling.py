"""A run that draws averages of neighbouring training latents: by default, by class, with their sources."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest

from armoire import Wardrobe, evaluate, train
from armoire.cli import main
from armoire.errors import ArmoireError
from armoire.hub import parse_reference
from armoire.priors import NeighbourAverages
from armoire.publish.card import make_card
from armoire.publish.report import write_report


@pytest.fixture(scope="module")
def trained(tiny, discs, tmp_path_factory):
    recipe = tiny("images-vae", likelihood="calibrated", latent=3, prior="neighbours")
    return train(recipe, discs(n=100, test=20), tmp_path_factory.mktemp("runs") / "run", device="cpu")


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run, and its images."""
    shutil.copytree(trained.run.path, tmp_path / "run")
    return tmp_path / "run", trained.images


def test_a_training_ends_with_neighbours_which_samples_then_come_from(run):
    path, images = run
    wardrobe = Wardrobe.open(path, images)
    prior = wardrobe.prior()
    assert isinstance(prior, NeighbourAverages)
    assert wardrobe.prior("neighbours").name == prior.name
    assert 0 <= json.loads(json.dumps(wardrobe.fit_prior("neighbours")))["copies"] <= 1
    wardrobe.fit_prior("gmm")
    assert wardrobe.priors == ["neighbours", "gmm"]
    assert isinstance(wardrobe.prior(), NeighbourAverages)
    assert "mixture" in wardrobe.prior(with_density=True).name
    again = Wardrobe.open(path, images)
    assert again.prior().name == wardrobe.prior().name
    np.testing.assert_allclose(again.sample(9, seed=1), wardrobe.sample(9, seed=1), atol=1e-5)


def test_each_sample_names_the_training_images_it_lies_between(run):
    wardrobe = Wardrobe.open(*run)
    z, sources = wardrobe.sample(30, seed=2), wardrobe.sample_sources(30, seed=2)
    train_set = wardrobe.latents.split("train")
    row, prior = {name: k for k, name in enumerate(train_set.ids)}, wardrobe.prior()
    assert isinstance(prior, NeighbourAverages)
    for latent, weights in zip(z, sources, strict=True):
        average = sum(weight * train_set.mean[row[name]] for name, weight in weights.items())
        mean = prior.whitening.mean
        np.testing.assert_allclose(latent, mean + prior.scale * (average - mean), atol=1e-4)
        assert math.fsum(weights.values()) == pytest.approx(1)
    assert wardrobe.sample_sources(30, prior="normal") == []


def test_a_label_draws_between_images_of_its_class(run):
    wardrobe = Wardrobe.open(*run)
    of = dict(zip(wardrobe.latents.ids, wardrobe.latents.labels, strict=True))
    for sources in wardrobe.sample_sources(30, label="b"):
        assert {of[name] for name in sources} == {1}
    assert not np.array_equal(wardrobe.sample(5, label="b"), wardrobe.sample(5))
    with pytest.raises(ArmoireError, match=r"no class 'bb'.*did you mean"):
        wardrobe.sample(5, label="bb")
    with pytest.raises(ArmoireError, match=r"knows no classes.*--kind neighbours"):
        wardrobe.sample(5, prior="normal", label="b")


def test_the_command_states_sources_and_warns(run, capsys, tmp_path):
    out = str(tmp_path / "s.npy")
    main(["sample", str(run[0]), "--prior", "neighbours", "-n", "4", "--label", "c", "--json", "--out", out])
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert found["drawn_from"].startswith("averages of") and found["label"] == "c"
    assert len(found["sources"]) == 4 == len(np.load(out))
    assert "private" in printed.err
    main(["sample", str(run[0]), "--prior", "normal", "-n", "2", "--json", "--out", out])
    assert json.loads(capsys.readouterr().out)["sources"] == []


def test_the_command_fits_the_recipes_prior_and_says_how_to_draw_from_another(run, capsys):
    path = str(run[0])
    for arguments, drawn in (([], ""), (["--kind", "gmm"], "--prior gmm ")):
        main(["prior", path, *arguments])
        assert f"armoire sample {path} {drawn}--out" in capsys.readouterr().out
    assert Wardrobe.open(*run).priors == ["neighbours", "gmm"]


def test_a_run_without_its_latents_samples_as_before_and_says_so(run, recorder):
    path, _ = run
    (path / "latents.parquet").unlink()
    wardrobe = Wardrobe.open(path, progress=recorder)  # trained on an array that is not here
    assert wardrobe.prior().name == "N(0, I)"
    assert wardrobe.sample(3).shape == (3, 3)
    assert sum("needs the training latents" in note for note in recorder.notes) == 1
    with pytest.raises(ArmoireError):
        wardrobe.sample(3, prior="neighbours")


def test_the_likelihood_names_the_prior_whose_density_it_uses(run):
    wardrobe = Wardrobe.open(*run)
    for prior in (None, "neighbours"):
        assert evaluate(wardrobe, prior=prior, draws=2).likelihood["prior"] == "N(0, I)"


def test_card_and_report_say_what_samples_lie_between(run):
    wardrobe = Wardrobe.open(*run)
    found = evaluate(wardrobe)
    card = make_card(wardrobe, parse_reference("hf:me/run"), found)
    report = write_report(wardrobe, found, []).read_text(encoding="utf-8")
    for page in (card, report):
        assert "each sample lies between training images" in page
        assert "share none if the images are private" in page
    assert f"samples drawn from | {wardrobe.prior().name}" in card
