"""The HTML of a data set, a run, a wardrobe and an evaluation in a notebook."""

from __future__ import annotations

import base64
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import armoire
from armoire.html_repr import Picture, Table, html_repr
from armoire.io.tables import read_table, write_table
from armoire.measure import Evaluation

VOID = {"img", "br"}


class Reader(HTMLParser):
    """Collects rows, pictures and text, and checks that every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.pictures: list[tuple[np.ndarray, str]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "img":
            values = {name: str(value) for name, value in attrs}
            data = base64.b64decode(values["src"].removeprefix("data:image/png;base64,"))
            self.pictures.append((np.array(Image.open(BytesIO(data))), values["alt"]))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        elif self.open and self.open[-1] != "style" and data.strip():
            self.text.append(data.strip())

    @property
    def facts(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self.rows if len(row) == 2}


def read(thing: object) -> Reader:
    return Reader(thing._repr_html_())  # type: ignore[attr-defined]


def test_names_are_escaped():
    evil = "<script>alert(1)</script>\"'&"
    html = html_repr(evil, evil, [Table([(evil, evil)], evil, (evil,))], [Picture(b"png", evil)])
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 8  # title, subtitle, heading, head, two cells, alt, caption


def test_nothing_is_fetched(vae_run):
    for thing in (vae_run, vae_run.run, vae_run.images, armoire.evaluate(vae_run)):
        html = thing._repr_html_()
        assert not re.search(r"(src|href)=\"(?!data:image/png;base64,)", html)
        assert "url(" not in html
        assert "<script" not in html


def test_a_data_set_shows_its_first_images(discs):
    images = discs(n=40, test=10)
    found = read(images)
    assert found.text[:2] == ["discs", "50 images"]
    assert found.facts == {"images": "40 train, 10 test", "size": "16 × 16, grey", "classes": "a, b, c"}
    (sheet, caption) = found.pictures[0]
    assert caption == "the first 18"
    times = sheet.shape[0] // (2 * 16 + 2)
    assert (sheet[: 16 * times : times, : 16 * times : times] == images.images[0, ..., 0]).all()


def test_many_classes_are_counted_and_an_empty_set_shows_none(discs):
    images = discs()
    many = replace(images, info=replace(images.info, classes=tuple(f"c{i}" for i in range(25))))
    assert read(many).facts["classes"].endswith("c17 and 7 more")
    assert read(images[:0]).pictures == []


def test_a_run_shows_its_settings_last_epochs_and_preview(vae_run):
    run = vae_run.run
    found = read(run)
    assert found.text[0] == run.name
    assert found.facts["recipe"] == "fashion-vae"
    assert found.facts["data"] == "discs, 16 × 16, grey"
    assert found.facts["trained with"] == "bernoulli likelihood, beta 2.048, seed 0"
    head, *epochs = [row for row in found.rows if len(row) > 2]
    assert head[:3] == ["epoch", "train objective, nats", "test distortion, nats"]
    assert [row[0] for row in epochs] == ["1", "2"]
    assert [float(row[2].replace(",", "")) for row in epochs] == [
        round(row["test_distortion_nats"], 1) for row in run.history
    ]
    assert (found.pictures[0][0] == np.array(Image.open(run.preview(10)))).all()


def test_a_run_without_a_history_says_so(vae_run, tmp_path):
    shutil.copytree(vae_run.run.path, tmp_path / "run")
    (tmp_path / "run/history.csv").unlink()
    found = read(armoire.Run.open(tmp_path / "run"))
    assert "no history.csv in" in found.facts["history"]
    assert found.pictures == []


def test_a_wardrobe_shows_what_it_decodes(vae_run, ae_run):
    for wardrobe in (vae_run, ae_run):
        found = read(wardrobe)
        assert found.facts["latents"] == "40 train, 10 test"
        assert found.facts["parameters"] == f"{wardrobe.model.parameter_count():,}"
        sheet, caption = found.pictures[0]
        assert caption.startswith("18 images decoded")
        times = sheet.shape[0] // (2 * 16 + 2)
        made = wardrobe.decode(wardrobe.sample(18))[0, ..., 0]
        shown = sheet[: 16 * times : times, : 16 * times : times]
        assert np.abs(shown.astype(int) - made).max() <= 1  # decoded in another batch


def of_other_weights(path):
    table = read_table(path)
    key = json.loads(table.schema.metadata[b"cache_key"]) | {"model_sha256": "0" * 64}
    write_table(table.replace_schema_metadata({"cache_key": json.dumps(key)}), path)


def damaged(path):
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize("spoil", [Path.unlink, of_other_weights, damaged])
def test_the_html_of_a_wardrobe_encodes_nothing(vae_run, tmp_path, monkeypatch, spoil):
    shutil.copytree(vae_run.run.path, tmp_path / "run")
    spoil(tmp_path / "run/latents.parquet")
    monkeypatch.setattr("armoire.wardrobe.wardrobe.encode_set", lambda *_: pytest.fail("a data set was encoded"))
    found = read(armoire.Wardrobe.open(tmp_path / "run"))
    assert "latents" not in found.facts
    assert found.pictures == []


def test_an_evaluation_is_the_object_of_json_and_shows_its_numbers(vae_run):
    found = armoire.evaluate(vae_run)
    assert isinstance(found, Evaluation)
    shown_rows = {row[0]: row[1:] for row in read(found).rows}
    assert shown_rows["mean squared error"][0] == f"{found.reconstruction['mse']:.4f}"
    assert shown_rows["rate"][:2] == [f"{found.elbo['rate_nats']:.2f}", "nats per image"]
    assert shown_rows["class"] == ["of the data", "of the plane", "of p = Φ(z)"]
    assert read(found).text[1] == "10 test images of discs"
