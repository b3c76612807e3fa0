"""Lava 0.10.0 on Python 3.11 and later.

lava-nc declares Python 3.10, and is archived. On later versions one of its modules can't be
imported: ``lava.magma.compiler.var_model`` has instances of its dataclass ``ByteEncoder`` as defaults
of fields, which dataclasses refuse since 3.11 if the class has no hash. Here that class gets one,
while the module is being imported; nothing else differs. No Lava is imported by this module itself.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

MODULE, CLASS = "lava.magma.compiler.var_model", "ByteEncoder"


class _Loader(SourceFileLoader):
    """Executes the module with a ``dataclass`` that leaves that class its hash."""

    def exec_module(self, module: ModuleType) -> None:
        original = dataclasses.dataclass

        def dataclass(cls: type | None = None, /, **options: Any) -> Any:
            made: Any = original(cls, **options)
            if isinstance(made, type) and made.__name__ == CLASS:
                made.__hash__ = object.__hash__  # type: ignore[method-assign, assignment]
            return made

        dataclasses.dataclass = dataclass
        try:
            super().exec_module(module)
        finally:
            dataclasses.dataclass = original


class _Finder(MetaPathFinder):
    """Finds that one module, to be loaded by the loader above."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def patch_lava_import() -> None:
    """From here on Lava can be imported on this version of Python; calling it again does nothing."""
    if sys.version_info >= (3, 11) and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
