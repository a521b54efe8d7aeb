from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from armoire import figures
from armoire.images import from_array
from armoire.measure import Evaluation, evaluate
from armoire.measure.report_tables import area_rows, number_tables
from armoire.publish import write_report
from armoire.publish.report import training_command
from armoire.training import load_recipe
from armoire.wardrobe import Wardrobe, train

HOSTILE = "<script>alert(1)</script>"


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data.strip())


@pytest.fixture(scope="module")
def wardrobe(tmp_path_factory: pytest.TempPathFactory) -> Wardrobe:
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 200)
    images = random.integers(0, 80, (200, 16, 16, 1), np.uint8) + (labels * 120)[:, None, None, None].astype(np.uint8)
    shapes = from_array(images, labels, (HOSTILE, 'a "quoted" & name'), name="<b>untrusted</b>")
    out = tmp_path_factory.mktemp("runs") / "a & b"
    return train(load_recipe("fashion-vae"), shapes, out, device="cpu", epochs=2, seed=4, data="array")


@pytest.fixture(scope="module")
def evaluation(wardrobe: Wardrobe) -> Evaluation:
    return evaluate(wardrobe)


@pytest.fixture(scope="module")
def report(wardrobe: Wardrobe, evaluation: Evaluation) -> Path:
    return write_report(wardrobe, evaluation, figures.save(wardrobe, ["losses", "latent"]))


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page(report.read_text(encoding="utf-8"))


def test_untrusted_names_are_escaped(report: Path, page: Page, wardrobe: Wardrobe):
    assert report == wardrobe.run.path / "report.html"
    assert not {"script", "b"} & {tag for tag, _ in page.tags}
    assert "<script" not in report.read_text(encoding="utf-8")
    assert {HOSTILE, 'a "quoted" & name'} <= set(page.words)
    assert any("<b>untrusted</b>" in word for word in page.words)


def test_nothing_is_fetched_or_executed(report: Path, page: Page):
    links = [value or "" for _, attributes in page.tags for key, value in attributes.items() if key in ("src", "href")]
    assert links
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert not re.search(r"https?://|url\(|@import", report.read_text(encoding="utf-8"))
    (policy,) = [a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:;")


def test_figures_are_embedded_with_their_captions(page: Page, wardrobe: Wardrobe):
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    for attributes, name in zip(images, ("losses", "latent"), strict=True):
        content = base64.b64decode((attributes["src"] or "").partition(",")[2])
        assert content == (wardrobe.run.path / "figures" / f"{name}.png").read_bytes()
        assert attributes["alt"] == f"{name}: {figures.FIGURES[name].description}"


def test_numbers_and_classes_are_those_of_the_evaluation(page: Page, evaluation: Evaluation):
    assert f"{evaluation.reconstruction['bce']:.4f}" in page.words
    assert f"{evaluation.elbo['rate_nats']:.2f}" in page.words
    assert "nats per image" in page.words
    lines = {line.name: line for _, rows in number_tables(evaluation.to_dict()) for line in rows}
    assert lines["empty area"].value == f"{100 * evaluation.latent['areas']['empty']:.1f} %"
    assert lines["total loss"].value == f"{evaluation.published_scale['total_loss']:.4g}"
    assert all(line.explanation.endswith(".") for line in lines.values())
    (name, share, area, p_area), second = area_rows(evaluation.to_dict())
    areas = evaluation.latent["areas"]
    assert (name, second[0]) == (HOSTILE, 'a "quoted" & name')
    assert share == f"{100 * areas['data_share'][HOSTILE]:.1f} %"
    assert area == f"{100 * areas['area_share'][HOSTILE]:.1f} %"
    assert p_area == f"{100 * areas['p_area_share'][HOSTILE]:.1f} %"


def test_an_evaluation_without_some_parts_gives_a_shorter_report(evaluation: Evaluation):
    without = evaluation.to_dict() | {"published_scale": None, "latent": {"dimensions": 40, "ks_max": 0.1}}
    titles = [title for title, _ in number_tables(without)]
    assert titles == ["Reconstruction", "ELBO", "Latent space"]
    assert area_rows(without) == []


def test_the_command_trains_the_run_again_without_a_path(wardrobe: Wardrobe, page: Page, monkeypatch):
    run = wardrobe.run
    assert training_command(run, "a b/recipe.toml") == "armoire.train('a b/recipe.toml', images)"
    assert "armoire.train('runs/a & b/recipe.toml', images)" in page.words
    monkeypatch.setitem(run.__dict__, "data", replace(run.data, source="/home/me/my photos"))
    assert training_command(run) == "armoire train fashion-vae --data 'my photos' --epochs 2 --seed 4"
    monkeypatch.setitem(run.__dict__, "recipe", run.recipe.change(channels=(4, 8), showable=False))
    assert all(f" --set {text}" in training_command(run) for text in ("'channels=[4, 8]'", "showable=false"))
    monkeypatch.setitem(run.__dict__, "recipe", run.recipe.change(name="mine"))
    assert training_command(run, "a b/recipe.toml") == "armoire train 'a b/recipe.toml' --data 'my photos'"


def test_history_settings_and_provenance(page: Page, wardrobe: Wardrobe):
    assert f"{wardrobe.run.history[1]['test_objective_nats']:.6g}" in page.words
    assert "2.048" in page.words
    for key in ("git_commit", "torch_version", "data_fingerprint"):
        assert not wardrobe.run.header[key] or wardrobe.run.header[key] in page.words
    held_out = len(wardrobe.latents.split("test"))
    assert f"{200 - held_out} train, {held_out} test" in page.words


def test_wide_tables_scroll_within_themselves(report: Path, page: Page):
    assert ".wide { overflow-x: auto" in report.read_text(encoding="utf-8")
    wide = [attributes for _, attributes in page.tags if attributes.get("class") == "wide"]
    assert len(wide) == 3
    assert all(attributes["tabindex"] == "0" for attributes in wide)
