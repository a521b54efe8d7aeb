"""What the user can mend: exit code 2, one sentence, no traceback, nothing half-written."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from command_line import (
    FASHION,
    QUICK,
    Armoire,
    Trained,
    assert_ends_in_one_sentence,
    assert_one_sentence,
    contents,
    leftovers,
)

# (what is typed after `armoire train`, words of the sentence); {pictures} is a data set, {run} a trained run
TRAIN = {
    "unknown recipe": ("fashion-vea --data {pictures}", "no recipe 'fashion-vea'", "did you mean 'fashion-vae'?"),
    "no recipe": ("", "RECIPE"),
    "one recipe too many": ("images-vae fashion-vae --data {pictures}", "fashion-vae"),
    "recipe without data": ("images-vae", "--data"),
    "no such data": ("images-vae --data nowhere", "no data at 'nowhere'", "folder or zip of images"),
    "empty folder": ("images-vae --data empty", "no images in empty"),
    "one picture": ("images-vae --data one", "1 readable image"),
    "no zip": ("images-vae --data words.zip", "words.zip", "zip"),
    "no such file": ("nowhere.toml --data {pictures}", "no recipe file nowhere.toml"),
    "misspelt key": ("misspelt.toml --data {pictures}", "'epoks' in misspelt.toml", "did you mean 'epochs'?"),
    "text for a number": ("text.toml --data {pictures}", "epochs in text.toml", "integer", "'three'"),
    "not TOML": ("broken.toml --data {pictures}", "broken.toml cannot be read as TOML", "line 2"),
    "not text": ("bytes.toml --data {pictures}", "bytes.toml cannot be read as TOML"),
    "folder for a TOML": ("folder.toml --data {pictures}", "folder.toml"),
    "latent 0": ("images-vae --data {pictures} --latent 0", "latent", "1", "not 0"),
    "latent in words": ("images-vae --data {pictures} --latent two", "--latent", "two"),
    "half a dimension": ("images-vae --data {pictures} --size 16 --epochs 1 --latent 1.5", "latent", "1.5"),
    "half a dimension set": ("images-vae --data {pictures} --set latent=1.5", "latent", "1.5"),
    "size 8": ("images-vae --data {pictures} --size 8", "size", "16", "not 8"),
    "size 1000": ("images-vae --data {pictures} --size 1000", "size", "256", "not 1000"),
    "epochs 0": ("images-vae --data {pictures} --epochs 0", "epochs", "not 0"),
    "batch 0": ("images-vae --data {pictures} --batch 0", "batch", "not 0"),
    "batch 1": ("images-vae --data {pictures} --batch 1 --set norm=batch", "batch"),
    "lr 0": ("images-vae --data {pictures} --lr 0", "lr", "greater than 0"),
    "lr -1": ("images-vae --data {pictures} --lr -1", "lr", "greater than 0"),
    "lr nan": ("images-vae --data {pictures} --lr nan", "lr", "nan"),
    "lr inf": ("images-vae --data {pictures} --size 16 --lr inf", "lr", "inf"),
    "beta -1": ("images-vae --data {pictures} --beta -1", "beta", "not -1"),
    "noise 2": ("images-vae --data {pictures} --noise 2", "noise", "not 2"),
    "limit 1": ("images-vae --data {pictures} --limit 1", "limit", "not 1"),
    "seed -1": ("images-vae --data {pictures} --seed -1", "seed", "not -1"),
    "device cuda": ("images-vae --data {pictures} --device cuda", "no cuda device", "--device auto"),
    "no such device": ("images-vae --data {pictures} --device gpu", "gpu", "cuda"),
    "no such likelihood": ("images-vae --data {pictures} --likelihood poisson", "poisson", "calibrated"),
    "no such flag": ("images-vae --data {pictures} --epoch 3", "--epoch"),
    "flag without value": ("images-vae --data {pictures} --epochs", "--epochs"),
    "set without value": ("images-vae --data {pictures} --set channels", "KEY=VALUE"),
    "set of no setting": ("images-vae --data {pictures} --set chanels=[8]", "did you mean 'channels'?"),
    "no such fit": ("images-vae --data {pictures} --set fit=crup", "crop", "'crup'"),
    "no such colour": ("images-vae --data {pictures} --set background=wite", "'wite' is not a colour"),
    "too many halvings": (
        "images-vae --data {pictures} --set channels=[8,8,8,8,8] --size 16",
        "5 stages",
        "size of 16",
    ),
    "published size": ("fashion-vae --size 64", "64", "fashion-mnist"),
    "impossible size": ("fashion-vae --data {pictures} --size 16 --set channels=[8,8,8,8,8]", "5 stages", "size of 16"),
    "name that leaves the folder": (
        "images-vae --data {pictures} --size 16 --epochs 1 --set name=../../elsewhere",
        "name",
    ),
    "out is a file": ("images-vae --data {pictures} --out misspelt.toml", "misspelt.toml"),
    "out is below a file": ("images-vae --data {pictures} --out misspelt.toml/run", "misspelt.toml is a file"),
    "out cannot be written": ("images-vae --data {pictures} --out /proc/run", "cannot write /proc/run"),
    "out is taken": ("images-vae --data {pictures} --out {run}", "already holds something", "--resume"),
}


@pytest.fixture
def place(armoire: Armoire, pictures: Path) -> Path:
    """A working folder with things in it that are not what they should be."""
    here = armoire.cwd
    (here / "empty").mkdir()
    (here / "one").mkdir()
    shutil.copy(pictures / "disc" / "001.png", here / "one")
    (here / "folder.toml").mkdir()
    (here / "misspelt.toml").write_text("epoks = 3\n")
    (here / "text.toml").write_text('epochs = "three"\n')
    (here / "broken.toml").write_text("epochs = 3\nbeta = = 2\n")
    (here / "bytes.toml").write_bytes(b"\xff\xfe\x00epochs")
    (here / "words.zip").write_text("this is no archive")
    return here


@pytest.mark.parametrize("case", TRAIN)
def test_train(armoire: Armoire, place: Path, pictures: Path, trained: Trained, case: str) -> None:
    typed, *expected = TRAIN[case]
    before, run = contents(place), contents(trained.run)
    words = [word.format(pictures=pictures, run=trained.run) for word in typed.split()]
    assert_one_sentence(armoire("train", *words), *expected)
    assert contents(place) == before
    assert contents(trained.run) == run
    assert leftovers(Path(armoire.env["ARMOIRE_CACHE"])) == []


def test_a_training_that_explodes(armoire: Armoire, pictures: Path) -> None:
    words = ["train", "images-vae", "--data", pictures, *QUICK, "--out", "run"]
    stopped = armoire(*words, "--lr", "1e9")
    assert_ends_in_one_sentence(stopped, "no longer finite", "step", "--lr 1e+08")
    assert not (armoire.cwd / "run" / "model.safetensors").exists()
    # The sentence says how to mend it, so doing what it says must work.
    assert armoire(*words).code == 0


@pytest.mark.skipif(not FASHION.is_dir(), reason=f"Fashion-MNIST is not in {FASHION}")
@pytest.mark.parametrize("damage", ["truncated", "empty", "other content", "missing"])
def test_damaged_fashion_mnist(armoire: Armoire, damage: str) -> None:
    folder = armoire.cwd / "fashion"
    folder.mkdir()
    for path in FASHION.iterdir():
        (folder / path.name).symlink_to(path)
    victim = folder / "t10k-labels-idx1-ubyte.gz"
    content = victim.read_bytes()
    victim.unlink()
    if damage != "missing":
        broken = {"truncated": content[:2000], "empty": b"", "other content": b"\x1f\x8b" + bytes(200)}[damage]
        victim.write_bytes(broken)
    outcome = armoire("train", "fashion-vae", "--data", f"fashion-mnist:{folder}")
    assert_one_sentence(outcome, victim.name, str(folder), "apt-get install dataset-fashion-mnist")
    assert [path.name for path in armoire.cwd.iterdir()] == ["fashion"]


MADE = {
    "sample": ("sample", "run", "-n", "2", "--out", "made.png"),
    "reconstruct": ("reconstruct", "run", "picture.png", "--out", "made.png"),
    "evaluate": ("evaluate", "run", "--json"),
    "encode": ("encode", "run", "{pictures}", "--out", "made.parquet"),
    "figures": ("figures", "run", "losses"),
}
# file of a run: verbs that cannot do without it
NEEDED = {
    "recipe.toml": ("sample", "reconstruct", "evaluate", "encode", "figures"),
    "model.safetensors": ("sample", "reconstruct", "evaluate", "encode", "figures"),
    "history.csv": ("figures",),
}
DAMAGES = ("missing", "empty", "truncated", "garbage", "folder")


def damage_file(path: Path, damage: str) -> None:
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        short = content[: len(content) // 2]
        path.write_bytes({"empty": b"", "truncated": short, "garbage": bytes(range(128, 256)) * 8}[damage])


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", NEEDED)
def test_a_damaged_run(armoire: Armoire, copied: Path, pictures: Path, name: str, damage: str) -> None:
    shutil.copy(pictures / "disc" / "001.png", armoire.cwd / "picture.png")
    damage_file(copied / name, damage)
    before = contents(armoire.cwd)
    for verb in NEEDED[name]:
        words = [word.format(pictures=pictures) for word in MADE[verb]]
        assert_one_sentence(armoire(*words), "run")
        assert contents(armoire.cwd) == before, verb


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_latents(armoire: Armoire, copied: Path, trained: Trained, damage: str) -> None:
    """They are computed again, and stored unless a folder stands in their place."""
    damage_file(copied / "latents.parquet", damage)
    outcome = armoire(*MADE["evaluate"])
    assert outcome.code == 0, outcome.err
    assert ("latents.parquet is damaged" in outcome.err) == (damage != "missing")
    if damage != "folder":
        assert (copied / "latents.parquet").read_bytes() == (trained.run / "latents.parquet").read_bytes()


def test_weights_of_another_recipe(armoire: Armoire, copied: Path) -> None:
    """A run whose parts do not belong together is not used as if they did."""
    text = (copied / "recipe.toml").read_text()
    (copied / "recipe.toml").write_text(text.replace("latent = 2 ", "latent = 7 "))
    assert_one_sentence(armoire(*MADE["sample"]), "run")


# (what is typed, words of the sentence)
VERBS = {
    "no such run": ("evaluate nowhere", "no run at nowhere"),
    "no run": ("evaluate {pictures}", "is no run"),
    "run is a file": ("evaluate {pictures}/disc/001.png", "no run"),
    "no such split": ("evaluate {run} --split tset", "no split 'tset'", "did you mean 'test'?"),
    "other data": ("evaluate {run} --data nowhere", "no data at 'nowhere'"),
    "misspelt flag": ("evaluate {run} --jsno", "--jsno", "--json"),
    "misspelt verb": ("evaluat {run}", "evaluat", "evaluate"),
    "n 0": ("sample {run} -n 0 --out made.png", "-n", "not 0"),
    "n -3": ("sample {run} -n -3 --out made.png", "-n", "-3"),
    "n in words": ("sample {run} -n many --out made.png", "-n", "many"),
    "half an image": ("sample {run} -n 2.5 --out made.png", "-n", "2.5"),
    "sample seed -1": ("sample {run} --seed -1 --out made.png", "seed", "-1"),
    "no such prior": ("sample {run} --prior norml --out made.png", "no prior 'norml'", "did you mean 'normal'?"),
    "sample nowhere": ("sample {run}", "--out"),
    "sample to a jpg": ("sample {run} --out made.jpg", "made.jpg", ".png"),
    "sample below a file": ("sample {run} --out {pictures}/disc/001.png/made.png", "cannot write"),
    "sample to a folder below a file": ("sample {run} --out {pictures}/disc/001.png/made", "cannot write"),
    "sample where nothing can be": ("sample {run} --out /proc/made.npy", "cannot write"),
    "no image": ("reconstruct {run} --out made.png", "image"),
    "no such image": ("reconstruct {run} nowhere.png --out made.png", "nowhere.png", "no such file"),
    "unreadable image": ("reconstruct {run} {run}/history.csv --out made.png", "history.csv", "JPEG, PNG"),
    "folder for an image": ("reconstruct {run} {pictures} --out made.png", "pictures", "directory"),
    "reconstruct to a jpg": ("reconstruct {run} {pictures}/disc/001.png --out made.jpg", "made.jpg"),
    "reconstruct nowhere": ("reconstruct {run} {pictures}/disc/001.png --out /proc/made.png", "cannot write"),
    "encode to a csv": ("encode {run} {pictures} --out made.csv", "made.csv", ".parquet"),
    "encode nothing": ("encode {run} nowhere --out made.parquet", "no data at 'nowhere'"),
    "encode where nothing can be": ("encode {run} {pictures} --out /proc/made.parquet", "cannot write"),
    "data of nothing": ("data nowhere", "no data at 'nowhere'"),
    "data too small": ("data {pictures} --size 8", "16", "not 8"),
    "data of no fit": ("data {pictures} --fit crup", "crup", "crop"),
    "data of no colour": ("data {pictures} --background wite", "'wite' is not a colour"),
    "print no recipe": ("recipes fashion-vea", "did you mean 'fashion-vae'?"),
    "prior not fitted": ("sample {run} --prior flow --out made.png", "no flow prior was fitted", "armoire prior"),
    "temperature 0": ("sample {run} --temperature 0 --out made.png", "--temperature", "above 0"),
    "no such kind of prior": ("prior {run} --kind flw", "flw", "flow"),
    "prior seed -1": ("prior {run} --seed -1", "--seed", "not -1"),
    "one sample": ("evaluate {run} --samples 1", "--samples", "not 1"),
    "no such features": ("evaluate {run} --features vgg", "--features", "vgg", "efficientnet-lite0"),
    "no draws": ("evaluate {run} --draws 0", "--draws", "not 0"),
    "doctor of nothing": ("doctor nowhere", "no run at nowhere"),
    "doctor on nothing": ("doctor {run} --data nowhere", "no data at 'nowhere'"),
    "sweep without betas": ("sweep images-vae --data {pictures}", "--beta"),
    "sweep of words": ("sweep images-vae --data {pictures} --beta a,b", "--beta", "0.1,1,10", "'a,b'"),
    "sweep of an autoencoder": ("sweep fashion-ae --data {pictures} --beta 1", "plain autoencoder"),
    "sweep of nothing": ("sweep images-vae --beta 1", "no data of its own"),
    "no loss": ("beta --size 64", "--from"),
    "loss of nothing": ("beta --from 2000 --size 64", "'2000' is a number"),
    "loss that is none": ("beta --from 2000*mxe --size 64", "no error 'mxe'"),
    "loss of no image": ("beta --from mse --size 0", "--size", "1 or more"),
    "no such figure": ("figures {run} latnt", "latnt", "latent"),
}


@pytest.mark.parametrize("case", VERBS)
def test_other_verbs(armoire: Armoire, pictures: Path, trained: Trained, case: str) -> None:
    typed, *expected = VERBS[case]
    run = contents(trained.run)
    words = [word.format(pictures=pictures, run=trained.run) for word in typed.split()]
    assert_one_sentence(armoire(*words), *expected)
    assert list(armoire.cwd.iterdir()) == []
    assert contents(trained.run) == run


@pytest.mark.skipif(not FASHION.is_dir(), reason=f"Fashion-MNIST is not in {FASHION}")
def test_data_of_another_shape(armoire: Armoire, trained: Trained) -> None:
    for words in (("evaluate", trained.run, "--data", "fashion-mnist"), ("encode", trained.run, "fashion-mnist")):
        out = ("--out", "made.parquet") if words[0] == "encode" else ()
        assert_one_sentence(armoire(*words, *out), "(32, 32, 1)", "(16, 16, 3)")
    assert list(armoire.cwd.iterdir()) == []


def test_data_that_has_changed_or_gone(armoire: Armoire, pictures: Path) -> None:
    own = Path(shutil.copytree(pictures, armoire.cwd / "own"))
    assert armoire("train", "images-vae", "--data", "own", *QUICK, "--out", "run").code == 0
    (own / "disc" / "001.png").unlink()
    assert_one_sentence(armoire("evaluate", "run"), "has changed")
    shutil.rmtree(own)
    assert_one_sentence(armoire("evaluate", "run"), "own")
    made = armoire("sample", "run", "-n", 1, "--out", "made.png")
    assert made.code == 0, "what is in the run is enough to draw from it"


def test_sentences_stay_on_one_line_in_a_narrow_terminal(armoire: Armoire, pictures: Path) -> None:
    armoire.env = armoire.env | {"COLUMNS": "40"}
    assert_one_sentence(armoire("train", "images-vae", "--data", pictures, "--device", "gpu"), "auto")
    assert_one_sentence(armoire("train", "images-vae", "--data", pictures, "--latent", "0"), "latent")


def test_a_reader_that_leaves_is_no_error(armoire: Armoire) -> None:
    with armoire.started("recipes", "images-vae") as process:
        assert process.stdout
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=60)
    assert process.returncode in (0, -signal.SIGPIPE)
    assert err == ""
