"""Defer imports that a package makes but rarely uses until their first use, with Python's own lazy loader.

Before 3.11.9 and 3.12.3 that loader is not thread-safe, so two threads must not be the first to use such a module.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType


@contextmanager
def lazily(*modules: str) -> Iterator[None]:
    """Defer the import of some modules, in the `with` block, until one of their attributes is used."""
    finder = _Finder(modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder:
    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = modules

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in self._modules else None
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec
