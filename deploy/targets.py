"""The targets a quantized network can run on: the built-in ones and those of installed packages."""

from __future__ import annotations

from deploy.lava.options import LavaOptions
from deploy.target import Target
from lsnn_neuro.registry import Registry

TARGETS = Registry(
    "target",
    "lsnn_neuro.targets",
    {
        "emulator": "deploy.emulated:EmulatorTarget",
        "loihi-sim": "deploy.lava.target:LoihiSimTarget",
        "loihi2": "deploy.loihi2:Loihi2Target",
    },
)
"""Targets by name, the default first."""


def get_target(name: str, lava: LavaOptions | None = None) -> Target:
    """The target of this name; ``lava`` are options for those that run on Lava."""
    kind: type[Target] = TARGETS[name]
    options = getattr(kind, "Options", None)
    return kind(lava) if lava is not None and options is LavaOptions else kind()  # type: ignore[call-arg]
