"""The training step of a checkout of this project: the one whose folder comes first on the path."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path


def training_step(side: str, batch: int) -> Callable[[], float]:
    """The step that its own ``benchmarks/training_step.py`` measures under this name."""
    package = importlib.import_module("lsnn_neuro")
    if not Path(str(package.__file__)).is_relative_to(Path.cwd()):
        raise RuntimeError(f"found {package.__file__}, which is not of this checkout")
    script = importlib.import_module("training_step")
    step: Callable[[], float] | None = script.MAKERS[side](script.Setting(batch))
    if step is None:
        raise RuntimeError("not installed")
    return step
