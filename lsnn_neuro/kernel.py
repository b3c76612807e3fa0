"""The native kernel, if it is here: sparse LSNN cores, 16 samples side by side (see ``native/``).

NumPy only. The readable references it is checked against are the time loop of
:mod:`lsnn_neuro.network` and the integer model of ``quantize.emulator``; where the extension could not
be built they do the work, and one warning says so.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.spec import Adaptation, Neuron

LANES = 16
KIND: dict[tuple[Neuron, Adaptation], int] = {
    ("lif", "threshold"): 0,
    ("lif", "current"): 1,
    ("atrlif", "threshold"): 2,
}
"""What the extension calls the equations of a neuron."""
SWITCH = "LSNN_NEURO_KERNEL"
"""Environment variable: "off" makes everything run on the references, for comparison."""


def _load() -> ModuleType | None:
    try:
        return import_module("lsnn_neuro._kernel")
    except ImportError:
        warnings.warn(
            "lsnn-neuro's native kernel is not built (was there a C++ compiler at installation?): the "
            "slow NumPy and PyTorch references do the work",
            RuntimeWarning,
            stacklevel=2,
        )
        return None


native = _load()


def available() -> bool:
    """Whether the kernel is here and not switched off."""
    return native is not None and os.environ.get(SWITCH, "on") != "off"


def description() -> str:
    """What computes here, for reports."""
    if native is None:
        return "references (native kernel not built)"
    if not available():
        return f"references ({SWITCH}=off)"
    return f"native kernel ({native.instruction_set()}, {native.threads()} threads)"


@dataclass(frozen=True, kw_only=True, eq=False)
class SynapseList:
    """Synapses compressed by source: start[i] to start[i + 1] leave source i.

    - start: int64 (source + 1,); target, delay: int32 (synapse,); weight: float32 or int32 (synapse,)
    """

    start: npt.NDArray[np.int64]
    target: npt.NDArray[np.int32]
    delay: npt.NDArray[np.int32]
    weight: npt.NDArray[Any]

    @classmethod
    def of(
        cls,
        n_source: int,
        source: npt.NDArray[Any],
        target: npt.NDArray[Any],
        delay: npt.NDArray[Any],
        weight: npt.NDArray[Any],
    ) -> SynapseList:
        """Compress synapses given as parallel arrays that are sorted by source."""
        start = np.zeros(n_source + 1, np.int64)
        np.cumsum(np.bincount(source, minlength=n_source), out=start[1:])
        return cls(
            start=start,
            target=np.ascontiguousarray(target, np.int32),
            delay=np.ascontiguousarray(delay, np.int32),
            weight=np.ascontiguousarray(weight),
        )

    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """As the extension takes them."""
        return self.start, self.target, self.delay, self.weight


class KernelSession:
    """A core that runs some steps at a time and keeps its state in between; at rest at the start.

    It computes the very bits that one run over all steps computes.

    - forward: ``native.forward_float`` or ``native.forward_integer``
    - core: what these take between the inputs and ``keep``; it must not change meanwhile
    """

    def __init__(
        self, forward: Any, core: tuple[Any, ...], *, n_samples: int, threads: int = 0
    ) -> None:
        assert native is not None
        self._forward, self._core, self._threads = forward, core, threads
        neurons, *_, n, n_outputs, max_delay = core
        n_ref = int(neurons[6].max())
        size = native.state_bytes(n, n_outputs, max_delay, n_ref)
        self._state = np.zeros((-(-n_samples // LANES), size), np.uint8)
        self.n_samples, self.n_steps = n_samples, 0

    def step(self, inputs: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """The readout, (step, sample, output), to inputs of shape (step, sample, input)."""
        x = np.ascontiguousarray(inputs).view(np.uint8)
        readout, *_ = self._forward(
            x, *self._core, 0, True, self._threads, self._state, self.n_steps
        )
        self.n_steps += len(inputs)
        y: npt.NDArray[Any] = readout.reshape(*readout.shape[:2], -1)[..., : self.n_samples]
        return y.transpose(0, 2, 1).copy()


def unpack_spikes(bits: npt.NDArray[np.uint16], n_samples: int) -> npt.NDArray[np.bool_]:
    """Spike bits (block, time, neuron) as bool (time, sample, neuron)."""
    as_bytes = np.ascontiguousarray(bits.transpose(1, 0, 2)[..., None]).view(np.uint8)
    lanes = np.unpackbits(as_bytes, axis=-1, bitorder="little")  # (time, block, neuron, lane)
    trains = lanes.transpose(0, 1, 3, 2).reshape(bits.shape[1], -1, bits.shape[2])
    return trains[:, :n_samples].view(np.bool_)
