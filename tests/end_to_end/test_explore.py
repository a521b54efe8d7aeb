"""`armoire explore` as typed: a page in a browser, or a folder that any host can serve."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import ABSENT, Armoire, Trained, assert_one_sentence, contents, leftovers

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "src/armoire/explorer/index.html").is_file(), reason="armoire was installed without the explorer's page"
)


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory,
    env: dict[str, str],
    server: subprocess.Popen[str],
    trained: Trained,
) -> Armoire:
    """A working folder with a copy of the run, `run`, and its export, `site`."""
    cwd = tmp_path_factory.mktemp("explored")
    shutil.copytree(trained.run, cwd / "run")
    armoire = Armoire(cwd, env, server)
    done = armoire("explore", "run", "--export", "site")
    assert (done.code, done.out) == (0, "site\n"), done.err
    assert "check that you may share them" in done.err
    assert done.err.splitlines()[-1].endswith("python3 -m http.server -b 127.0.0.1 -d site")
    return armoire


def test_what_is_up_to_date_opens_without_extras(prepared: Armoire) -> None:
    done = prepared("explore", "run", "--export", "again", absent=ABSENT)
    assert done.code == 0, done.err
    assert contents(prepared.cwd / "again") == contents(prepared.cwd / "site")


@contextlib.contextmanager
def open_page(armoire: Armoire, *flags: object, ending: int = signal.SIGINT) -> Iterator[str]:
    """The address that `armoire explore` prints; at the end it is interrupted, and has to leave with 0."""
    process = armoire.started("explore", "run", *flags)
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:"), process.communicate(timeout=120)
        yield url
        process.send_signal(ending)
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (0, "", "press Ctrl-C to stop\n")
    finally:
        process.kill()
        process.communicate()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.status == 200
        return answer.read()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_a_page_is_served_until_ctrl_c(prepared: Armoire) -> None:
    before = contents(prepared.cwd)
    with open_page(prepared, "--no-browser") as url:
        assert b"<!doctype html>" in fetch(url).lower()
        manifest = json.loads(fetch(f"{url}data/manifest.json"))
        assert manifest["run"]["name"] == "run"
        assert [c["name"] for c in manifest["data"]["classes"]] == ["bar", "disc", "square"]
        for entry in [*manifest["files"].values(), *manifest["sheets"]["files"]]:
            assert len(fetch(f"{url}data/{entry['path']}")) == entry["bytes"]
    assert contents(prepared.cwd) == before


def test_the_port_that_is_asked_for_and_sigterm(prepared: Armoire) -> None:
    port = free_port()
    with open_page(prepared, "--no-browser", "--port", port, ending=signal.SIGTERM) as url:
        assert url == f"http://127.0.0.1:{port}/"
        assert_one_sentence(prepared("explore", "run", "--port", port), f"port {port} is taken", "--port")


def test_others_may_look_where_that_is_asked_for_and_it_is_said(prepared: Armoire) -> None:
    with prepared.started("explore", "run", "--no-browser", "--host", "0.0.0.0") as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        port = url.rstrip("/").rpartition(":")[2]
        assert url == f"http://{socket.gethostname()}:{port}/"
        assert b"<!doctype html>" in fetch(f"http://127.0.0.1:{port}/").lower()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "")
    assert "everyone who can reach 0.0.0.0 can see the run's images" in err
    assert_one_sentence(prepared("explore", "run", "--host", "192.0.2.1", "--no-browser"), "cannot listen on 192.0.2.1")
    assert_one_sentence(prepared("explore", "run", "--host", "::1", "--export", "s"), "--export")


@pytest.mark.skipif(os.name != "posix", reason="the browser here is a shell script")
def test_a_browser_is_opened_with_the_address(prepared: Armoire, tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    os.mkfifo(opened)
    # It stays open after, as one in a terminal would, and the server answers all the same.
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\nexec sleep 2 >/dev/null 2>&1\n')
    browser.chmod(0o755)
    there = Armoire(prepared.cwd, prepared.env | {"BROWSER": str(browser)}, prepared.server)
    with open_page(there) as url:
        assert opened.read_text() == f"{url}\n"
        assert fetch(url)


def test_an_export_is_what_is_served_and_tells_nothing_of_this_machine(
    prepared: Armoire, trained: Trained, pictures: Path
) -> None:
    files = contents(prepared.cwd / "site")
    assert {"index.html", "assets", "data", "data/manifest.json", "data/decoder.onnx"} <= files.keys()
    assert leftovers(prepared.cwd) == []
    ours = [pictures.parent, prepared.cwd, trained.run.parent, ROOT, Path(sys.prefix), Path.home()]
    for name, content in files.items():
        told = [str(path) for path in ours if len(path.parts) > 2 and str(path).encode() in (content or b"")]
        assert not told, f"{name} tells of {told}"
    ids = json.loads(files["data/ids.json"] or b"")
    assert sorted(ids)[0] == "bar/000.png"
    assert len(ids) == 240


def test_an_export_replaces_an_export_and_works_anywhere(prepared: Armoire, armoire: Armoire) -> None:
    first = contents(prepared.cwd / "site")
    again = prepared("explore", "run", "--export", "site", "--no-browser")
    assert again.code == 0, again.err
    assert contents(prepared.cwd / "site") == first
    elsewhere = armoire("explore", prepared.cwd / "run", "--export", armoire.cwd / "a b" / "c")
    assert elsewhere.err.splitlines()[-1].endswith(f"-d '{armoire.cwd}/a b/c'")
    assert contents(armoire.cwd / "a b/c") == first


# (what is typed, words of the sentence)
WRONG = {
    "no run": ("explore", "RUN"),
    "no such run": ("explore nowhere", "no run at nowhere", "armoire train"),
    "a folder of pictures": ("explore {pictures}", "is no run"),
    "a folder that holds something": ("explore {run} --export {pictures}", "is no exported explorer", "choose"),
    "a file": ("explore {run} --export {pictures}/disc/001.png", "is a file", "choose"),
    "where nothing can be": ("explore {run} --export /proc/made", "cannot write"),
    "here": ("explore {run} --export .", "is the current folder"),
    "a port and no server": ("explore {run} --export made --port 8000", "leave it out, or --port"),
    "no port": ("explore {run} --port 99999", "there is no port 99999"),
    "half a port": ("explore {run} --port 80.5", "80.5"),
    "misspelt": ("explore {run} --exprot made", "--exprot"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_explored(prepared: Armoire, armoire: Armoire, pictures: Path, case: str) -> None:
    typed, *expected = WRONG[case]
    run = prepared.cwd / "run"
    before = contents(run), contents(pictures)
    words = [word.format(pictures=pictures, run=run) for word in typed.split()]
    assert_one_sentence(armoire(*words), *expected)
    assert (contents(run), contents(pictures)) == before
    assert list(armoire.cwd.iterdir()) == []


@pytest.mark.parametrize("damage", ["missing", "truncated"])
@pytest.mark.parametrize("name", ["model.safetensors", "recipe.toml"])
def test_a_damaged_run(prepared: Armoire, armoire: Armoire, name: str, damage: str) -> None:
    copy = Path(shutil.copytree(prepared.cwd / "run", armoire.cwd / "run"))
    content = (copy / name).read_bytes()
    (copy / name).unlink()
    if damage != "missing":
        (copy / name).write_bytes(content[: len(content) // 2])
    before = contents(armoire.cwd)
    assert_one_sentence(armoire("explore", "run", "--export", "made"), "run")
    assert contents(armoire.cwd) == before
