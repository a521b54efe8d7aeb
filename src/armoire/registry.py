"""Registries: the kinds of one thing by name, those of armoire, of installed packages, and of the running program.

LIKELIHOODS = Registry[type[Likelihood]]("likelihood", "armoire.likelihoods", {"laplace": "armoire.model...:Laplace"})

LIKELIHOODS.register("student", StudentT)             # in a program, before the name is used
[project.entry-points."armoire.likelihoods"]          # in a package: found once it is installed
student = "my_package:StudentT"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import metadata
from pkgutil import resolve_name
from typing import Any, Generic, TypeVar

from armoire.errors import ArmoireError, did_you_mean, first_line

T = TypeVar("T")


class Registry(Generic[T]):
    """Kinds by name, each imported when it is first used; `built_in` maps names to `module:object`."""

    def __init__(self, noun: str, group: str, built_in: Mapping[str, str]) -> None:
        self.noun, self.group = noun, group
        self._built_in = dict(built_in)
        self._registered: dict[str, T] = {}

    @cached_property
    def _entry_points(self) -> dict[str, metadata.EntryPoint]:
        return {entry.name: entry for entry in metadata.entry_points(group=self.group)}

    def register(self, name: str, value: T) -> T:
        """Add a kind for the rest of the process, under a name that no built-in one has; returns it."""
        if name in self._built_in:
            raise ArmoireError(f"the {self.noun} '{name}' is built in; register yours under another name")
        self._registered[name] = value
        return value

    def names(self) -> list[str]:
        """Names of all kinds: the built-in ones in their order, then the others by name."""
        return [*self._built_in, *sorted({*self._registered, *self._entry_points} - set(self._built_in))]

    def __contains__(self, name: str) -> bool:
        return name in self._built_in or name in self._registered or name in self._entry_points

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def get(self, name: str) -> T:
        """The kind of that name; ArmoireError where there is none, or its package cannot be imported."""
        if name not in self._registered:
            self._registered[name] = self._load(name)
        return self._registered[name]

    def _load(self, name: str) -> Any:
        if name in self._built_in:
            return resolve_name(self._built_in[name])
        if name not in self._entry_points:
            raise ArmoireError(f"no {self.noun} '{name}'; {did_you_mean(name, self.names())}")
        try:
            return self._entry_points[name].load()
        except Exception as error:  # another package's code
            raise ArmoireError(f"the {self.noun} '{name}' cannot be imported: {first_line(error)}") from None
