"""The chapter as a notebook: it runs in a fresh kernel, its claims hold, and both languages have the same code."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import tokenize
from importlib import import_module
from pathlib import Path
from typing import Any

import nbformat
import pytest
from documents import ROOT
from nbclient import NotebookClient

import armoire
from armoire.figures import FIGURES

FASHION = Path("/usr/share/datasets/fashion-mnist")
ENGLISH = ROOT / "docs/notebooks/infinite-wardrobe.ipynb"
KOREAN = ROOT / "docs/ko/notebooks/infinite-wardrobe.ipynb"
WIDGET = "application/vnd.jupyter.widget-view+json"
# The figures that the chapter needs.
CHAPTER = ["loss-choice", "reconstructions", "latent", "latent-by-label", "samples", "plane", "denoising", "losses"]
CHAPTER += ["p-space", "p-grid", "latent-histograms", "attribute-Smiling", "morph"]

# Run after the last cell, in the notebook's kernel: the numbers that the text's claims rest on.
PROBE = """
import json
from armoire.images.sources.drawn_faces import measured_smile

def variety(images, real):  # variance among images, as a share of that among real ones: grey blobs have little
    return float(images.var(axis=0).mean() / real.var(axis=0).mean())

rng = np.random.default_rng(0)
clean = test.images[:500]
noisy = np.clip(clean + 255 * 0.3 * rng.standard_normal(clean.shape), 0, 255).astype(np.uint8)
error = lambda images: float(np.square((images - clean.astype(float)) / 255).mean())
some = held_out.images[:60]
moved = [faces.encode(some) + s * smile.scale * smile.vector for s in (-2, 0, 2)]
decoded_faces = [faces.decode(faces.encode(some)), faces.decode(faces.sample(60, seed=1, prior="normal"))]
print(json.dumps({
    "ae": of_ae.latent,
    "vae": of_vae.latent,
    "sweep": [[row[key] for key in ("rate_nats", "distortion_nats", "mse")] for row in rows],
    "mse": [of.reconstruction["mse"] for of in (of_ae, of_vae)],
    "variance": float(clean.var(axis=0).mean() / 255**2),
    "garments": variety(vae.decode(vae.sample(500, seed=1)), clean),
    "noise": [error(noisy), error(dae.decode(dae.encode(noisy)))],
    "faces": [variety(made, some) for made in decoded_faces],
    "smiles": [float(measured_smile(faces.decode(z)).mean()) for z in moved],
}))
"""


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def run(path: Path, folder: Path, quick: bool) -> Any:
    """The notebook with its outputs, run by a fresh kernel in a folder of its own."""
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
        patch.setenv("OMP_NUM_THREADS", "1" if quick else str(os.cpu_count()))  # other tests run at the same time
        notebook.cells.append(nbformat.v4.new_code_cell(PROBE))
        NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def outputs(notebook: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(cell.source, out) for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]


def check(notebook: Any) -> None:
    """Check that there are no errors and warnings, and that all figures and outputs are there."""
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


def check_claims(notebook: Any) -> None:
    """Check the text's claims about figures and numbers."""
    found = json.loads(notebook.cells.pop().outputs[0]["text"])
    ae, vae = found["ae"], found["vae"]
    assert ae["drawn_in_holes"] > 0.25  # there are holes
    assert vae["drawn_in_holes"] < 0.6 * ae["drawn_in_holes"]
    assert vae["ks_max"] < 0.5 * ae["ks_max"]  # no centre that anyone agreed on
    assert vae["areas"]["p_area_mismatch"] < ae["areas"]["area_mismatch"]  # each where one draws
    shares = ae["areas"]["area_share"].values()
    assert max(shares) > 2 * min(shares)  # unequal areas
    assert vae["areas"]["p_area_mismatch"] < 0.3  # almost evenly
    assert max(found["mse"]) < 0.65 * found["variance"]  # a boot stays a boot
    assert found["garments"] > 0.3  # some could be worn: no grey blobs
    noise, rest = found["noise"]
    assert rest < 0.8 * noise  # what comes back is clean
    (low, _, low_mse), _, (high, _, high_mse) = found["sweep"]
    assert low > 2 * high  # too little weight
    assert high_mse > 1.2 * low_mse  # too much
    reconstructed, drawn = found["faces"]
    assert reconstructed > 0.4
    assert drawn > 0.05
    less, same, more = found["smiles"]
    assert less < same < more
    assert more - less > 0.1


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.is_dir(), reason="the real Fashion-MNIST is not here")
@pytest.mark.parametrize("quick", [True, False], ids=["quick", "whole"])
def test_the_chapter_runs_and_its_claims_hold(quick, tmp_path):
    notebook = run(ENGLISH, tmp_path, quick)  # the Korean one has the same code: see below
    check_claims(notebook)
    check(notebook)


def test_the_code_uses_names_that_armoire_has():
    code = "\n".join(cell.source for cell in read(ENGLISH).cells if cell.cell_type == "code")
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "armoire":
            assert node.attr in armoire.__all__
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("armoire"):
            assert all(hasattr(import_module(str(node.module)), name.name) for name in node.names)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("armoire.train", "armoire.load_recipe"):
            assert ast.literal_eval(node.args[0]) in armoire.recipe_names()
            settings = {word.arg for word in node.keywords if word.arg} - {"out", "resume"}
            assert settings <= set(armoire.Recipe.model_fields)


def test_notebooks_have_no_outputs_and_draw_known_figures():
    for path in (ENGLISH, KOREAN):
        notebook = read(path)
        nbformat.validate(notebook)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert all(not cell.outputs and cell.execution_count is None for cell in code)
        drawn = {name for cell in code for name in re.findall(r'draw\(\w+, "([\w-]+)"\)', cell.source)}
        assert drawn == set(CHAPTER)
        assert {name for name in drawn if not name.startswith("attribute-")} <= set(FIGURES)


def without_comments(code: str) -> list[tuple[int, str]]:
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return [(token.type, token.string) for token in tokens if token.type not in (tokenize.COMMENT, tokenize.NL)]


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


def test_the_korean_notebook_is_in_korean():
    for cell in read(KOREAN).cells:
        words = re.sub(r"`[^`]+`", "", cell.source)
        comments = re.findall(r"#\s.*", cell.source) if cell.cell_type == "code" else [words]
        for text in comments:
            latin, hangul = len(re.findall("[A-Za-z]", text)), len(re.findall("[가-힣]", text))
            assert hangul > latin, text
