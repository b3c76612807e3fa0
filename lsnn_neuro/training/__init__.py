"""Training: a recipe goes in, a run folder comes out.

Names are imported when they are asked for, so that a recipe's sections (:mod:`lsnn_neuro.training.config`)
are read without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lsnn_neuro.training.callbacks import Callback
    from lsnn_neuro.training.loop import summary, train
    from lsnn_neuro.training.trainer import Trainer

__all__ = ["Callback", "Trainer", "summary", "train"]

_HOME = {"Callback": "callbacks", "Trainer": "trainer", "summary": "loop", "train": "loop"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
