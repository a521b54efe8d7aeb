"""Optional dependencies: what each extra installs, whether it is installed, and the command that installs it.

All of it is read from armoire's own metadata, so that pyproject.toml stays the only list. No package index has a
distribution named armoire: the commands name the packages themselves, and work next to a checkout and next to a wheel.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from importlib import metadata

from armoire.errors import ArmoireError, first_line

FOR_DEVELOPMENT = frozenset({"docs", "fuzz", "test"})


def missing_extra(what: str, extra: str, instead: str = "", cause: ImportError | None = None) -> ArmoireError:
    """The error for a package of an extra that cannot be imported.

    `what` needs it, as the subject of the sentence: `hf:a/b`, `the tracker wandb`; `instead` is a clause on what works
    without it.
    """
    reason = f" ({first_line(cause)})" if cause else ""
    also = f"; {instead}" if instead else ""
    return ArmoireError(f"{what} needs armoire[{extra}]{reason}; install it with: {install_command(extra)}{also}")


@contextlib.contextmanager
def needs(what: str, extra: str, instead: str = "") -> Iterator[None]:
    """Turn a failed import in the block, which should hold nothing else, into `missing_extra`."""
    try:
        yield
    except ImportError as error:
        raise missing_extra(what, extra, instead, error) from error


def install_command(extra: str) -> str:
    """The command that installs the packages of an extra."""
    packages = requirements(extra)
    if not packages:  # an older install's metadata, or none
        return f'pip install -e ".[{extra}]" in a checkout of armoire'
    return "pip install " + " ".join(f'"{package}"' for package in packages)


def installed(extra: str) -> str:
    """Names and versions of the packages of an extra, or that it is missing and how to install it."""
    names = [re.split(r"[^\w.-]", package)[0] for package in requirements(extra)]
    try:
        return ", ".join(f"{name} {metadata.version(name)}" for name in names)
    except metadata.PackageNotFoundError:
        return f"missing; {install_command(extra)}"


def extras() -> list[str]:
    """The extras for users, without those that only join others."""
    names = metadata.metadata("armoire").get_all("Provides-Extra") or []
    return sorted(set(names) - FOR_DEVELOPMENT - {"all"})


def requirements(extra: str) -> list[str]:
    """What an extra installs, as pip takes it: `huggingface-hub<3,>=2.4`; none where the metadata lacks it."""
    try:
        declared = metadata.requires("armoire") or []
    except metadata.PackageNotFoundError:
        return []
    of_extra = re.compile(rf"""extra\s*==\s*['"]{re.escape(extra)}['"]""")
    split = (line.partition(";") for line in declared)
    found: list[str] = []
    for requirement in [requirement.strip() for requirement, _, marker in split if of_extra.search(marker)]:
        if others := re.fullmatch(r"armoire\[(.+)\]", requirement):  # an extra made of others
            found += [package for name in others[1].split(",") for package in requirements(name.strip())]
        else:
            found.append(requirement)
    return list(dict.fromkeys(found))
