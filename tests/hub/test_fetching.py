from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hub_stand_in import Hub, Repository
from huggingface_hub import constants

from armoire.errors import ArmoireError
from armoire.hub.client import UnreachableError, asking
from armoire.hub.fetching import Part, _counter, fetch, local_folder
from armoire.hub.reference import Reference
from armoire.images import load_images
from armoire.progress import SILENT

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
OTHERS = {
    "README.md": b"---\n---\n",
    "evil.pkl": b"\x80\x04",
    "model.pt": b"pickle",
    "run.py": b"import os",
    "figures/samples.png": b"png",
    "checkpoints/best.safetensors": b"checkpoint",
    "priors/gmm.pkl": b"\x80\x04",
    "neighbours/0.usearch": b"index",
    "../above.toml": b"above",
}
FETCH = """
from concurrent.futures import ThreadPoolExecutor
from armoire.hub.fetching import local_folder
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
    """All in the cache that is no folder on the way to something, no lock and no note of a revision."""
    found = [p for p in cache.rglob("*") if p.is_file() and "revisions" not in p.parts and p.name != ".lock"]
    return [str(p.relative_to(cache)) for p in found]


def test_a_run_is_fetched_once_and_only_what_is_one(hub, repository):
    folder = local_folder("hf:me/run")
    assert contents(folder) == RUN
    assert folder.name == "run"
    assert not [request for request in hub.requests for name in OTHERS if request.endswith(name)]
    hub.requests.clear()
    assert local_folder(Path("hf:me/run")) == folder
    assert hub.requests == ["GET /api/models/me/run/revision/main"]


def test_the_token_goes_to_the_hub_and_not_where_files_lie(hub, repository):
    local_folder("hf:me/run")
    assert hub.asked("/cdn/")
    assert not [request for request in hub.authorised if "/cdn/" in request]
    assert [request for request in hub.authorised if "/resolve/" in request]


def test_each_commit_has_a_folder_and_is_asked_for_no_more(hub, repository):
    first, old = local_folder("hf:me/run"), repository.commits[-1][0]
    repository.commit(RUN | {"recipe.toml": b'name = "later"\n'})
    second = local_folder("hf:me/run")
    assert first != second
    assert (second / "recipe.toml").read_text() == 'name = "later"\n'
    hub.requests.clear()
    assert local_folder(f"hf:me/run@{old}") == first
    assert hub.requests == []


def test_a_model_alone_is_fetched_alone(hub, repository):
    assert list(contents(fetch(Reference("me", "run"), "model"))) == ["model.safetensors"]
    run = local_folder("hf:me/run")
    hub.requests.clear()
    assert contents(run) == RUN
    hub.repositories["me/run"].commits.append(("f" * 40, RUN))
    whole = local_folder("hf:me/run")
    assert fetch(Reference("me", "run"), "model") == whole  # what is there of a run is not fetched again
    assert len(hub.asked("GET /cdn/")) == LARGE_ONES  # not the weights twice


@pytest.mark.parametrize(
    ("where", "how"),
    [
        ("HEAD", 500),
        ("HEAD", 503),
        (MODEL, "cut"),
        (MODEL, "dropped"),
        ("/recipe.toml", "cut"),
        ("/recipe.toml", "dropped"),
    ],
)
def test_what_fails_once_is_tried_again(hub, repository, where, how):
    hub.fails(where, how, times=1)
    assert contents(local_folder("hf:me/run")) == RUN
    assert hub.faults[0].times == 0


@pytest.mark.parametrize(
    ("where", "how", "words"),
    [
        ("GET /api/models", 500, "has no time for hf:me/run"),
        ("GET /api/models", 429, "has no time for hf:me/run"),
        ("GET /api/models", 401, "knows no hf:me/run, or shows it to others only"),
        ("GET /api/models", 404, "knows no hf:me/run, or shows it to others only"),
        ("GET /api/models", 403, "your token does not allow hf:me/run"),
        ("GET /api/models", 418, "refuses hf:me/run"),
        ("HEAD", 500, "has no time for recipe.toml of hf:me/run"),
        ("/latents.parquet", 404, "knows no latents.parquet of hf:me/run"),
        ("GET /cdn/", 500, "has no time for model.safetensors of hf:me/run"),
        ("/recipe.toml", "changed", "recipe.toml came otherwise than the Hub says it is"),
        (MODEL, "changed", "model.safetensors came otherwise than the Hub says it is"),
        (MODEL, "cut", "cannot be reached for model.safetensors"),
        (MODEL, "dropped", "cannot be reached for model.safetensors"),
        (MODEL, "endless", "model.safetensors does not end where it should"),
        ("/recipe.toml", "endless", "recipe.toml does not end where it should"),
    ],
)
def test_what_fails_for_ever_is_told_and_leaves_nothing(hub, repository, cache, where, how, words):
    hub.fails(where, how)
    with pytest.raises(ArmoireError, match=words) as told:
        local_folder("hf:me/run")
    assert "\n" not in str(told.value)
    assert visible(cache) == []
    hub.faults.clear()
    assert contents(local_folder("hf:me/run")) == RUN


def test_a_silent_hub_is_not_waited_for_for_long(hub, repository, cache, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    hub.fails(MODEL, "slow")
    with pytest.raises(ArmoireError, match=r"cannot be reached for model\.safetensors"):
        local_folder("hf:me/run")
    assert visible(cache) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"size": 17_000_000}, r"recipe\.toml has 17,000,000 bytes, and 16,000,000 at most are fetched"),
        ({"size": None}, r"tells no size or digest of recipe\.toml"),
        ({"blobId": None}, r"tells no size or digest of recipe\.toml"),
        ({"blobId": "nothing"}, r"tells no size or digest of recipe\.toml"),
        ({"lfs": {"size": 3}}, "did not answer as the Hub does"),
        ({"size": 12}, r"recipe\.toml does not end where it should"),
        ({"blobId": "0" * 40}, r"recipe\.toml came otherwise"),
        ({"lfs": {"size": 13, "sha256": "0" * 64, "pointerSize": 1}}, r"recipe\.toml came otherwise"),
    ],
)
def test_a_listing_that_cannot_be_true_is_told(hub, repository, cache, facts, words):
    hub.strangers["recipe.toml"] = facts
    with pytest.raises(ArmoireError, match=words):
        local_folder("hf:me/run")
    assert visible(cache) == []
    assert not hub.asked("GET /cdn/")


@pytest.mark.parametrize(
    ("missing", "kind"), [("recipe.toml", "run"), ("model.safetensors", "run"), ("model.safetensors", "model")]
)
def test_a_repository_that_holds_none_is_told(hub, repository, missing, kind):
    repository.commit({name: content for name, content in (RUN | OTHERS).items() if name != missing})
    with pytest.raises(ArmoireError, match=f"holds no {missing}, so it is no {kind} of armoire's"):
        fetch(Reference("me", "run"), kind)
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hf:me/nothing", "knows no hf:me/nothing"),
        ("hf:me/run@v9", "hf:me/run@v9 is no branch, tag or commit"),
        ("hf:me/a--b", "cannot be the name of a repository"),
    ],
)
def test_what_is_not_there_is_told(hub, repository, name, words):
    with pytest.raises(ArmoireError, match=words):
        local_folder(name)


def test_a_private_run_is_its_owners(hub, repository, monkeypatch):
    repository.private = True
    assert contents(local_folder("hf:me/run")) == RUN
    monkeypatch.setenv("HF_TOKEN", "")
    repository.commit(RUN)
    with pytest.raises(ArmoireError, match="HF_TOKEN gives one"):
        local_folder("hf:me/run")


@pytest.mark.parametrize("gone", ["offline", "down", "busy"])
def test_without_a_network_the_last_one_serves(hub, repository, monkeypatch, recorder, gone):
    with pytest.MonkeyPatch.context() as patch:
        _cut_off(hub, patch, gone)
        with pytest.raises(ArmoireError):
            local_folder("hf:me/run")
    hub.faults.clear()
    folder = local_folder("hf:me/run")
    commit = repository.commits[-1][0]
    _cut_off(hub, monkeypatch, gone)
    assert local_folder("hf:me/run", recorder) == folder
    assert f"taking commit {commit[:8]} of me/run, which was fetched before" in recorder.notes[0]
    recorder.notes.clear()
    assert local_folder(f"hf:me/run@{commit}", recorder) == folder
    assert recorder.notes == []
    with pytest.raises(ArmoireError):
        local_folder("hf:me/run@another")


def _cut_off(hub: Hub, patch: pytest.MonkeyPatch, how: str) -> None:
    if how == "offline":
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
    elif how == "busy":
        hub.faults.clear()
        hub.fails("GET /api/models", 503, times=2)
    else:
        # The cache knows hosts apart, so it stays the same one, and takes no calls.
        patch.setattr("armoire.hub.client.endpoint", lambda: "http://127.0.0.1:9")


def test_a_refusal_is_no_missing_network(hub, repository):
    local_folder("hf:me/run")
    hub.fails("GET /api/models", 404)
    with pytest.raises(ArmoireError, match="knows no"):
        local_folder("hf:me/run")


def test_of_two_hubs_each_has_its_own(hub, repository, monkeypatch):
    local_folder("hf:me/run")
    monkeypatch.setenv("HF_ENDPOINT", "http://localhost:9")
    with pytest.raises(ArmoireError, match="localhost:9 cannot be reached"):
        local_folder("hf:me/run")


def test_eight_threads_fetch_it_once(hub, repository):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: local_folder("hf:me/run"), range(8)))
    assert len(set(folders)) == 1
    assert contents(folders[0]) == RUN
    assert len(hub.asked("GET /cdn/")) == LARGE_ONES


def test_processes_of_two_threads_each_fetch_it_once(hub, repository, cache):
    processes = [started() for _ in range(4)]
    told = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, told
    assert len({out for out, _ in told}) == 1
    folders = set(told[0][0].splitlines())
    assert len(folders) == 1
    assert contents(Path(folders.pop())) == RUN
    assert len(hub.asked("GET /cdn/")) == LARGE_ONES


def test_killed_in_the_midst_leaves_nothing_visible(hub, repository, cache):
    hub.fails(MODEL, "slow", times=1)
    process = started()
    assert hub.asked_for.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    begun = visible(cache)
    assert begun
    assert all("/.run." in name and ".part/" in name for name in begun)
    folder = local_folder("hf:me/run")
    assert contents(folder) == RUN
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


def started() -> subprocess.Popen[str]:
    """A process of its own that fetches the run."""
    command = [sys.executable, "-c", FETCH]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_cache_that_cannot_be_written_is_told(hub, repository, cache):
    cache.write_text("a file")
    with pytest.raises(ArmoireError, match=r"cannot write .*; choose another place"):
        local_folder("hf:me/run")


def test_without_the_extra_it_is_told_how_to_get_it(hub, repository, monkeypatch):
    for module in ("httpx2", "huggingface_hub"):  # either alone, as another version of it leaves them
        monkeypatch.setitem(sys.modules, module, None)
        for ask in (lambda: local_folder("hf:me/run"), lambda: load_images("hf:me/pictures")):
            with pytest.raises(ArmoireError, match=r'armoire\[hub\] .*pip install "huggingface-hub'):
                ask()


def test_errors_of_either_http_library_are_told(monkeypatch):
    """huggingface_hub 1 is built on httpx, 2 on httpx2; this environment has both."""
    for http in (pytest.importorskip("httpx"), pytest.importorskip("httpx2")):
        monkeypatch.setattr("huggingface_hub.errors.HfHubHTTPError", type("HfHubHTTPError", (http.HTTPError,), {}))
        for error in (http.ConnectError("refused"), http.ReadTimeout("slow")):
            with pytest.raises(UnreachableError, match="cannot be reached for hf:me/run"), asking("hf:me/run"):
                raise error


@pytest.mark.parametrize("answer", [b"<html>welcome</html>", b"[]", b"{}", b'{"id": "me/run", "sha": "../.."}'])
def test_what_is_not_the_hub_is_told(hub, monkeypatch, cache, answer):
    monkeypatch.setattr("hub_stand_in.ROUTES", (("GET", ".*", lambda self, _: self._send(answer, {})),))
    with pytest.raises(ArmoireError, match="did not answer as the Hub does for hf:me/run"):
        local_folder("hf:me/run")
    assert visible(cache) == []


def test_bytes_that_xet_moves_are_not_counted_twice(recorder):
    from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter

    counter = _counter(Part("model.safetensors", 100, "0" * 64), recorder)
    with XetDownloadProgressReporter(reconstruction_desc="", total=100, log_level=30, tqdm_class=counter) as reporter:
        for written in (60, 100):
            report = {"total_bytes_completed": written, "total_transfer_bytes_completed": 50 * written}
            rates = {"total_bytes_completion_rate": 1.0, "total_transfer_bytes_completion_rate": None}
            reporter.update_progress(SimpleNamespace(**report, **rates, total_bytes=100))
    assert recorder.done == 100


def test_a_file_that_begins_again_and_again_is_given_up():
    with SILENT.task("", 1, "") as task:
        bar = _counter(Part("recipe.toml", 100, "0" * 40), task)()
        with pytest.raises(ArmoireError, match="does not end where it should"):
            for _ in range(9):
                bar.update(50)
                bar.update(-50)
