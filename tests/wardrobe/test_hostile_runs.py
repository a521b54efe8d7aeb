"""Untrusted and damaged runs: an ArmoireError, or exactly the numbers that were written."""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from armoire import Wardrobe
from armoire.errors import ArmoireError
from armoire.images.imageset import fingerprint
from armoire.io.tables import write_table
from armoire.io.tensors import open_tensors, write_tensors
from armoire.model.autoencoder import Autoencoder
from armoire.publish.site import site_files
from armoire.training.run import TIMES

MODEL, KIND = "model.safetensors", "armoire-model-1"
PRIOR = ("priors/gmm.safetensors", "armoire-prior-2")
MOST_SECONDS = 10
MOST_GROWN = 128  # MB
ODD = (None, -1, 0, 3, 10**9, 2**63, 1.5, math.nan, math.inf, "", "x", "../x", [], [0], [10**9], [[]], {}, True)
FILES = (MODEL, "recipe.toml", "history.csv", "latents.parquet", "outliers.safetensors", "directions/partial.parquet")
FILES += ("priors/gmm.safetensors", "diverged.json", "explorer/manifest.json", "explorer/.cache_key.json")
DEEP = "[" * 100_000
MANIFEST = '{"files": {"latents": {"path": %s}}, "sheets": null}'
FORGED = "a row short"  # a valid table of fewer images, which cannot be detected

Change = Callable[[Path], object]


@pytest.fixture(scope="module", autouse=True)
def page(tmp_path_factory) -> Iterator[None]:
    """A page, whether or not one was built here."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text("<!doctype html>")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("armoire.publish.site.page_folder", lambda: folder)
        yield


@pytest.fixture(scope="module")
def complete(page, tiny, discs, tmp_path_factory) -> Path:
    """A run with the files of all commands."""
    from armoire import train

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARMOIRE_CACHE", str(tmp_path_factory.mktemp("cache")))
        wardrobe = train(tiny(), attributed(discs()), tmp_path_factory.mktemp("runs") / "run", device="cpu")
        wardrobe.fit_prior("gmm")
        assert wardrobe.directions("partial")
        wardrobe.run.write_diverged(3, 0.1)
        site_files(wardrobe.run, images=wardrobe.images)
    assert all((wardrobe.run.path / name).is_file() for name in FILES)
    return wardrobe.run.path


def attributed(images):
    """With an attribute, so that there are directions."""
    brightness = images.images.mean(axis=(1, 2, 3))
    table = images.table.append_column("bright", pa.array(brightness > np.median(brightness)))
    info = replace(images.info, fingerprint=fingerprint(images.images, table))
    return replace(images, table=table, info=info)


@pytest.fixture(autouse=True)
def quick_site(monkeypatch):
    """The explorer's data are not tested here, only the files in which they are cached."""

    def write_data(wardrobe, folder: Path, shown, progress) -> None:
        (folder / "manifest.json").write_text('{"files": {}, "sheets": null}')

    monkeypatch.setattr("armoire.publish.sitedata.write_data", write_data)


@pytest.fixture(scope="module")
def truth(complete) -> dict[str, np.ndarray]:
    return read_all(complete)


def read_all(path: Path) -> dict[str, np.ndarray]:
    """Everything that a run contains, without its data."""
    wardrobe = Wardrobe.open(path, device="cpu")
    found = {name: t.numpy() for name, t in wardrobe.model.state_dict().items()}
    history = [{name: value for name, value in row.items() if name not in TIMES} for row in wardrobe.run.history]
    found["history"] = np.array([list(row.values()) for row in history])
    found["mean"], found["log_var"] = wardrobe.latents.mean, wardrobe.latents.log_var
    found["ids"] = np.array(wardrobe.latents.ids)
    if usual := wardrobe.calibration:
        found["outlier scores"] = usual.scores
    if wardrobe.has_prior("gmm"):
        found["draws"] = wardrobe.sample(10, seed=0, prior="gmm")
    for name, direction in wardrobe.directions().items():
        found[f"direction {name}"] = direction.vector
    found["made"] = wardrobe.decode(wardrobe.sample(3, seed=0, prior="normal"))
    if diverged := wardrobe.run.diverged:
        found["diverged"] = np.array(list(diverged.values()))
    for file in site_files(wardrobe.run).values():
        assert not file.is_symlink()
        if "explorer" in file.parts and path.name in file.parts:
            assert file.resolve().is_relative_to(path.resolve())
    return found


def attempt(change: Change, complete: Path, folder: Path, truth: dict[str, np.ndarray] | None) -> str:
    """The error from reading a changed copy of the run; "" if there is none and all that was read equals `truth`."""
    path = folder / "run"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(complete, path)
    change(path)
    began, around = time.process_time(), outside(folder)
    try:
        found = read_all(path)
    except ArmoireError as error:
        message = str(error)
        assert message
        assert "\n" not in message
    else:
        message = ""
        assert truth is None or all(value.tobytes() == truth[name].tobytes() for name, value in found.items())
    assert time.process_time() - began < MOST_SECONDS
    assert outside(folder) == around
    return message


def outside(folder: Path) -> set[Path]:
    """The files outside of the run."""
    return {path for path in folder.rglob("*") if "run" not in path.relative_to(folder).parts[:1]}


def grown_mb(before: int = 0) -> float:
    """The largest memory of this process, less what it was before, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before


def with_header(**entries: object) -> Change:
    """Other entries in the header of the weights, with a valid digest."""

    def change(path: Path) -> None:
        found = open_tensors(path / MODEL, KIND)
        header = found.metadata | {k: v if isinstance(v, str) else json.dumps(v) for k, v in entries.items()}
        write_tensors(path / MODEL, found.read(), {k: v for k, v in header.items() if entries.get(k, "") is not None})

    return change


def with_architecture(**fields: object) -> Change:
    def change(path: Path) -> None:
        architecture = json.loads(open_tensors(path / MODEL, KIND).metadata["architecture"])
        with_header(architecture=json.dumps(architecture | fields))(path)

    return change


def with_tensors(edit: Callable[[dict[str, torch.Tensor]], object], name: str = MODEL, kind: str = KIND) -> Change:
    def change(path: Path) -> None:
        found = open_tensors(path / name, kind)
        tensors = found.read()
        edit(tensors)
        write_tensors(path / name, tensors, found.metadata)

    return change


def with_bytes(name: str, content: bytes | str) -> Change:
    return lambda path: (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def with_line(key: str, value: object) -> Change:
    """Another value in recipe.toml."""

    def change(path: Path) -> None:
        lines = (path / "recipe.toml").read_text().splitlines()
        others = [line for line in lines if not line.startswith(f"{key} =")]
        (path / "recipe.toml").write_text("\n".join([*others, f"{key} = {json.dumps(value)}"]))

    return change


def replaced_by(name: str, kind: str) -> Change:
    def change(path: Path) -> None:
        target = path / name
        target.unlink()
        if kind == "folder":
            target.mkdir()
        elif kind == "pipe":
            os.mkfifo(target)
        elif kind == "device":
            target.symlink_to("/dev/zero")
        elif kind == "loop":
            target.symlink_to(target.name)
        elif kind == "link out":
            outside = path.parent / "outside" / Path(name).name
            outside.parent.mkdir(exist_ok=True)
            outside.write_text("not yours")
            target.symlink_to(outside)

    return change


def hand_made() -> Iterator[tuple[str, Change]]:
    for field in ("size", "image_channels", "latent", "posterior", "likelihood", "channels", "norm", "blocks", "sigma"):
        for value in ODD:
            yield f"architecture {field}={value!r}", with_architecture(**{field: value})
    for key in ("format", "architecture", "recipe", "data", "sha256", "history_epochs", "history_sha256"):
        for value in (None, "", "x", DEEP, "null", "[]", "{}", '{"a":' * 50_000):
            yield f"header {key}={str(value)[:9]}", with_header(**{key: value})
    for key in ("latent", "size", "likelihood", "beta", "channels", "lr", "epochs", "name", "prior", "data"):
        for value in ODD[1:12]:
            if value is not math.nan and value is not math.inf:
                yield f"recipe {key}={value!r}", with_line(key, value)
    for name in FILES:
        for kind in ("nothing", "folder", "pipe", "device", "loop", "link out"):
            yield f"{name} is {kind}", replaced_by(name, kind)
        deep = DEEP.encode()
        for content in (b"", b"\0", b"\xff" * 64, b"{}", b"[]", deep, b'{"a": 1e999}', b"x = " + deep):
            yield f"{name} holds {content[:9]!r}", with_bytes(name, content)
    for value in (math.nan, math.inf, -math.inf):
        yield f"weights {value}", with_tensors(lambda t, v=value: t["decoder.0.weight"].view(-1)[:1].fill_(v))
        yield f"prior {value}", with_tensors(lambda t, v=value: t["means"].view(-1)[:1].fill_(v), *PRIOR)
    yield "weights of another type", with_tensors(lambda t: t.update({k: v.half() for k, v in t.items()}))
    yield "weights of another shape", with_tensors(lambda t: t.update({"head.mean.bias": torch.zeros(1 << 20)}))
    yield "weights of too many", with_tensors(lambda t: t.update({f"x{i}": torch.zeros(1) for i in range(5000)}))
    yield "priors of another shape", with_tensors(lambda t: t.update(weights=torch.zeros(0)), *PRIOR)
    yield "header length", lambda path: (path / MODEL).write_bytes(b"\xff" * 8 + (path / MODEL).read_bytes()[8:])
    for table in (
        pa.table({"a": [1]}),
        pa.table({"mean_0": ["x", "y"]}),
        pa.table({"id": ["a"], "mean_0": pa.nulls(1, pa.float32())}),
        pa.table({"id": ["a"], "split": ["test"], "label": [0], "mean_0": [1.0], "mean_2": [1.0]}),
        pa.table({"id": pa.nulls(1 << 16), "mean_0": pa.nulls(1 << 16, pa.float32())}),
        pa.table({"id": ["a"] * (1 << 16), "mean_0": [0.0] * (1 << 16)}),
    ):
        for name in ("latents.parquet", "directions/partial.parquet"):
            yield f"{name} of {table.shape}", lambda path, t=table, n=name: write_table(t, path / n)
    yield FORGED, with_latents(lambda table: table.slice(1))
    yield "no means", with_latents(lambda table: table.drop_columns(["mean_0"]))
    text = lambda table: table.set_column(3, "mean_0", pa.array(["x"] * len(table)))  # noqa: E731
    yield "means of another type", with_latents(text)
    yield "history of 20 MB", with_bytes("history.csv", "epoch\n" + "1\n" * 10_000_000)
    yield "history of one long field", with_bytes("history.csv", 'epoch\n"' + "1" * 200_000)
    for path in ("../../x", "/etc/passwd", "", "a" * 5000, "\0"):
        yield f"manifest to {path[:9]!r}", with_bytes("explorer/manifest.json", MANIFEST % json.dumps(path))
    for name in ("checkpoints", "figures", "explorer", "priors", "directions", "previews"):
        yield f"{name} leads out", lambda run, n=name: lead_out(run, n)


def with_latents(edit: Callable[[pa.Table], pa.Table]) -> Change:
    def change(path: Path) -> None:
        write_table(edit(pq.read_table(path / "latents.parquet")), path / "latents.parquet")

    return change


def lead_out(run: Path, name: str) -> None:
    outside = run.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "secret.txt").write_text("not yours")
    shutil.rmtree(run / name, ignore_errors=True)
    (run / name).symlink_to(outside)


def mutated(random: np.random.Generator) -> Change:
    """One file of the run, damaged in one of seven ways."""

    def change(path: Path) -> None:
        target = path / FILES[random.integers(len(FILES))]
        content = bytearray(target.read_bytes())
        kind, at = random.integers(7), int(random.integers(max(1, len(content))))
        if kind == 0:
            content = content[:at]
        elif kind == 1:
            content[at : at + 1] = random.bytes(1)
        elif kind == 2:
            for byte in random.integers(0, len(content), 1 + int(random.integers(20))):
                content[byte] ^= 1 << int(random.integers(8))
        elif kind == 3:
            content[at:at] = random.bytes(int(random.integers(1, 50)))
        elif kind == 4:
            content[at : at + 512] = b"\0" * len(content[at : at + 512])
        elif kind == 5:
            content += content[at:]
        else:
            numbers = (b"-1", b"0", b"99999999999999999999", b"1e308", b"NaN", b"null", b'"', b"]", b"}")
            content[at : at + 2] = numbers[random.integers(len(numbers))]
        target.write_bytes(content)

    return change


def test_runs_made_by_hand(complete, truth, tmp_path):
    cases = list(hand_made())
    assert len(cases) >= 300
    before = grown_mb()
    errors = {name: attempt(change, complete, tmp_path, None if name == FORGED else truth) for name, change in cases}
    assert grown_mb(before) < MOST_GROWN
    of_weights = ("architecture", "weights", "header length")
    accepted = {name for name, error in errors.items() if not error and name.startswith(of_weights)}
    assert accepted <= {"architecture sigma=3", "architecture sigma=1.5"}  # sigma does not concern the weights
    assert all("leads out of the run" in error for name, error in errors.items() if name.endswith("leads out"))
    assert all("not finite" in errors[f"weights {value}"] for value in (math.nan, math.inf, -math.inf))


@pytest.mark.parametrize("times", [150, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_runs(complete, truth, tmp_path, times):
    before = grown_mb()
    errors = [attempt(mutated(np.random.default_rng(seed)), complete, tmp_path, truth) for seed in range(times)]
    assert grown_mb(before) < MOST_GROWN
    assert sum(map(bool, errors)) > times / 4


@pytest.mark.parametrize("name", ["x.pt", "x.pth", "x.pkl", "x.ckpt", "x.bin", "x.keras", "x.h5", "x.onnx", "x.JOBLIB"])
def test_files_of_other_programs_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04N.")
    for opened in (Wardrobe.open, Autoencoder.from_pretrained):
        with pytest.raises(ArmoireError, match=r"armoire opens no such files"):
            opened(tmp_path / name)
    with pytest.raises(ArmoireError, match=r"armoire opens no such files"):
        Autoencoder.from_pretrained(tmp_path)


def test_an_architecture_of_gigabytes_with_few_weights_takes_no_memory(complete, tmp_path):
    path = Path(shutil.copytree(complete, tmp_path / "run"))
    with_architecture(latent=4096, channels=[4096] * 3, size=256)(path)
    before = grown_mb()
    with pytest.raises(ArmoireError, match="is intact, but this version cannot read it"):
        Autoencoder.from_pretrained(path)
    assert grown_mb(before) < 20
