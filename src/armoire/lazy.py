"""Imports that wait until something is used: torch alone takes two seconds, and some methods lead to a later room."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def lazily(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A module's `__getattr__` (PEP 562) that finds its public names in its modules.

    Args:
        package: the module's own name.
        modules: which names each of its modules offers.
    """
    where = {name: module for module, names in modules.items() for name in names}

    def get(name: str) -> Any:
        if name in where:
            return getattr(importlib.import_module(f"{package}.{where[name]}"), name)
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    return get


def in_a_later_room(module: str, name: str) -> Callable[..., Any]:
    """A function of a room that comes after the one that asks, which must not know it otherwise.

    For verbs that people look for on a noun of an earlier room (docs/decisions/030); tests/test_imports.py names all.
    """
    return getattr(importlib.import_module(module), name)
