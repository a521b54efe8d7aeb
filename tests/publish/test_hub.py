from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hub_stand_in import Hub
from huggingface_hub import ModelCard, constants

from armoire.errors import ArmoireError
from armoire.hub import Reference
from armoire.hub.download import local_folder
from armoire.hub.parts import PARTS
from armoire.measure import evaluate, stored_evaluation
from armoire.publish import push
from armoire.publish.card import _command, make_card
from armoire.publish.hub import measured, run_files
from armoire.wardrobe import Wardrobe

CARD = "README.md"


def copied(original: Wardrobe, folder: Path) -> Wardrobe:
    """A run like one that is there, to be written to, with its data at hand."""
    return Wardrobe.open(shutil.copytree(original.run.path, folder), original.images, device="cpu")


@pytest.fixture
def run(vae_run, tmp_path) -> Wardrobe:
    wardrobe = copied(vae_run, tmp_path / "discs-vae")
    (wardrobe.run.path / "evaluation.json").unlink(missing_ok=True)  # another test may have evaluated it
    return wardrobe


def unshowable(wardrobe: Wardrobe) -> Wardrobe:
    """The same as if its recipe had asked for its pictures not to be shown."""
    recipe = wardrobe.run.path / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("showable = true", "showable = false"))
    return Wardrobe.open(wardrobe.run.path, wardrobe.images, device="cpu")


def of_celeba(wardrobe: Wardrobe) -> Wardrobe:
    """The same as if it had been trained on CelebA, whatever its recipe says."""
    run = wardrobe.run
    header = run.header | {"data": run.header["data"].replace('"discs"', '"celeba"')}
    wardrobe.model.save_pretrained(run.path, header)
    return Wardrobe.open(run.path, device="cpu")


def card_of(hub: Hub, repository: str = "me/run") -> str:
    return hub.files(repository)[CARD].decode()


def test_sent_and_fetched_is_equal_to_the_bit(hub, run):
    run.fit_prior("gmm")
    sent = push(run, "me/run")
    assert sent.url == f"{hub.url}/me/run"
    assert sent.commit == hub.repositories["me/run"].commits[-1][0]
    assert not sent.private
    folder = local_folder("hf:me/run")
    expected = run_files(run)
    assert {"recipe.toml", "model.safetensors", "latents.parquet", "priors/gmm.safetensors"} < set(expected)
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == set(expected)
    assert all((folder / name).read_bytes() == path.read_bytes() for name, path in expected.items())


def test_what_was_fetched_does_what_the_run_does(hub, run):
    push(run, "me/run")
    again = Wardrobe.open("hf:me/run", device="cpu")
    assert again.run.name == "run"
    assert np.array_equal(again.sample(5), run.sample(5))
    z = run.latents.mean[:3]
    assert np.array_equal(again.decode(z), run.decode(z))
    assert np.array_equal(again.nearest(z, k=3).rows, run.nearest(z, k=3).rows)
    assert again.error_percentiles == run.error_percentiles
    again.fit_prior("gmm")  # what is made of it goes where it lies
    assert Wardrobe.open("hf:me/run", device="cpu").has_prior("gmm")


def test_all_goes_in_one_commit_and_nothing_else_of_the_folder(hub, run):
    path = run.run.path
    (path / "model.pt").write_bytes(b"pickle")
    (path / ".lock").write_text("held")
    (path / "figures").mkdir()
    (path / "figures" / "holiday.png").write_bytes(b"somebody's own")
    sent = push(run, "me/run")
    repository = hub.repositories["me/run"]
    assert repository.messages == ["fashion-vae, by armoire push"]
    assert set(repository.commits[-1][1]) == set(sent.files)
    assert set(sent.files) <= {*PARTS, CARD, "figures/samples.png"}
    assert (path / "checkpoints").is_dir()
    assert (path / "previews").is_dir()


def test_sent_again_only_what_is_new_goes_and_what_is_gone_goes_away(hub, run):
    run.fit_prior("gmm")
    push(run, "me/run")
    repository = hub.repositories["me/run"]
    repository.commit(repository.commits[-1][1] | {"notes.md": b"my own", "figures/old.png": b"old"})
    shutil.rmtree(run.run.path / "priors")
    push(Wardrobe.open(run.run.path, run.images, device="cpu"), "me/run")
    there = hub.files("me/run")
    assert "priors/gmm.safetensors" not in there
    assert "figures/old.png" not in there
    assert there["notes.md"] == b"my own"
    uploads = len(hub.asked("PUT /lfs/"))
    push(Wardrobe.open(run.run.path, run.images, device="cpu"), "me/run")
    assert len(hub.asked("PUT /lfs/")) == uploads
    assert hub.files("me/run") == there


def test_the_card_is_read_back_as_it_was_meant(hub, run, monkeypatch):
    push(run, "me/run", licence="mit")
    text = card_of(hub)
    assert hub.cards == [text]
    card = ModelCard(text)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    card.validate()  # asks the Hub
    assert len(hub.cards) == 2
    assert card.data.library_name == "armoire"
    assert card.data.pipeline_tag == "unconditional-image-generation"
    assert card.data.license == "mit"
    assert card.data.model_name == "run"
    results = {result.metric_type: result for result in card.data.eval_results}
    found = stored_evaluation(run.run)
    assert results["mse"].metric_value == found.reconstruction["mse"]
    assert results["rate"].metric_value == found.elbo["rate_nats"]
    assert results["mse"].dataset_split == "test"
    assert results["mse"].dataset_args["n"] == found.data["n"]
    for words in ("hf:me/run", "armoire train recipe.toml", "Seed 0", "## Limits", "![samples from the prior"):
        assert words in text


def test_samples_are_told_with_their_extractor_and_number(hub, run):
    run_evaluated = evaluate(run, samples=10, features="classifier")
    evaluate(run)  # of samples it says nothing, which is no reason to forget them
    push(run, "me/run")
    samples = run_evaluated.samples
    (result,) = [r for r in ModelCard(card_of(hub)).data.eval_results if r.metric_type == "frechet_distance"]
    assert result.metric_value == samples["fd"]
    assert result.metric_name == f"Fréchet distance of samples ({samples['features']}, n = {samples['n']})"
    assert result.metric_args["features"] == samples["features"] == "classifier of discs's own labels"
    assert result.metric_args["n"] == samples["n"]
    assert f"by the features of {samples['features']}, {samples['n']} of each" in card_of(hub)


def test_an_evaluation_of_other_weights_is_not_told(run, ae_run, tmp_path):
    evaluate(run)
    other = copied(ae_run, tmp_path / "other")
    shutil.copy(run.run.path / "evaluation.json", other.run.path)
    assert stored_evaluation(run.run)
    assert stored_evaluation(other.run) is None
    text = (run.run.path / "evaluation.json").read_text()
    (run.run.path / "evaluation.json").write_text(text.replace('"mse": 0', '"mse": 1'))
    assert stored_evaluation(run.run) is None


def test_without_its_data_a_run_goes_with_the_numbers_of_its_training(hub, run, recorder):
    alone = Wardrobe.open(run.run.path, device="cpu", progress=recorder)
    found = measured(alone, recorder)
    assert "numbers of the training alone" in recorder.notes[0]
    assert found.elbo["rate_nats"] == run.run.history[-1]["test_rate_nats"]
    push(alone, "me/run", progress=recorder)
    results = {result.metric_type for result in ModelCard(card_of(hub)).data.eval_results}
    assert results == {"distortion", "rate"}


@pytest.mark.parametrize("change", [unshowable, of_celeba])
def test_pictures_that_may_not_be_shown_never_go(hub, run, recorder, change):
    figures = run.run.path / "figures"
    figures.mkdir()
    (figures / "reconstructions.png").write_bytes(b"faces")
    private = change(run)
    push(private, "me/run", progress=recorder)
    there = hub.files("me/run")
    assert not [name for name in there if name.endswith((".png", ".html"))]
    assert "None: pictures of these data" in card_of(hub)
    assert "![" not in card_of(hub)
    assert "latents.parquet" in there  # numbers
    assert not any("the card shows" in note for note in recorder.notes)


def test_celeba_comes_with_its_terms(hub, run):
    push(of_celeba(run), "me/run")
    assert "non-commercial research only" in card_of(hub)
    assert "--data celeba:PATH" not in card_of(hub)  # it was made of an array


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("fashion-mnist", "armoire train fashion-vae --set 'channels=[4, 8]' --epochs 2 --batch 8"),
        ("celeba:/home/me/archive.zip", "--data celeba:PATH"),
        ("/home/me/photos", "--data FOLDER"),
        ("", "armoire train recipe.toml --data FOLDER"),
    ],
)
def test_the_command_that_trains_it_again_names_nobodys_folders(run, source, expected):
    header = run.run.header | {"data": run.run.header["data"].replace('"source": ""', f'"source": "{source}"')}
    run.model.save_pretrained(run.run.path, header)
    told = _command(Wardrobe.open(run.run.path, device="cpu"))
    assert expected in told
    assert "/home" not in told


def test_figures_can_be_left_out(hub, run):
    push(run, "me/run", figures=False)
    assert not [name for name in hub.files("me/run") if name.endswith(".png")]


def test_others_names_stay_words(run, tmp_path):
    header = run.run.header | {"data": run.run.header["data"].replace('"discs"', '"<b>x</b> | [a](b) `c`\\n# d"')}
    run.model.save_pretrained(run.run.path, header)
    wild = Wardrobe.open(run.run.path, device="cpu")
    text = make_card(wild, Reference("me", "run"), measured(wild))
    body = text.split("\n---\n", 1)[1]
    assert "<b>" not in body
    assert "\n# d" not in body
    assert "[a](b)" not in body


def test_a_card_that_the_hub_refuses_stops_all(hub, run):
    hub.fails("/api/validate-yaml", 400)
    with pytest.raises(ArmoireError, match="Invalid metadata in README"):
        push(run, "me/run", licence="mine")
    assert hub.files("me/run") == {}


def test_a_private_one_stays_private(hub, run):
    assert push(run, "me/mine", private=True).private
    assert hub.repositories["me/mine"].private
    push(run, "me/ours")
    files = hub.files("me/ours")
    with pytest.raises(ArmoireError, match="hf:me/ours is public, and nothing was sent"):
        push(run, "me/ours", private=True)
    assert hub.files("me/ours") == files


@pytest.mark.parametrize(
    ("where", "how", "words"),
    [
        ("/api/repos/create", 500, "is too busy for"),
        ("/api/repos/create", 403, "your token does not allow hf:me/run to be written"),
        ("/preupload/", 403, "your token does not allow hf:me/run to be written"),
        ("/lfs/objects/batch", 500, "is too busy for"),
        ("PUT /lfs/", 500, "is too busy for"),
        ("PUT /lfs/", 403, "your token does not allow"),
        ("/commit/", 500, "is too busy for"),
        ("/commit/", 412, "refuses hf:me/run to be written"),
        ("/api/validate-yaml", 500, "is too busy for"),
    ],
)
def test_what_goes_wrong_on_the_way_is_told(hub, run, where, how, words):
    hub.fails(where, how)
    with pytest.raises(ArmoireError, match=words) as told:
        push(run, "me/run")
    assert "\n" not in str(told.value)
    assert not hub.repositories or hub.files("me/run") == {}
    hub.faults.clear()
    push(run, "me/run")
    assert "model.safetensors" in hub.files("me/run")


def test_who_may_not_write_is_told(hub, run, monkeypatch):
    with pytest.raises(ArmoireError, match="your token does not allow hf:somebody/run to be written"):
        push(run, "somebody/run")
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    with pytest.raises(ArmoireError, match="with a token from"):
        push(run, "me/run")
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nowhere/token")
    with pytest.raises(ArmoireError, match=r"there is no token for 127\.0\.0\.1:.* get one with `hf auth login`"):
        push(run, "me/run")
    assert not hub.asked("/commit/")


@pytest.mark.parametrize("name", ["run", "me/run/more", "../run", "me/run ning"])
def test_what_names_no_repository_is_told(hub, run, name):
    with pytest.raises(ArmoireError, match="names no repository of the Hub; give OWNER/NAME"):
        push(run, name)
    assert hub.requests == []


def test_no_warning_of_a_library_gets_through(hub, run):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        push(run, "me/run")
    assert [str(w.message) for w in caught if "data file" in str(w.message)] == []


def test_a_model_alone_goes_with_a_card_of_its_own(hub, run):
    url = run.model.push_to_hub("me/model", metadata={"note": "hello"})
    assert url == f"{hub.url}/me/model"
    assert set(hub.files("me/model")) == {"model.safetensors", CARD}
    hub.repositories["me/model"].commit(hub.files("me/model") | {CARD: b"my own words"})
    run.model.push_to_hub("me/model", private=None)
    assert card_of(hub, "me/model") == "my own words"
    assert json.loads(json.dumps(hub.repositories["me/model"].messages))[0] == "Model trained with armoire"
