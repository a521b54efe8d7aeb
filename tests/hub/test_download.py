"""Runs are downloaded whole, once, and as the Hub describes them, or one sentence says why not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hub_stand_in import Hub, Repository
from huggingface_hub import constants
from huggingface_hub.utils import _http

from armoire.errors import ArmoireError
from armoire.hub.client import UnreachableError, hub_errors
from armoire.hub.download import fetch, local_folder
from armoire.hub.reference import Reference
from armoire.images import load_images

RUN = {
    "recipe.toml": b'name = "run"\n',
    "model.safetensors": np.random.default_rng(0).bytes(300_000),
    "latents.parquet": np.random.default_rng(1).bytes(100_000),
    "history.csv": b"epoch\n1\n",
    "diverged.json": b"",
    "directions/partial.parquet": b"directions",
    "priors/gmm.safetensors": b"prior",
}
LARGE_ONES = 4
OTHERS = dict.fromkeys(
    (
        *("README.md", "evil.pkl", "model.pt", "run.py", "figures/samples.png", "checkpoints/best.safetensors"),
        *("priors/gmm.pkl", "previews/epoch-0001.png", "../above.toml", "xrecipe.toml", "a/recipe.toml"),
    ),
    b"not of a run",
)
FETCH = """
from concurrent.futures import ThreadPoolExecutor
from armoire.hub.download import local_folder
with ThreadPoolExecutor(2) as pool:
    print(*pool.map(local_folder, ["hf:me/run"] * 2), sep=chr(10))
"""
MODEL = "/model.safetensors"


@pytest.fixture
def repository(hub: Hub) -> Repository:
    hub.repositories["me/run"] = Repository()
    hub.repositories["me/run"].commit(RUN | OTHERS)
    return hub.repositories["me/run"]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def visible(cache: Path) -> list[str]:
    """All files in the cache except locks and the commits of revisions."""
    found = [p for p in cache.rglob("*") if p.is_file() and "revisions" not in p.parts and p.name != ".lock"]
    return [str(p.relative_to(cache)) for p in found]


def test_a_run_is_downloaded_once_and_nothing_else(hub, repository, recorder):
    folder = local_folder("hf:me/run", recorder)
    assert recorder.done == sum(map(len, RUN.values()))
    assert contents(folder) == RUN
    assert folder.name == "run"
    assert not [request for request in hub.requests for name in OTHERS if request.endswith(f"/{name}")]
    # The token goes to the Hub, and not to the host of large files.
    assert hub.asked("/cdn/")
    assert not [request for request in hub.authorised if "/cdn/" in request]
    assert [request for request in hub.authorised if "/resolve/" in request]
    hub.requests.clear()
    assert local_folder(Path("hf:me/run")) == folder
    assert hub.requests == ["GET /api/models/me/run/revision/main"]


def test_each_commit_has_a_folder_of_its_own(hub, repository):
    first, old = local_folder("hf:me/run"), repository.commits[-1][0]
    repository.commit(RUN | {"recipe.toml": b'name = "later"\n'})
    second = local_folder("hf:me/run")
    assert first != second
    assert (second / "recipe.toml").read_text() == 'name = "later"\n'
    hub.requests.clear()
    assert local_folder(f"hf:me/run@{old}") == first
    assert hub.requests == []


def test_a_model_alone(hub, repository):
    assert list(contents(fetch(Reference("me", "run"), "model"))) == ["model.safetensors"]
    assert contents(local_folder("hf:me/run")) == RUN
    hub.repositories["me/run"].commits.append(("f" * 40, RUN))
    run = local_folder("hf:me/run")
    requests = len(hub.asked("GET /cdn/"))
    assert fetch(Reference("me", "run"), "model") == run  # whose weights are not downloaded again
    assert len(hub.asked("GET /cdn/")) == requests


@pytest.mark.parametrize(
    ("where", "how"),
    [
        ("HEAD", 500),
        ("/tree/", 503),
        (MODEL, "cut"),
        (MODEL, "dropped"),
        ("/recipe.toml", "cut"),
        ("/recipe.toml", "dropped"),
    ],
)
def test_a_temporary_failure_is_tried_again(hub, repository, where, how):
    hub.fails(where, how, times=1)
    assert contents(local_folder("hf:me/run")) == RUN
    assert hub.faults[0].times == 0


@pytest.mark.parametrize(
    ("where", "how", "words"),
    [
        ("GET /api/models", 500, "is too busy for hf:me/run"),
        ("GET /api/models", 429, "is too busy for hf:me/run"),
        ("GET /api/models", 401, "has no hf:me/run, or only for others"),
        ("GET /api/models", 404, "has no hf:me/run, or only for others"),
        ("GET /api/models", 403, "your token does not allow hf:me/run"),
        ("GET /api/models", 418, "refuses hf:me/run"),
        ("/tree/", 500, "is too busy for hf:me/run"),
        ("HEAD", 500, "is too busy for hf:me/run"),
        ("/latents.parquet", 404, "has no hf:me/run"),
        ("GET /cdn/", 500, "is too busy for hf:me/run"),
        ("/recipe.toml", "changed", "the download of recipe.toml differs from what the Hub announced"),
        (MODEL, "changed", "the download of model.safetensors differs from what the Hub announced"),
        (MODEL, "cut", "cannot be reached for hf:me/run"),
        (MODEL, "dropped", "cannot be reached for hf:me/run"),
        (MODEL, "endless", "the Hub sends more than the 400,"),
        ("/recipe.toml", "endless", "the Hub sends more than the 400,"),
        (MODEL, "slow", "cannot be reached for hf:me/run"),
    ],
)
def test_a_lasting_failure_is_reported_and_leaves_nothing(hub, repository, cache, monkeypatch, where, how, words):
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2 if how == "slow" else 5)
    hub.fails(where, how)
    with pytest.raises(ArmoireError, match=words) as raised:
        local_folder("hf:me/run")
    assert "\n" not in str(raised.value)
    assert visible(cache) == []
    hub.faults.clear()
    assert contents(local_folder("hf:me/run")) == RUN


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"size": 17_000_000}, r"recipe\.toml has 17,000,000 bytes, and 16,000,000 at most are downloaded"),
        ({"size": None}, r"no size or digest of recipe\.toml"),
        ({"blobId": None}, r"no size or digest of recipe\.toml"),
        ({"blobId": "nothing"}, r"no size or digest of recipe\.toml"),
        ({"lfs": {"size": 3}}, "did not answer as the Hub does"),
        ({"size": 12}, r"the Hub sends more|recipe\.toml differs"),
        ({"blobId": "0" * 40}, r"recipe\.toml differs"),
        ({"lfs": {"size": 13, "sha256": "0" * 64, "pointerSize": 1}}, r"recipe\.toml differs"),
    ],
)
def test_a_wrong_listing_is_reported(hub, repository, cache, facts, words):
    hub.wrong_facts["recipe.toml"] = facts
    with pytest.raises(ArmoireError, match=words):
        local_folder("hf:me/run")
    assert visible(cache) == []


@pytest.mark.parametrize(("missing", "kind"), [("recipe.toml", "run"), ("model.safetensors", "model")])
def test_a_repository_without_a_run(hub, repository, missing, kind):
    repository.commit({name: content for name, content in (RUN | OTHERS).items() if name != missing})
    with pytest.raises(ArmoireError, match=f"holds no {missing}, so it is no {kind} of armoire's"):
        fetch(Reference("me", "run"), kind)
    assert len(hub.requests) == 1


def test_a_wrong_name(hub, repository):
    with pytest.raises(ArmoireError, match="hf:me/run@v9 is no branch, tag or commit"):
        local_folder("hf:me/run@v9")
    with pytest.raises(ArmoireError, match="cannot be the name of a repository"):
        local_folder("hf:me/a--b")


def test_a_private_run_needs_its_owners_token(hub, repository, monkeypatch):
    repository.private = True
    assert contents(local_folder("hf:me/run")) == RUN
    monkeypatch.setenv("HF_TOKEN", "")
    repository.commit(RUN)
    with pytest.raises(ArmoireError, match="with a token from `hf auth login` or HF_TOKEN"):
        local_folder("hf:me/run")


@pytest.mark.parametrize("how", ["offline", "down", "busy"])
def test_without_a_network_the_last_download_is_used(hub, repository, monkeypatch, recorder, how):
    with pytest.MonkeyPatch.context() as patch:
        _disconnect(hub, patch, how)
        with pytest.raises(ArmoireError):
            local_folder("hf:me/run")
    hub.faults.clear()
    _http.close_session()
    folder, commit = local_folder("hf:me/run"), repository.commits[-1][0]
    _disconnect(hub, monkeypatch, how)
    assert local_folder("hf:me/run", recorder) == folder
    assert f"using commit {commit[:8]} of me/run, downloaded before" in recorder.notes[0]
    recorder.notes.clear()
    assert local_folder(f"hf:me/run@{commit}", recorder) == folder
    assert recorder.notes == []
    with pytest.raises(ArmoireError):
        local_folder("hf:me/run@another")


def _disconnect(hub: Hub, patch: pytest.MonkeyPatch, how: str) -> None:
    if how == "offline":
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
    elif how == "busy":
        hub.fails("GET /api/models", 503)
    else:  # the cache still looks for the same host
        patch.setattr("armoire.hub.client.endpoint", lambda: "http://127.0.0.1:9")


def test_a_refusal_is_no_missing_network_and_every_host_has_its_own_cache(hub, repository, monkeypatch):
    local_folder("hf:me/run")
    hub.fails("GET /api/models", 404)
    with pytest.raises(ArmoireError, match="has no hf:me/run"):
        local_folder("hf:me/run")
    monkeypatch.setenv("HF_ENDPOINT", "http://localhost:9")
    with pytest.raises(ArmoireError, match="localhost:9 cannot be reached"):
        local_folder("hf:me/run")


def test_threads_and_processes_download_it_once(hub, repository, cache):
    processes = [started() for _ in range(3)]
    with ThreadPoolExecutor(8) as pool:
        folders = {str(folder) for folder in pool.map(local_folder, ["hf:me/run"] * 8)}
    results = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 3, results
    assert {line for out, _ in results for line in out.splitlines()} == folders
    assert contents(Path(folders.pop())) == RUN
    assert not folders
    assert len(hub.asked("GET /cdn/")) == LARGE_ONES


def test_killed_while_downloading_leaves_nothing_visible(hub, repository, cache):
    hub.fails(MODEL, "slow", times=1)
    process = started()
    assert hub.is_sending.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    partial = visible(cache)
    assert partial
    assert all("/.run." in name and ".part/" in name for name in partial)
    folder = local_folder("hf:me/run")
    assert contents(folder) == RUN
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


def started() -> subprocess.Popen[str]:
    """A process of its own that downloads the run."""
    command = [sys.executable, "-c", FETCH]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_cache_that_cannot_be_written(hub, repository, cache):
    cache.write_text("a file")
    with pytest.raises(ArmoireError, match=r"cannot write "):
        local_folder("hf:me/run")


def test_without_the_extra(hub, repository, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for ask in (lambda: local_folder("hf:me/run"), lambda: load_images("hf:me/pictures")):
        with pytest.raises(ArmoireError, match=r'armoire\[hub\] .*pip install "huggingface-hub'):
            ask()


def test_errors_of_either_http_library():
    """huggingface_hub 1 is built on httpx, 2 on httpx2; this environment has both."""
    for http in (pytest.importorskip("httpx"), pytest.importorskip("httpx2")):
        for error in (http.ConnectError("refused"), http.ReadTimeout("slow")):
            with pytest.raises(UnreachableError, match="cannot be reached for hf:me/run"), hub_errors("hf:me/run"):
                raise error


@pytest.mark.parametrize("answer", [b"<html>welcome</html>", b"[]", b"{}", b'{"id": "me/run", "sha": "../.."}'])
def test_another_server_than_the_hub(hub, monkeypatch, cache, answer):
    monkeypatch.setattr("hub_stand_in.ROUTES", (("GET", ".*", lambda self, _: self._send(answer, {})),))
    with pytest.raises(ArmoireError, match="did not answer as the Hub does for hf:me/run"):
        local_folder("hf:me/run")
    assert visible(cache) == []
