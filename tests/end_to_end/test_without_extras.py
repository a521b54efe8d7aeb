"""What needs an extra says so in one sentence where it is not installed; test_a_run.py needs none."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import ABSENT, QUICK, Armoire, assert_one_sentence, contents

from armoire import Wardrobe
from armoire.priors.flow import Flow, make_network
from armoire.priors.whitening import Whitening

PAGE = Path(__file__).parents[2] / "src/armoire/explorer/index.html"
# What is typed; words of the sentence, the extra among them.
NEEDS = {
    "export run --onnx made": ("an export to ONNX", "armoire[explore]", "onnxruntime"),
    "explore run --export site": ("armoire[explore]", "onnxruntime"),
    "explore run --no-browser": ("armoire[explore]", "onnxruntime"),
    "prior run --kind flow": ("a prior of kind flow", "armoire[flow]", "zuko", "gmm"),
    "train images-vae --data {pictures} --out new --set prior=flow": ("armoire[flow]", "zuko"),
    "train images-vae --data {pictures} --out new --track wandb": ("armoire[wandb]",),
    "evaluate run --samples 50": ("--features efficientnet-lite0", "armoire[measure]", "--features classifier"),
    "evaluate run --features dinov2-focus": ("--features dinov2-focus", "armoire[measure]"),
    "encode run {pictures} --out places --engine ray": ("armoire[ray]",),
    "survey {pictures} --out found --engine ray": ("armoire[ray]",),
    "data hf:someone/pets": ("armoire[hub]", "huggingface-hub"),
}


@pytest.mark.parametrize("line", NEEDS)
def test_a_missing_extra_is_one_sentence(armoire: Armoire, copied: Path, pictures: Path, line: str) -> None:
    if line.startswith("explore") and not PAGE.is_file():
        pytest.skip("armoire was installed without the explorer's page")
    before = contents(armoire.cwd)
    words = [word.format(pictures=pictures) for word in line.split()] + list(QUICK) * line.startswith("train")
    assert_one_sentence(armoire(*words, absent=ABSENT), *NEEDS[line])
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
    assert armoire("figures", "run", "losses", absent=ABSENT).code == 0
