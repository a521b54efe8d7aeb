"""What leaves the machine holds no path of it, and no connection is opened that was not asked for."""

from __future__ import annotations

import base64
import gzip
import io
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import QUICK, Armoire, assert_one_sentence
from hub_stand_in import Hub
from PIL import Image

import armoire as package
from armoire.images import SetInfo
from armoire.images.fit import Fit
from armoire.images.listing import name_below
from armoire.images.sources import public_source, source_path
from armoire.training import Run, load_recipe
from armoire.training.without_paths import public_recipe


@pytest.fixture
def somebody(armoire: Armoire, there: Hub, tmp_path: Path) -> Armoire:
    """`armoire` with a home folder, a cache and a token of its own."""
    home = tmp_path / "home-of-somebody"
    home.mkdir()
    own = {"HOME": str(home), "HF_HOME": str(home / "hugging"), "ARMOIRE_CACHE": str(tmp_path / "cache")}
    return replace(armoire, env=armoire.env | there.env | own)


def layers(content: bytes) -> Iterator[bytes]:
    """A file's bytes, and what is packed in them: archives, tables, texts in pictures, base64."""
    yield content
    if content.startswith(b"\x1f\x8b"):
        yield from layers(gzip.decompress(content))
    elif content.startswith(b"PK"):
        archive = zipfile.ZipFile(io.BytesIO(content))
        for name in archive.namelist():
            yield from layers(archive.read(name))
    elif content.startswith(b"PAR1"):
        table = pq.read_table(pa.BufferReader(content))
        yield repr((table.schema.metadata, table.select([c for c in table.column_names if "_" not in c]))).encode()
    elif content.startswith(b"\x89PNG"):
        yield repr(Image.open(io.BytesIO(content)).info).encode()
    for found in re.findall(rb"base64,([A-Za-z0-9+/=]{100,})", content):
        yield from layers(base64.b64decode(found))


def paths_in(files: dict[str, bytes], *folders: Path) -> list[tuple[str, str]]:
    """Which files hold which paths of this machine."""
    words = {str(folder) for folder in (*folders, Path(__file__).parents[2], Path(sys.prefix))}
    words |= {ascii(word)[1:-1] for word in words}
    return [
        (name, word)
        for name, content in files.items()
        for word in words
        if any(word.encode() in layer for layer in layers(content))
    ]


def of_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_push_holds_no_path_without_keep_paths(somebody, there, copied, pictures, tmp_path):
    assert str(pictures) in (copied / "recipe.toml").read_text()  # the run itself finds its data
    sent = somebody("push", copied, "me/shapes")
    assert sent.code == 0, sent.err
    files = there.files("me/shapes")
    assert "latents.parquet" in files
    assert paths_in(files, pictures.parent, tmp_path, Path(somebody.env["HOME"])) == []
    assert tomllib.loads(files["recipe.toml"].decode())["data"] == "pictures"
    whole = somebody("push", copied, "me/whole", "--keep-paths", "--no-figures")
    assert f"hold the path of the data: {pictures}" in " ".join(whole.err.split())
    assert {name for name, _ in paths_in(there.files("me/whole"), pictures)} == {"recipe.toml", "model.safetensors"}


def test_a_run_from_the_hub_is_whole_and_says_how_to_give_its_data(somebody, there, copied, pictures):
    assert somebody("push", copied, "me/shapes", "--no-figures").code == 0
    made = somebody("sample", "hf:me/shapes", "--prior", "box", "--out", "made.png")  # needs its latents
    assert made.code == 0, made.err
    (somebody.cwd / "pictures").mkdir()  # another folder of that name, which is not read
    for words in (("evaluate", "hf:me/shapes"), ("figures", "hf:me/shapes", "reconstructions")):
        assert_one_sentence(somebody(*words), "(pictures) are not here", "--data", "Wardrobe.open(.., images)")
    assert somebody("evaluate", "hf:me/shapes", "--data", pictures, "--json").json()["data"]["as_trained_on"]
    drawn = somebody("figures", "hf:me/shapes", "reconstructions", "--data", pictures)
    assert drawn.code == 0, drawn.err


def test_the_key_of_the_weights_does_not_depend_on_the_path_of_the_data(copied, tmp_path):
    run, public = Run.open(copied), tmp_path / "public"
    shutil.copytree(copied, public)
    (public / "model.safetensors").write_bytes(run.public_model())
    again = Run.open(public)
    assert again.key() == run.key()
    assert again.public_model() == run.public_model()
    assert again.data == replace(run.data, source="pictures")


def test_celeba_recognized_by_its_folder_may_not_be_shown_without_the_path():
    source = "/home/me/CelebA/faces"
    public = public_recipe(load_recipe("images-vae").change(data=source), SetInfo("faces", source, Fit(16)))
    assert (public.data, public.showable) == ("faces", False)


SOURCES = {
    "fashion-mnist:/home/me/idx": "fashion-mnist",
    "celeba:/home/me/archive.zip": "celeba:archive.zip",
    "/home/me/pets": "pets",
    "/home/me/a: b/pets.tar": "pets.tar",
}


@pytest.mark.parametrize("source", [*SOURCES, "fashion-mnist", "drawn-faces:500", "hf:me/pets:cats@main", "pets", ""])
def test_the_public_name_of_a_source(source):
    assert public_source(source) == SOURCES.get(source, source)
    assert (source_path(source) is not None) == (source in [*SOURCES, "pets", ""])


def test_ids_hold_no_path(tmp_path):
    assert name_below("a/b.png", tmp_path) == "a/b.png"
    assert name_below(str(tmp_path / "a" / "b.png"), tmp_path) == "a/b.png"
    assert name_below("/home/me/b.png", tmp_path) == "b.png"
    assert name_below(r"C:\Users\me\b.png", tmp_path) == "b.png"
    picture = io.BytesIO()
    Image.new("RGB", (20, 20)).save(picture, "PNG")
    cells = [{"bytes": picture.getvalue(), "path": f"{tmp_path}/elsewhere/{i // 2}.png"} for i in range(20)]
    pq.write_table(pa.table({"image": cells}), tmp_path / "table.parquet")
    images = package.load_images(tmp_path / "table.parquet", 16)
    assert len(set(images.ids)) == 20
    assert not any(str(tmp_path) in name for name in images.ids)


@pytest.mark.slow
def test_exports_sites_and_reports_hold_no_path(somebody, copied, pictures, tmp_path):
    out = tmp_path / "out"
    for arguments in (
        ("figures", copied),
        ("export", copied, "--onnx", out / "onnx"),
        ("explore", copied, "--export", out / "site"),
        ("sample", copied, "--out", out / "made.png"),
        ("encode", copied, pictures, "--out", out / "latents.parquet"),
    ):
        done = somebody(*arguments)
        assert done.code == 0, (arguments, done.err)
    shutil.copy(copied / "report.html", out)
    shutil.copytree(copied / "figures", out / "figures")
    files = of_folder(out)
    assert {"onnx/decoder.onnx", "site/data/manifest.json", "report.html", "figures/losses.png"} <= set(files)
    assert paths_in(files, pictures.parent, copied.parent, Path(somebody.env["HOME"])) == []


HEARD = """
import os, sys
def heard(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.connect", "socket.sendto"):
        address = arguments[0] if isinstance(arguments[0], str) else arguments[1]
        here = ("/", "\\0", "('127.", "('::1", "localhost")
        if isinstance(address, str | tuple) and not str(address).startswith(here):
            with open(os.environ["HEARD"], "a") as file:
                print(event, address, file=file)
sys.addaudithook(heard)
"""
GRAPH = """
import armoire, sys
assert not {"onnxruntime", "torch"} & sys.modules.keys()
from onnx import TensorProto, helper
value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value("x")], [value("y")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
from armoire.onnx_graphs import open_session
open_session(model.SerializeToString())
"""


@pytest.fixture
def watched(somebody: Armoire, tmp_path: Path) -> Armoire:
    """The same in processes that log every connection that Python opens."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HEARD)
    ours = str(Path(package.__file__).parents[1])
    private = ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "HF_ENDPOINT", "HF_TOKEN")
    env = {name: value for name, value in somebody.env.items() if name not in private}
    return replace(somebody, env=env | {"PYTHONPATH": f"{tmp_path / 'hook'}:{ours}", "HEARD": str(tmp_path / "heard")})


def sent_by(user: Armoire, command: list[str], trace: Path) -> list[str]:
    """What a command tried to reach beyond this machine, by Python's audit and, where it is installed, by strace."""
    strace = (
        ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto", "-o", str(trace)]
        if shutil.which("strace")
        else []
    )
    done = subprocess.run([*strace, *command], cwd=user.cwd, env=user.env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    heard = Path(user.env["HEARD"])
    found = heard.read_text().splitlines() if heard.is_file() else []
    lines = trace.read_text(errors="replace").splitlines() if strace else []
    here = re.compile(r'"127\.|"::1"')
    return found + [line for line in lines if "AF_INET" in line and not here.search(line)]


def left_at_home(user: Armoire) -> list[str]:
    return sorted(of_folder(Path(user.env["HOME"])))


def test_opening_a_graph_opens_no_connection(watched, tmp_path):
    """By default onnxruntime stores a device id and events in the home folder, and looks up a collector."""
    assert sent_by(watched, [sys.executable, "-c", GRAPH], tmp_path / "trace") == []
    assert left_at_home(watched) == []


@pytest.mark.slow
def test_nothing_is_sent_and_nothing_written_elsewhere(watched, pictures, tmp_path):
    for name, *arguments in (
        ("train", "images-vae", "--data", pictures, *QUICK, "--track", "tensorboard", "--out", "run"),
        ("prior", "run", "--kind", "gmm"),
        ("evaluate", "run", "--samples", 20),
        ("figures", "run"),
        ("export", "run", "--onnx", "onnx"),
        ("explore", "run", "--export", "site"),
        ("encode", "run", pictures, "--out", "shards", "--workers", 2),
    ):
        assert sent_by(watched, watched.command(name, *arguments), tmp_path / f"trace-{name}") == [], name
        # matplotlib and fontconfig cache lists of fonts.
        elsewhere = [file for file in left_at_home(watched) if not re.match(r"\.cache/(matplotlib|fontconfig)/", file)]
        assert elsewhere == [], name
    assert {path.name for path in watched.cwd.iterdir()} == {"run", "onnx", "site", "shards"}
