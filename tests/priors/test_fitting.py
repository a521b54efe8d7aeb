"""Priors fitted to latents: samples and densities, storing and reading, and their use by a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from armoire import Wardrobe, train
from armoire.cli import main
from armoire.errors import ArmoireError
from armoire.io.artifacts import Artifacts
from armoire.io.tensors import write_tensors
from armoire.priors import PRIORS, Box, LatentDraws, StandardNormal, fit_prior, usual_kind
from armoire.priors.whitening import Whitening
from armoire.progress import SILENT
from armoire.training import load_recipe
from armoire.wardrobe.priors import prior_format

kinds = pytest.mark.parametrize("kind", ["gmm", "flow"])


def artifacts(folder: Path) -> Artifacts:
    return Artifacts(folder, lambda: {"data_fingerprint": "d", "model_sha256": "m"})


def latents(mean: np.ndarray, deviation: float | None = None) -> LatentDraws:
    log_var = None if deviation is None else np.full_like(mean, 2 * np.log(deviation), dtype=np.float32)
    return LatentDraws(mean.astype(np.float32), log_var)


def ring(n: int, seed: int = 0) -> np.ndarray:
    """A thin ring of radius 3 about (5, -2): nothing is at its middle."""
    random = np.random.default_rng(seed)
    angle, radius = random.uniform(0, 2 * np.pi, n), random.normal(3, 0.1, n)
    return (np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1) + np.array([5, -2])).astype(np.float32)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("armoire.priors.flow.STEPS", 400)


@pytest.fixture
def quicker(monkeypatch):
    """A bad fit, which is enough where a prior is compared with itself."""
    monkeypatch.setattr("armoire.priors.flow.STEPS", 40)


@kinds
def test_samples_and_density_are_those_of_the_latents(kind, quick):
    prior, report = fit_prior(kind, latents(ring(4000)))
    draws = prior.sample(2000, np.random.default_rng(0))
    radius = np.hypot(*(draws - [5, -2]).T)
    assert draws.dtype == np.float32
    assert np.median(radius) == pytest.approx(3, abs=0.15)
    assert (np.abs(radius - 3) > 1).mean() < 0.08  # of N(mean, cov) it would be half
    assert report["log_prob"] > report["log_prob_normal"] + 5
    assert report["held_out"] == 400
    axis = np.linspace(-6, 6, 241)
    grid = np.stack(np.meshgrid(axis + 5, axis - 2), axis=-1).reshape(-1, 2).astype(np.float32)
    assert np.exp(prior.log_prob(grid)).sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=0.02)


def test_a_mixture_has_as_many_components_as_the_latents():
    random = np.random.default_rng(0)
    one, facts = fit_prior("gmm", latents(random.normal(size=(3000, 3)) @ random.normal(size=(3, 3)) + 4))
    assert one.name == "a mixture of 1 Gaussian"
    assert set(facts["by_components"]) >= {"1", "2", "4"}
    centres = np.array([[0, 0], [20, 0], [0, 20], [20, 20]])
    four, _ = fit_prior("gmm", latents(centres[random.integers(0, 4, 3000)] + random.normal(size=(3000, 2))))
    assert four.name == "a mixture of 4 Gaussians"


def test_posteriors_are_fitted_with_their_variance(quick):
    """The aggregate of N(m, s^2) over m ~ N(0, 1) is N(0, 1 + s^2); that of the means alone is N(0, 1)."""
    means = np.random.default_rng(0).normal(size=(5000, 2))
    for kind in ("gmm", "flow"):
        prior, _ = fit_prior(kind, latents(means, deviation=1.0))
        assert prior.sample(4000, np.random.default_rng(1)).var(axis=0) == pytest.approx([2, 2], abs=0.25), kind


def test_a_temperature_scales_the_samples(quick):
    means = np.random.default_rng(0).normal(3, 2, size=(3000, 2))
    priors = [StandardNormal(2), Box(np.array([0.0, 0]), np.array([4.0, 2]))]
    priors += [fit_prior(kind, latents(means))[0] for kind in ("gmm", "flow")]
    for prior in priors:
        cold, usual, hot = (prior.sample(3000, np.random.default_rng(0), t).std(axis=0) for t in (0.5, 1.0, 1.5))
        assert (cold < 0.75 * usual).all(), prior.name
        assert (hot > 1.2 * usual).all(), prior.name


def test_the_densities_of_the_priors_that_need_no_fit():
    z = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(torch.from_numpy(z).double()).sum(dim=1)
    np.testing.assert_allclose(StandardNormal(3).log_prob(z), expected, rtol=1e-6)
    box = Box(np.array([0.0, 0, 0]), np.array([2.0, 4, 1]))
    assert box.log_prob(np.array([[1.0, 1, 0.5], [3, 1, 0.5]])) == pytest.approx([-np.log(8), -np.inf])


def test_whitened_latents_have_unit_covariance():
    random = np.random.default_rng(0)
    z = (random.normal(size=(2000, 5)) @ random.normal(size=(5, 5)) * 3 + 7).astype(np.float32)
    whitening = Whitening.of(z)
    white = whitening.whiten(z)
    np.testing.assert_allclose(np.cov(white.T), np.eye(5), atol=1e-3)
    np.testing.assert_allclose(whitening.restore(white), z, atol=1e-3)
    # The volume of what a unit cube becomes.
    assert whitening.log_det == pytest.approx(np.linalg.slogdet(np.cov(z.T))[1] / 2, rel=1e-3)


@kinds
def test_one_dimension_and_many(kind, quicker):
    random = np.random.default_rng(0)
    for d in (1, 20):
        prior, _ = fit_prior(kind, latents(random.normal(size=(600, d)) + 2))
        draws = prior.sample(500, np.random.default_rng(0))
        assert draws.shape == (500, d)
        assert draws.mean() == pytest.approx(2, abs=0.3)
        assert np.isfinite(prior.log_prob(draws)).all()


def test_a_dimension_without_variance_gets_none(quick):
    z = np.concatenate([ring(1000), np.full((1000, 1), 2.5)], axis=1)
    for kind in ("gmm", "flow"):
        prior, _ = fit_prior(kind, latents(z))
        assert np.abs(prior.sample(1000, np.random.default_rng(0))[:, 2] - 2.5).max() < 0.1, kind


@kinds
def test_the_same_seed_fits_the_same(kind, quicker):
    state = torch.random.get_rng_state()
    one, other = (fit_prior(kind, latents(ring(500), deviation=0.1), seed=3)[0] for _ in range(2))
    draws = [prior.sample(50, np.random.default_rng(0)) for prior in (one, other)]
    assert np.array_equal(*draws)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("z", "words"),
    [
        (ring(10), "10 training latents are too few"),
        (np.full((100, 2), 1.0), "all latents are equal"),
        (np.full((100, 2), np.nan), "not finite"),
    ],
)
def test_latents_that_cannot_be_fitted_are_an_error(z, words):
    for kind in ("gmm", "flow"):
        with pytest.raises(ArmoireError, match=words):
            fit_prior(kind, latents(z))
    with pytest.raises(ArmoireError, match="did you mean 'flow'"):
        fit_prior("flw", latents(ring(100)))


def test_a_flow_takes_a_step_for_each_latent_within_bounds(recorder, monkeypatch):
    monkeypatch.setattr("armoire.priors.flow.PATIENCE", 1)
    _, facts = fit_prior("flow", latents(ring(60)), progress=recorder)
    assert recorder.total == 200
    assert facts["log_prob"] > facts["log_prob_normal"]
    fit_prior("flow", latents(ring(262)), progress=recorder)
    assert recorder.total == 262
    monkeypatch.setattr("armoire.priors.flow.STEPS", 40)
    fit_prior("flow", latents(ring(262)), progress=recorder)
    assert recorder.total == 40


@kinds
def test_a_stored_prior_draws_the_same(kind, quicker, tmp_path):
    fitted = fit_prior(kind, latents(ring(1000)))
    artifacts(tmp_path).write("p", prior_format(kind, 2), fitted)
    again, report = artifacts(tmp_path).read("p", prior_format(kind, 2))
    z = fitted[0].sample(300, np.random.default_rng(1), 0.8)
    assert np.array_equal(again.sample(300, np.random.default_rng(1), 0.8), z)
    np.testing.assert_array_equal(again.log_prob(z), fitted[0].log_prob(z))
    assert report == fitted[1]
    with pytest.raises(ArmoireError, match="is damaged"):
        artifacts(tmp_path).read("p", prior_format(kind, 3))


@kinds
def test_no_forged_prior_is_trusted(kind, quicker, tmp_path):
    path = tmp_path / "p"
    artifacts(tmp_path).write("p", prior_format(kind, 2), fit_prior(kind, latents(ring(200))))
    tensors = load_file(path)
    whole = path.read_bytes()
    header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])["__metadata__"]
    content = json.loads(header["content"])

    def refused(changed: dict | None = None, **entries: object) -> None:
        forged = header | {"content": json.dumps(content | entries)}
        write_tensors(path, changed or tensors, forged)  # with a right checksum
        with pytest.raises(ArmoireError, match=rf"{path} is damaged"):
            artifacts(tmp_path).read("p", prior_format(kind, 2))

    refused(kind="flow" if kind == "gmm" else "gmm")
    refused(report=3)
    refused(tensors | {"mean": tensors["mean"] * torch.nan})
    refused(tensors | {"matrix": tensors["matrix"][:1]})
    refused({name: t for name, t in tensors.items() if name != "mean"})
    if kind == "gmm":
        refused(tensors | {"weights": -tensors["weights"]})
        refused(tensors | {"weights": tensors["weights"][:0]})
    else:
        for change in ({"width": 10**9}, {"width": 4000}, {"transforms": 10**6}, {"latent": 3}, {"passes": "x"}):
            refused(settings=content["settings"] | change)
        first = next(name for name, t in tensors.items() if name.startswith("network.") and t.is_floating_point())
        refused(tensors | {first: tensors[first] * torch.inf})


@pytest.fixture(scope="module")
def runs(tiny, discs, tmp_path_factory):
    folder, images = tmp_path_factory.mktemp("runs"), discs(n=100, test=20)
    recipes = [tiny("images-vae", posterior=posterior, latent=2) for posterior in ("point", "gaussian")]
    return {recipe.posterior: train(recipe, images, folder / recipe.posterior, device="cpu") for recipe in recipes}


@pytest.fixture
def opened(runs, tmp_path):
    """Opens a copy of a run by its posterior."""

    def open_copy(posterior: str = "gaussian") -> Wardrobe:
        shutil.copytree(runs[posterior].run.path, tmp_path / "run", dirs_exist_ok=True)
        return Wardrobe.open(tmp_path / "run", runs[posterior].images)

    return open_copy


@pytest.mark.parametrize(("posterior", "usual"), [("point", "the bounding box"), ("gaussian", "N(0, I)")])
def test_a_run_draws_from_its_fitted_prior(opened, posterior, usual, quicker):
    wardrobe = opened(posterior)
    assert wardrobe.prior().name.startswith(usual)
    with pytest.raises(ArmoireError, match=r"no flow prior was fitted to .* `armoire prior .* --kind flow`"):
        wardrobe.prior("flow")
    fits = {"gmm": wardrobe.fit_prior("gmm")["log_prob"]}
    assert "mixture" in wardrobe.prior().name
    fits["flow"] = wardrobe.fit_prior("flow")["log_prob"]
    best = sorted(fits, key=lambda kind: -fits[kind])
    for again in (wardrobe, Wardrobe.open(wardrobe.run.path, wardrobe.images)):
        assert again.priors == best
        assert again.prior() is again.prior(best[0])
        assert again.prior("flow").name == "a neural spline flow"
        assert "mixture" in again.prior("gmm").name
        assert np.array_equal(again.sample(20, seed=4), wardrobe.sample(20, seed=4, prior=best[0]))
    assert wardrobe.prior("normal").name == "N(0, I)"


@pytest.mark.parametrize(("fits", "best"), [((1.0, 2.0), "flow"), ((2.0, 1.0), "gmm"), ((1.0, None), "gmm")])
def test_the_better_fit_is_drawn_from(opened, quicker, fits, best):
    wardrobe = opened()
    for kind, fit in zip(("gmm", "flow"), fits, strict=True):
        prior, report = fit_prior(kind, wardrobe.latents.split("train").draws)
        wardrobe._priors.write(kind, prior, report | {"log_prob": fit})
    assert Wardrobe.open(wardrobe.run.path, wardrobe.images).priors[0] == best


def test_a_prior_of_other_weights_is_not_drawn_from(opened, quicker):
    wardrobe = opened()
    other = Artifacts(wardrobe.run.path, lambda: wardrobe.run.key() | {"model_sha256": "of another"})
    fitted = fit_prior("flow", wardrobe.latents.split("train").draws)
    other.write("priors/flow.safetensors", prior_format("flow", 2), fitted)
    again = Wardrobe.open(wardrobe.run.path, wardrobe.images)
    assert again.prior().name == "N(0, I)"
    with pytest.raises(ArmoireError, match="of other weights or data"):
        again.prior("flow")


def test_a_training_ends_with_the_prior_of_its_recipe_unless_the_images_are_too_few(tiny, discs, tmp_path, recorder):
    assert load_recipe("images-vae").prior == "neighbours"
    recipe = tiny("fashion-ae", prior="gmm", lr=0.01)  # an autoencoder's latents are far from N(0, I)
    assert "mixture" in train(recipe, discs(200), tmp_path / "r", device="cpu").prior().name
    assert (tmp_path / "r/priors/gmm.safetensors").exists()
    wardrobe = train(recipe, discs(12), tmp_path / "few", device="cpu", progress=recorder)
    assert wardrobe.priors == []
    assert any("12 training images are too few to fit a prior to" in line for line in recorder.notes)


def test_a_prior_that_fits_worse_than_the_normal_is_not_stored(tiny, discs, tmp_path, recorder, monkeypatch):
    report = {"log_prob": -3.0, "log_prob_normal": -2.5}
    monkeypatch.setattr("armoire.wardrobe.wardrobe.fit_prior", lambda *_, **__: (StandardNormal(2), report))
    wardrobe = train(tiny(prior="gmm"), discs(), tmp_path / "r", device="cpu", progress=recorder)
    assert wardrobe.priors == []
    assert any("N(0, I)" in line for line in recorder.notes)


class Wide(StandardNormal):
    """N(0, 4 I), as another package could provide it."""

    is_stored, name = True, "a wide normal"

    @classmethod
    def fit(cls, train, held_out, **_):
        return cls(train.mean.shape[1]), {"log_prob": 9.0, "log_prob_normal": 0.0, "held_out": len(held_out)}

    def sample(self, n, random, temperature=1.0):
        return super().sample(n, random, 2 * temperature)

    def state(self):
        return {"z": torch.zeros(self.latent)}, {}

    @classmethod
    def from_state(cls, tensors, settings, latent):
        return cls(len(tensors["z"]))


def test_a_registered_kind_is_fitted_stored_and_drawn_from(tiny, discs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(PRIORS, "_registered", {"wide": Wide})
    images = discs(n=100, test=20)
    wardrobe = train(tiny("images-vae", latent=2, prior="wide"), images, tmp_path / "run", device="cpu")
    assert wardrobe.priors == ["wide"]
    assert Wardrobe.open(tmp_path / "run", images).prior().name == "a wide normal"
    main(["prior", str(tmp_path / "run"), "--kind", "wide", "--json"])
    assert json.loads(capsys.readouterr().out)["name"] == "a wide normal"
    main(["sample", str(tmp_path / "run"), "--prior", "wide", "-n", "3", "--out", str(tmp_path / "s.npy")])
    assert len(np.load(tmp_path / "s.npy")) == 3


def test_a_density_checks_its_latents():
    for prior in (StandardNormal(2), Box(np.zeros(2), np.ones(2)), fit_prior("gmm", latents(ring(100)))[0]):
        assert prior.log_prob([0.5, 0.5]).shape == (1,)
        for z in ([[1.0, 2.0, 3.0]], [[np.nan, 0.0]], [["a", "b"]]):
            with pytest.raises(ArmoireError, match="latents must be"):
                prior.log_prob(z)


def test_a_box_of_latents_that_share_a_value_is_fitted():
    """A collapsed dimension has no extent, and one held-out image has none in any."""
    ring_and_zero = np.column_stack([ring(50), np.zeros(50)]).astype(np.float32)
    for mean in (ring_and_zero, ring_and_zero[:1]):
        draws = LatentDraws(mean, np.zeros_like(mean))
        box, _ = PRIORS.get("box").fit(draws, draws, random=np.random.default_rng(0), seed=0, progress=SILENT)
        assert (box.sample(9, np.random.default_rng(0))[:, 2] == 0).all()


def test_the_kind_to_fit_is_the_recipes_or_suits_the_dimensions():
    assert [usual_kind("neighbours", d) for d in (2, 200)] == ["neighbours"] * 2
    assert [usual_kind("none", d) for d in (2, 200)] == ["flow", "gmm"]
    assert usual_kind("box", 2) == "flow"  # which is made, not fitted
