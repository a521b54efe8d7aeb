"""The chapter as a notebook: it runs clean in a fresh kernel, and says the same in both languages."""

from __future__ import annotations

import io
import os
import re
import tokenize
from pathlib import Path
from typing import Any

import nbformat
import pytest
from documents import ROOT
from nbclient import NotebookClient

from armoire.figures import FIGURES

FASHION = Path("/usr/share/datasets/fashion-mnist")
ENGLISH = ROOT / "docs/notebooks/infinite-wardrobe.ipynb"
KOREAN = ROOT / "docs/ko/notebooks/infinite-wardrobe.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"
# Of the source's chapter: what is shown, by the figure that shows it (docs of figures say which is which).
CHAPTER = ["loss-choice", "reconstructions", "latent", "latent-by-label", "samples", "plane", "denoising", "losses"]
CHAPTER += ["p-space", "p-grid", "latent-histograms", "attribute-Smiling", "morph"]


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def run(path: Path, folder: Path, quick: bool) -> Any:
    """The notebook with its outputs, after a fresh kernel has run it in a folder of its own."""
    notebook = read(path)
    (parameters,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert parameters.source.count("QUICK = False") == 1
    if quick:
        parameters.source = parameters.source.replace("QUICK = False", "QUICK = True")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CONFIG", "DATA", "RUNTIME"):
            patch.setenv(f"JUPYTER_{name}_DIR", str(folder / name))
        patch.setenv("ARMOIRE_CACHE", str(folder / "cache"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        patch.setenv("OMP_NUM_THREADS", "1" if quick else str(os.cpu_count()))  # tests run beside each other
        NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def outputs(notebook: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(cell.source, out) for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]


def check(notebook: Any) -> None:
    """Nothing was complained of, and everything that should be seen is there."""
    seen = outputs(notebook)
    assert [out for _, out in seen if out["output_type"] == "error" or out.get("name") == "stderr"] == []
    of = {kind: [source for source, out in seen if kind in out.get("data", {})] for kind in ("image/png", WIDGET)}
    drawn = [name for source in of["image/png"] for name in re.findall(r'draw\(\w+, "([\w-]+)"\)', source)]
    assert set(drawn) == set(CHAPTER)
    assert [source.splitlines()[-1] for source in of[WIDGET]] == ["shown"]
    shown = {
        source.splitlines()[-1] for source, out in seen if "armoire-shown" in out.get("data", {}).get("text/html", "")
    }
    assert {"images", "ae", "of_ae", "vae.run", "faces"} <= shown
    for cell in notebook.cells:
        if cell.cell_type == "code" and re.match(r"draw|to_pil|[a-z_.]+$", cell.source.splitlines()[-1]):
            assert cell.outputs, cell.source


@pytest.mark.skipif(not FASHION.is_dir(), reason="the real Fashion-MNIST is not here")
def test_the_chapter_runs_clean_in_a_fresh_kernel(tmp_path):
    check(run(ENGLISH, tmp_path, quick=True))


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.is_dir(), reason="the real Fashion-MNIST is not here")
@pytest.mark.parametrize("path", [ENGLISH, KOREAN], ids=["english", "korean"])
def test_the_whole_chapter_runs_clean_in_a_fresh_kernel(path, tmp_path):
    check(run(path, tmp_path, quick=False))


def test_it_is_kept_without_outputs_and_draws_known_figures():
    for path in (ENGLISH, KOREAN):
        notebook = read(path)
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(not cell.outputs and cell.execution_count is None for cell in code)
        drawn = {name for cell in code for name in re.findall(r'draw\(\w+, "([\w-]+)"\)', cell.source)}
        assert drawn == set(CHAPTER)
        assert {name for name in drawn if not name.startswith("attribute-")} <= set(FIGURES)


def without_comments(code: str) -> list[tuple[int, str]]:
    kept = (tokenize.COMMENT, tokenize.NL)
    return [
        (token.type, token.string)
        for token in tokenize.generate_tokens(io.StringIO(code).readline)
        if token.type not in kept
    ]


def test_both_languages_have_the_same_cells_and_code():
    english, korean = read(ENGLISH).cells, read(KOREAN).cells
    assert [cell.cell_type for cell in english] == [cell.cell_type for cell in korean]
    for one, other in zip(english, korean, strict=True):
        assert one.metadata == other.metadata
        if one.cell_type == "code":
            assert without_comments(one.source) == without_comments(other.source)
        else:
            assert re.findall(r"^#+", one.source, re.M) == re.findall(r"^#+", other.source, re.M), other.source
            assert re.findall(r"`[^`]+`", one.source) == re.findall(r"`[^`]+`", other.source), other.source
            assert len(one.source.split("\n\n")) == len(other.source.split("\n\n")), other.source


def test_the_korean_one_is_korean():
    for cell in read(KOREAN).cells:
        words = re.sub(r"`[^`]+`", "", cell.source)
        comments = re.findall(r"#\s.*", cell.source) if cell.cell_type == "code" else [words]
        for text in comments:
            latin, hangul = len(re.findall("[A-Za-z]", text)), len(re.findall("[가-힣]", text))
            assert hangul > latin, text
