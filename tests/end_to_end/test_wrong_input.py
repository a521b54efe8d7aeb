"""What the user can fix: exit code 2, one sentence on stderr, no traceback, and nothing written."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from command_line import QUICK, Armoire, assert_ends_in_one_sentence, assert_one_sentence, contents

from armoire.wardrobe.outliers import ROW

FACES = "--attribute Smiling --strength 1 --out e.png"
# What is typed: words of the sentence. {pictures} is a data set, {run} a run on it, {image} one of its images.
WRONG = {
    "evaluat {run}": ("evaluat", "evaluate"),
    "train": ("RECIPE",),
    "train fashion-vea --data {pictures}": ("no recipe 'fashion-vea'", "did you mean 'fashion-vae'?"),
    "train images-vae fashion-vae --data {pictures}": ("fashion-vae",),
    "train images-vae": ("--data",),
    "train celeba-vae": ("celeba-vae brings no data", "--data"),
    "train images-vae --data nowhere": ("no data at 'nowhere'", "folder or zip of images"),
    "train images-vae --data empty": ("no images in empty",),
    "train images-vae --data one": ("1 readable image",),
    "train images-vae --data broken": ("0 readable images", "a.png", "empty file"),
    "train images-vae --data words.zip": ("words.zip", "zip"),
    "train nowhere.toml --data {pictures}": ("no recipe file nowhere.toml",),
    "train misspelt.toml --data {pictures}": ("'epoks' in misspelt.toml", "did you mean 'epochs'?"),
    "train text.toml --data {pictures}": ("epochs in text.toml", "integer", "'three'"),
    "train broken.toml --data {pictures}": ("broken.toml cannot be read as TOML", "line 2"),
    "train folder.toml --data {pictures}": ("folder.toml",),
    "train images-vae --data {pictures} --latent 0": ("latent", "1", "not 0"),
    "train images-vae --data {pictures} --latent 1.5": ("--latent", "'1.5' is not a whole number"),
    "train images-vae --data {pictures} --lr inf": ("lr", "inf"),
    "train images-vae --data {pictures} --device cuda": ("no cuda device", "--device auto"),
    "train images-vae --data {pictures} --device gpu": ("gpu", "cuda"),
    "train images-vae --data {pictures} --likelihood poisson": ("poisson", "calibrated"),
    "train images-vae --data {pictures} --epoch 3": ("--epoch",),
    "train images-vae --data {pictures} --set channels": ("KEY=VALUE",),
    "train images-vae --data {pictures} --set chanels=[8]": ("did you mean 'channels'?",),
    "train images-vae --data {pictures} --set fit=crup": ("crop", "'crup'"),
    "train images-vae --data {pictures} --set background=wite": ("'wite' is not a colour",),
    "train images-vae --data {pictures} --size 16 --set name=../../elsewhere": ("name",),
    "train fashion-vae --size 64": ("64", "fashion-mnist"),
    "train images-vae --data {pictures} --out text.toml": ("text.toml",),
    "train images-vae --data {pictures} --out text.toml/run": ("text.toml is a file",),
    "train images-vae --data {pictures} --out /proc/run": ("cannot write /proc/run",),
    "train images-vae --data {pictures} --out /dev/full": ("/dev/full",),
    "train images-vae --data {pictures} --out {run}": ("already holds something", "--resume"),
    "train images-vae --data {pictures} --out hf:me/shapes": ("choose a folder for --out",),
    "evaluate nowhere": ("no run at nowhere", "armoire train"),
    "evaluate {pictures}": ("is no run",),
    "evaluate {image}": ("no run",),
    "evaluate {run} --split tset": ("no split 'tset'", "did you mean 'test'?"),
    "evaluate {run} --data nowhere": ("no data at 'nowhere'",),
    "evaluate {run} --data fashion-mnist": ("(32, 32, 1)", "(16, 16, 3)"),
    "evaluate {run} --jsno": ("--jsno", "--json"),
    "evaluate {run} --samples 1": ("--samples", "1", "2"),
    "evaluate {run} --features vgg": ("--features", "vgg", "efficientnet-lite0"),
    "sample {run}": ("--out",),
    "sample {run} -n 0 --out made.png": ("-n", "0", "1"),
    "sample {run} -n 2.5 --out made.png": ("-n", "'2.5' is not a whole number"),
    "sample {run} --seed -1 --out made.png": ("--seed", "-1", "0"),
    "sample {run} --temperature 0 --out made.png": ("--temperature", "> 0"),
    "sample {run} --temperature nan --out made.png": ("--temperature", "nan"),
    "sample {run} --prior norml --out made.png": ("no prior 'norml'", "did you mean 'normal'?"),
    "sample {run} --prior flow --out made.png": ("no flow prior was fitted", "armoire prior"),
    "sample {run} --out made.jpg": ("made.jpg", ".png"),
    "sample {run} --out {image}/made.png": ("cannot write",),
    "sample {run} --out {pictures}": ("a new or empty folder, which {pictures} is not",),
    "sample {run} --out /proc/made.npy": ("cannot write",),
    "sample hf:nothing --out made.png": ("give hf:OWNER/NAME",),
    "reconstruct {run} --out made.png": ("image",),
    "reconstruct {run} nowhere.png --out made.png": ("nowhere.png", "no such file"),
    "reconstruct {run} {run}/history.csv --out made.png": ("history.csv", "JPEG, PNG"),
    "reconstruct {run} {pictures} --out made.png": ("pictures", "directory"),
    "reconstruct {run} {image} --out made.jpg": ("made.jpg", "png"),
    f"edit {{run}} {{image}} {FACES}": ("pictures, which has no attributes",),
    f"edit {{faces}} {{image}} {FACES.replace('Smiling', 'Smilling')}": ("'Smilling' in drawn", "mean 'Smiling'?"),
    f"edit {{faces}} {{image}} {FACES.replace('Smiling', 'Gray_Hair')}": ("Gray_Hair holds for", "at least 10 of each"),
    f"edit {{faces}} {FACES}": ("IMAGE",),
    f"edit {{faces}} {{image}} {FACES} --method partail": ("partail", "difference", "partial", "logistic"),
    "edit {faces} {image} --attribute Smiling --strength 1 --out /proc/e.png": ("cannot write",),
    "edit {faces} {image} --attribute Smiling --out e.png": ("--strength",),
    "edit {faces} {image} --strength 1 --out e.png": ("--attribute",),
    **{
        f"edit {{faces}} {{image}} --attribute Smiling --out e.png --strength{join}{strength}": ("--strength", words)
        for join in (" ", "=")
        for strength, words in {
            "much": "'much' is not one or several numbers",
            "1,nan": "'1,nan' is not one or several numbers",
            "-inf,1": "'-inf,1' is not one or several numbers",
            "1,": "'1,' is not one or several numbers",
            "1001": "<= 1000",
            "-1,-1001": ">= -1000",
        }.items()
    },
    "morph {run} {image} --out m.png": ("IMAGE_B",),
    "morph {run} {image} {image} --steps 1 --out m.png": ("--steps", "1", ">= 2"),
    "morph {run} {image} {image} --steps 1000000 --out m.gif": ("--steps", "<= 1000"),
    "morph {run} {image} {image} --out m.jpg": ("png", "gif", "m.jpg"),
    "morph {run} {image} {image} --out /proc/m.gif": ("cannot write",),
    "morph {run} {image} {image} --path sperical --out m.png": ("sperical", "linear", "spherical"),
    "encode {run} {pictures} --out made.csv": ("made.csv", ".parquet"),
    "encode {run} {pictures} --out /proc/made.parquet": ("cannot write",),
    "export {run}": ("--onnx",),
    "export {run} --onnx {image}/made": ("cannot write", "choose another path"),
    "explore {run} --export {pictures}": ("is no exported explorer", "choose"),
    "explore {run} --export {image}": ("is a file", "choose"),
    "explore {run} --export .": ("is the current folder",),
    "explore {run} --export made --port 8000": ("leave it out, or --port",),
    "explore {run} --export made --host ::1": ("--export",),
    "explore {run} --port 99999": ("there is no port 99999",),
    "explore {run} --host 192.0.2.1 --no-browser": ("cannot listen on 192.0.2.1",),
    "push {run} shapes": ("give OWNER/NAME",),
    "push nowhere me/shapes": ("no run at nowhere",),
    "data nowhere": ("no data at 'nowhere'",),
    "data celeba:nowhere": ("no data at 'celeba:nowhere'", "celeba:PATH"),
    "data drawn-fases": ("did you mean 'drawn-faces'?",),
    "data drawn-faces:1": ("not 1",),
    "data {pictures} --size 8": ("16", "not 8"),
    "data {pictures} --fit crup": ("crup", "crop"),
    "data {pictures} --background wite": ("'wite' is not a colour",),
    "prior {run} --kind flw": ("flw", "flow"),
    "doctor nowhere": ("no run at nowhere",),
    "sweep images-vae --data {pictures}": ("--beta",),
    "sweep images-vae --data {pictures} --beta 1 --samples 1": ("--samples", "not 1"),
    "sweep fashion-ae --data {pictures} --beta 1": ("plain autoencoder",),
    "sweep images-vae --beta 1": ("no data of its own",),
    "beta --size 64": ("--from",),
    "beta --from 2000 --size 64": ("'2000' is a number",),
    "beta --from 2000*mxe --size 64": ("no error 'mxe'",),
    "figures {run} latnt": ("latnt", "latent"),
}


@pytest.fixture(scope="module")
def place(shared: Armoire, pictures: Path) -> Path:
    """A folder that holds things that are not what they should be."""
    here = shared.cwd
    for name in ("empty", "one", "broken", "folder.toml"):
        (here / name).mkdir()
    shutil.copy(pictures / "disc" / "001.png", here / "one")
    (here / "broken" / "a.png").write_bytes(b"")
    (here / "broken" / "b.jpg").write_text("words")
    (here / "misspelt.toml").write_text("epoks = 3\n")
    (here / "text.toml").write_text('epochs = "three"\n')
    (here / "broken.toml").write_text("epochs = 3\nbeta = = 2\n")
    (here / "words.zip").write_text("this is no archive")
    return here


@pytest.mark.parametrize("line", WRONG)
def test_it_is_one_sentence(in_process, place, pictures, trained, faces, monkeypatch, line) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "40")
    names = {"pictures": pictures, "image": pictures / "disc" / "001.png", "run": trained.run, "faces": faces}
    before = contents(place), contents(trained.run), contents(faces)
    outcome = in_process(*(word.format(**names) for word in line.split()))
    assert_one_sentence(outcome, *(words.format(**names) for words in WRONG[line]))
    assert (contents(place), contents(trained.run), contents(faces)) == before


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "folder"])
@pytest.mark.parametrize("name", ["recipe.toml", "model.safetensors"])
def test_a_damaged_run(in_process, armoire: Armoire, copied: Path, name: str, damage: str, monkeypatch) -> None:
    monkeypatch.chdir(armoire.cwd)
    content = (copied / name).read_bytes()
    (copied / name).unlink()
    if damage == "folder":
        (copied / name).mkdir()
    elif damage != "missing":
        (copied / name).write_bytes(content[: len(content) // 2] if damage == "truncated" else b"")
    before = contents(armoire.cwd)
    for words in (["evaluate", "run"], ["export", "run", "--onnx", "made"], ["explore", "run", "--export", "made"]):
        assert_one_sentence(in_process(*words), "run")
    assert contents(armoire.cwd) == before


def test_a_training_that_explodes(armoire: Armoire, pictures: Path) -> None:
    words = ["train", "images-vae", "--data", pictures, *QUICK, "--out", "run"]
    assert_ends_in_one_sentence(armoire(*words, "--lr", "1e9"), "no longer finite", "step", "--lr 1e+08")
    assert not (armoire.cwd / "run" / "model.safetensors").exists()
    examined = armoire("doctor", "run")
    assert (examined.code, examined.out[:18]) == (0, "diverged training\n")
    fix = examined.out.split("\n  fix")[1].split()
    assert fix[:2] == ["armoire", "train"]
    assert armoire(*fix[1:]).code == 0, "what it says must work"


def test_data_that_have_changed_or_gone(armoire: Armoire, pictures: Path) -> None:
    own = Path(shutil.copytree(pictures, armoire.cwd / "own"))
    assert armoire("train", "images-vae", "--data", "own", *QUICK, "--out", "run").code == 0
    shutil.copy(own / "disc" / "001.png", armoire.cwd / "a.png")
    (own / "disc" / "001.png").unlink()
    assert_one_sentence(armoire("evaluate", "run"), "has changed")
    shutil.rmtree(own)
    assert_one_sentence(armoire("evaluate", "run"), "own")
    # What is in the run is enough to sample and to search.
    assert armoire("sample", "run", "-n", 1, "--out", "made.png").code == 0
    found = armoire("nearest", "run", "a.png", "--json")
    assert found.json()["nearest"][0]["id"] == "disc/001.png"
    assert found.json()["outlier"] is not None
    (armoire.cwd / "run" / "outliers.safetensors").unlink()
    morph = armoire("morph", "run", "a.png", "a.png", "--out", "m.png")
    assert (morph.code, len(morph.err.splitlines())) == (0, 1), "reported once, not for each image"
    assert morph.err.startswith("outliers cannot be detected: ")
    assert armoire("nearest", "run", "a.png", "--json").json() == found.json() | dict.fromkeys(ROW)


def test_a_reader_that_leaves_is_no_error(armoire: Armoire) -> None:
    with armoire.started("recipes", "images-vae") as process:
        assert process.stdout
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGPIPE)
    assert err == ""
