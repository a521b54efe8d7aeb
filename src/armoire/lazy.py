"""Imports at first use: torch alone takes two seconds, and one method calls a function of a later layer."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def lazily(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A package's `__getattr__` (PEP 562): imports the public names, listed by submodule, when they are used."""
    where = {name: module for module, names in modules.items() for name in names}

    def get(name: str) -> Any:
        if name in where:
            return getattr(importlib.import_module(f"{package}.{where[name]}"), name)
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    return get


def from_later_layer(module: str, name: str) -> Callable[..., Any]:
    """A function of a later layer, for a method that users expect on an earlier class (docs/decisions/030)."""
    return getattr(importlib.import_module(module), name)
