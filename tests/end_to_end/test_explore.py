"""`armoire explore` as typed: a page in a browser, or a folder that any host can serve."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import ABSENT, Armoire, Trained, assert_one_sentence, contents, leftovers

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not (ROOT / "src/armoire/explorer/index.html").is_file(), reason="armoire was installed without the explorer's page"
)


@pytest.fixture(scope="module")
def prepared(shared: Armoire, trained: Trained) -> Armoire:
    """A working folder with a copy of the run, `run`, and its export, `site`."""
    shutil.copytree(trained.run, shared.cwd / "run")
    done = shared("explore", "run", "--export", "site")
    assert (done.code, done.out) == (0, "site\n"), done.err
    assert "check that you may share them" in done.err
    assert done.err.splitlines()[-1].endswith("python3 -m http.server -b 127.0.0.1 -d site")
    return shared


@contextlib.contextmanager
def open_page(armoire: Armoire, *flags: object, ending: int, note: str = "") -> Iterator[str]:
    """The URL that `armoire explore` prints; a signal ends it, with exit code 0."""
    process = armoire.started("explore", "run", *flags)
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        assert url.startswith("http://"), process.communicate(timeout=120)
        yield url
        process.send_signal(ending)
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err) == (0, "", f"{note}press Ctrl-C to stop\n")
    finally:
        process.kill()
        process.communicate()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.status == 200
        return answer.read()


@pytest.mark.skipif(os.name != "posix", reason="the browser here is a shell script")
def test_a_page_opens_in_a_browser_and_is_served_until_ctrl_c(prepared: Armoire, tmp_path: Path) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    os.mkfifo(opened)
    # It stays open, as one in a terminal would, and the server answers all the same.
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\nexec sleep 2 >/dev/null 2>&1\n')
    browser.chmod(0o755)
    before = contents(prepared.cwd)
    there = replace(prepared, env=prepared.env | {"BROWSER": str(browser)})
    with open_page(there, ending=signal.SIGINT) as url:
        assert opened.read_text() == f"{url}\n"
        assert b"<!doctype html>" in fetch(url).lower()
        manifest = json.loads(fetch(f"{url}data/manifest.json"))
        assert manifest["run"]["name"] == "run"
        assert [c["name"] for c in manifest["data"]["classes"]] == ["bar", "disc", "square"]
        for entry in [*manifest["files"].values(), *manifest["sheets"]["files"]]:
            assert len(fetch(f"{url}data/{entry['path']}")) == entry["bytes"]
    assert contents(prepared.cwd) == before


def test_others_may_look_on_a_port_where_that_is_asked_for(prepared: Armoire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    note = "everyone who can reach 0.0.0.0 can see the run's images, without password or encryption\n"
    flags = ("--no-browser", "--port", port, "--host", "0.0.0.0")
    with open_page(prepared, *flags, ending=signal.SIGTERM, note=note) as url:
        assert url == f"http://{socket.gethostname()}:{port}/"
        assert b"<!doctype html>" in fetch(f"http://127.0.0.1:{port}/").lower()
        assert_one_sentence(prepared("explore", "run", "--port", port), f"port {port} is taken", "--port")


def test_an_export_holds_no_path_and_is_replaced_by_the_same(prepared: Armoire, trained: Trained, pictures) -> None:
    files = contents(prepared.cwd / "site")
    assert {"index.html", "assets", "data", "data/manifest.json", "data/decoder.onnx"} <= files.keys()
    ours = [pictures.parent, prepared.cwd, trained.run.parent, ROOT, Path(sys.prefix), Path.home()]
    for name, content in files.items():
        found = [str(path) for path in ours if len(path.parts) > 2 and str(path).encode() in (content or b"")]
        assert not found, f"{name} holds {found}"
    # What was exported opens without extras.
    assert prepared("explore", "run", "--export", "site", absent=ABSENT).code == 0
    assert contents(prepared.cwd / "site") == files
    elsewhere = prepared("explore", "run", "--export", prepared.cwd / "a b" / "c", "--no-browser")
    assert elsewhere.err.splitlines()[-1].endswith(f"-d '{prepared.cwd}/a b/c'")
    assert contents(prepared.cwd / "a b/c") == files
    assert leftovers(prepared.cwd) == []


def test_export_prints_the_paths_of_two_graphs(prepared: Armoire) -> None:
    assert prepared("export", "run", "--onnx", "onnx").out == "onnx/encoder.onnx\nonnx/decoder.onnx\n"
    assert sorted(contents(prepared.cwd / "onnx")) == ["decoder.onnx", "encoder.onnx"]
