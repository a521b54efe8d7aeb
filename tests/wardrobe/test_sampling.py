"""A run that draws averages of neighbouring training latents: by default, by class, with their sources."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pyarrow as pa
import pytest

from armoire import Wardrobe, evaluate, train
from armoire.cli import main
from armoire.errors import ArmoireError
from armoire.hub import parse_reference
from armoire.priors import PRIORS, NeighbourAverages, StandardNormal, stored_kinds
from armoire.priors.normal import Gaussian
from armoire.priors.whitening import Whitening
from armoire.publish.card import make_card
from armoire.publish.report import write_report
from armoire.wardrobe import Latents


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
    with pytest.raises(ArmoireError, match=r"no class or attribute 'bb'.*did you mean"):
        wardrobe.sample(5, label="bb")


@pytest.fixture
def apart(run, monkeypatch):
    """The run, as if its latents lay around (10, 0, 0), (0, 10, 0) and (0, 0, 10) by class, sharp ones 3 further on."""
    wardrobe = Wardrobe.open(*run)
    found, random = wardrobe.latents, np.random.default_rng(0)
    sharp = np.arange(len(found)) % 2 == 0
    mean = (10 * np.eye(3)[found.labels] + random.normal(3 * sharp[:, None], 1, (len(found), 3))).astype(np.float32)
    log_var = np.full_like(mean, -3)
    wardrobe.__dict__["latents"] = Latents(found.table.append_column("sharp", pa.array(sharp)), mean, log_var)
    monkeypatch.setitem(PRIORS._registered, "shell", Shell)
    return wardrobe


class Shell(StandardNormal):
    """A registered kind that is made from latents: a normal distribution of width 0.1 around their mean."""

    @classmethod
    def fit(cls, train, held_out, **settings):
        return cls.fit_class(train, held_out, **settings)

    @classmethod
    def fit_class(cls, train, held_out, **settings):
        mean = train.mean.mean(axis=0)
        return Gaussian(Whitening.of_moments(mean, 0.01 * np.eye(len(mean)))), {}


@pytest.mark.parametrize("kind", ["normal", "box", "gmm", "flow", "neighbours", "shell"])
def test_every_prior_samples_a_class(apart, kind, recorder):
    apart.fit_prior("gmm")
    before = {path.name: path.read_bytes() for path in (apart.run.path / "priors").glob("*.safetensors")}
    z = apart.sample(200, prior=kind, label="b", seed=1)
    np.testing.assert_allclose(z.mean(axis=0), apart.class_mean("b"), atol=1.2)
    assert (z.argmax(axis=1) == 1).mean() > 0.97
    assert np.array_equal(z, apart.sample(200, prior=kind, label="b", seed=1))
    with_attribute = apart.sample(200, prior=kind, label="sharp", seed=1)
    assert with_attribute.sum(axis=1).mean() > 14.5  # half way from 10 to 19
    assert before == {path.name: path.read_bytes() for path in (apart.run.path / "priors").glob("*.safetensors")}
    stored = {path.stem for path in (apart.run.path / "priors" / kind).glob("*")}
    assert stored == ({"b", "sharp"} if kind in stored_kinds() else set())


def test_a_class_is_sampled_by_default_from_the_kind_that_all_are(apart, recorder):
    assert isinstance(apart.prior(label="b"), NeighbourAverages)
    assert np.array_equal(apart.sample(9, label="b"), apart.sample(9, prior="neighbours", label="b"))
    shutil.rmtree(apart.run.path / "priors")
    again = Wardrobe.open(apart.run.path, apart.images_at_hand)
    assert again.prior(label="b").name == "the Gaussian of the latents"


def test_a_prior_of_a_class_is_fitted_once_and_stored(apart, recorder):
    apart.progress = recorder
    for opened in (apart, Wardrobe(apart.run, apart.model, apart.images_at_hand, recorder)):
        opened.__dict__["latents"] = apart.latents
        opened.sample(5, prior="gmm", label="a")
    assert sum("is fitted to the" in note for note in recorder.notes) == 1


def test_a_class_of_few_images_is_not_sampled(apart):
    few = apart.latents.split("train").first(30)
    apart.__dict__["latents"] = few
    with pytest.raises(ArmoireError, match=r"b has 10 training images in .*, and 20 are needed"):
        apart.sample(5, prior="gmm", label="b")


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
