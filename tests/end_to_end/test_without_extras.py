"""Every command in an environment that has armoire's requirements and none of its extras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import ABSENT, QUICK, Armoire, assert_one_sentence, contents

from armoire import Wardrobe
from armoire.priors.flow import Flow, make_network
from armoire.priors.whitening import Whitening

PAGE = Path(__file__).parents[2] / "src/armoire/explorer/index.html"
WORKS = [
    "data {pictures}",
    "train images-vae --data {pictures} --out new --limit 60 {quick}",
    "figures {run}",
    "evaluate {run} --json",
    "sample {run} -n 4 --out samples.png",
    "reconstruct {run} {picture} --out again.png",
    "morph {run} {picture} {other} --out morph.png",
    "nearest {run} {picture}",
    "encode {run} {pictures} --out places.parquet",
    "prior {run} --kind gmm",
    "doctor {run}",
    "beta --from 2000*mse --size 64 --channels 3",
    "recipes",
    "check",
    "completion bash",
]
# What is typed; words of the sentence, the extra among them.
NEEDS = {
    "export {run} --onnx made": ("an export to ONNX", "armoire[explore]", "onnxruntime"),
    "explore {run} --export site": ("armoire[explore]", "onnxruntime"),
    "explore {run} --no-browser": ("armoire[explore]", "onnxruntime"),
    "prior {run} --kind flow": ("a prior of kind flow", "armoire[flow]", "zuko", "gmm"),
    "train images-vae --data {pictures} --out new --set prior=flow {quick}": ("armoire[flow]", "zuko"),
    "evaluate {run} --samples 50": ("--features efficientnet-lite0", "armoire[measure]", "--features classifier"),
    "encode {run} {pictures} --out places --engine ray": ("armoire[ray]",),
    "train images-vae --data {pictures} --out new --track wandb {quick}": ("armoire[wandb]",),
}


def words(line: str, run: Path, pictures: Path) -> list[str]:
    picture, other = sorted(pictures.rglob("*.png"))[:2]
    given = {"run": run, "pictures": pictures, "picture": picture, "other": other, "quick": "{quick}"}
    found = [word.format(**given) for word in line.split()]
    return [part for word in found for part in (QUICK if word == "{quick}" else (word,))]


@pytest.mark.parametrize("line", WORKS, ids=lambda line: line.split()[0])
def test_this_needs_no_extra(armoire: Armoire, copied: Path, pictures: Path, line: str) -> None:
    done = armoire(*words(line, copied, pictures), absent=ABSENT)
    assert done.code == 0, done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("line", NEEDS)
def test_a_missing_extra_is_one_sentence(armoire: Armoire, copied: Path, pictures: Path, line: str) -> None:
    if line.startswith("explore") and not PAGE.is_file():
        pytest.skip("armoire was installed without the explorer's page")
    before = contents(armoire.cwd)
    assert_one_sentence(armoire(*words(line, copied, pictures), absent=ABSENT), *NEEDS[line])
    assert contents(armoire.cwd) == before


def test_a_run_with_a_flow_opens_and_draws_from_what_is_asked_for(armoire: Armoire, copied: Path) -> None:
    wardrobe = Wardrobe.open(copied)
    shape = {"latent": 2, "width": 4, "transforms": 1, "passes": 2}
    flow = Flow(Whitening.of(wardrobe.latents.mean), make_network(**shape), shape)
    wardrobe._priors.write("flow", flow, {"log_prob": 0.0})
    for chosen in ((), ("--prior", "flow")):
        done = armoire("sample", "run", "-n", 4, *chosen, "--out", "samples.png", absent=ABSENT)
        assert_one_sentence(done, "a prior of kind flow", "armoire[flow]", "zuko", "normal")
    assert armoire("sample", "run", "-n", 4, "--prior", "normal", "--out", "samples.npy", absent=ABSENT).code == 0
    assert np.load(armoire.cwd / "samples.npy").shape == (4, 16, 16, 3)
    assert armoire("figures", "run", "losses", absent=ABSENT).code == 0
