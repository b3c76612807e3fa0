"""The native kernel: named in, named out (see ``native/``). Forward and backward through time.

It computes any graph of populations whose neurons it knows, 16 samples side by side, in float32 or in
Loihi's integers. What it can't do (:meth:`lsnn_neuro.network.module.SpikingNetwork.kernel_obstacle` says
what of a float network) runs on :mod:`lsnn_neuro.network.dynamics`, the reference it is checked against.
Where the extension could not be built the loop does all the work, and one warning says so.

Sources of synapses are numbered inputs first, then spiking neurons; targets spiking neurons first, then
readouts.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.neurons.neuron import Neuron, State
from lsnn_neuro.registry import Registry

LANES = 16
FLAGS = (
    "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-Wno-psabi",
)  # fmt: skip
"""What headers are compiled with: no fused multiply-add, no other order of sums."""
HEADERS = Registry("kernel header", "lsnn_neuro.kernel_headers", {})
"""Headers of other packages: functions that give the neuron of an extension (``module:neuron``)."""
SWITCH = "LSNN_NEURO_KERNEL"
"""Environment variable: "off" makes everything run on the loop, for comparison."""


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


def obstacle(neuron: type[Neuron]) -> str | None:
    """Why the kernel can't run such neurons; None if it can."""
    assert native is not None
    name = vars(neuron).get("kernel")  # a subclass with another step has to say so itself
    if name is None or not _known(name):
        return f"has no header for neuron {neuron.name!r}"
    missing = set(native.describe(name)["constants"]) - set(neuron.Constants.roles())
    return f"wants {', '.join(sorted(missing))} of neuron {neuron.name!r}" if missing else None


@lru_cache
def _known(name: str) -> bool:
    """Whether there is a header of a name; an installed one is taken in.

    Raises NetworkError over one that was compiled for another release.
    """
    assert native is not None
    if name in native.neurons():
        return True
    if name not in HEADERS:
        return False
    try:
        native.add_neuron(HEADERS[name]())
    except ValueError as error:
        raise NetworkError(f"kernel header {name!r}: {error}") from None
    return name in native.neurons()


def foreign_extension(name: str, header: str, neuron: str) -> Any:
    """The extension of a package that brings a header, for its ``setup.py``.

    Its ``neuron`` function belongs under the entry points ``lsnn_neuro.kernel_headers``.

    - name: full name of the module; header: path of the header, which may include nothing; neuron: name
      of its struct. ``native/neurons`` holds examples.
    """
    from pybind11.setup_helpers import Pybind11Extension

    installed = Path(__file__).parents[1] / "native"
    sources = installed if installed.is_dir() else Path(__file__).parents[2] / "native"
    macros = {
        "LSNN_FOREIGN_HEADER": f'"{Path(header).resolve()}"', "LSNN_FOREIGN_NEURON": neuron,
        "LSNN_FOREIGN_MODULE": name.rpartition(".")[2],
    }  # fmt: skip
    files = ("foreign.cpp", "scratch.cpp", "isa_avx512.cpp", "isa_avx2.cpp", "isa_baseline.cpp")
    return Pybind11Extension(
        name, [str(sources / f) for f in files], include_dirs=[str(sources)], cxx_std=17,
        define_macros=list(macros.items()), extra_compile_args=list(FLAGS),
    )  # fmt: skip


# --- a network as the kernel has it -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PopulationLayout:
    """What the kernel must know of a population besides its numbers.

    - neuron: name of its header; current, bias: whether it has a synaptic current, and a bias
    """

    name: str
    neuron: str
    size: int
    spiking: bool
    refractory: bool
    reset: str
    at_threshold: bool
    gamma: float
    current: bool
    bias: bool

    @classmethod
    def of(
        cls, name: str, neuron: type[Neuron], size: int, constants: Any, *, current: bool, bias: bool
    ) -> PopulationLayout:  # fmt: skip
        """The layout of a population with these constants of a step."""
        return cls(
            name=name, neuron=vars(neuron)["kernel"], size=size, spiking=neuron.spiking,
            refractory=hasattr(constants, "n_ref"), reset=getattr(constants, "reset", "subtract"),
            at_threshold=bool(getattr(constants, "at_threshold", False)),
            gamma=float(getattr(constants, "gamma", 1.0)), current=current, bias=bias,
        )  # fmt: skip

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns: constants in the header's order, then decay_i and bias."""
        assert native is not None
        return (*native.describe(self.neuron)["constants"], "decay_i", "bias")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A network without its numbers: populations that spike, then readouts.

    Its numbers are one array: of each population its columns one after the other, (size,) each. Decays are
    kept shares, 0 to 1, or in arrays of integers 0 to 4096.

    - integer: whether it computes Loihi's integers
    """

    n_inputs: int
    integer: bool
    populations: tuple[PopulationLayout, ...]

    @property
    def n_neurons(self) -> int:
        """Number of spiking neurons."""
        return sum(p.size for p in self.populations if p.spiking)

    @property
    def n_readouts(self) -> int:
        """Number of readouts."""
        return sum(p.size for p in self.populations if not p.spiking)

    @property
    def n_rows(self) -> int:
        """Number of both."""
        return self.n_neurons + self.n_readouts

    @property
    def n_replayed(self) -> int:
        """Rows of states that are replayed from the tape."""
        assert native is not None
        return sum(native.describe(p.neuron)["n_replayed"] * p.size for p in self.populations)

    @property
    def holds(self) -> bool:
        """Whether the reset of a population is "hold": then the tape says where it does."""
        return any(p.reset == "hold" for p in self.populations)

    @property
    def end_bytes(self) -> int:
        """Bytes of a block's state without the spikes still in transit."""
        assert native is not None
        rows = sum(
            (len(native.describe(p.neuron)["states"]) + 1) * p.size for p in self.populations
        )
        n = self.n_neurons
        return int(rows * 4 * LANES + n * LANES + (2 * n + 63) // 64 * 64 + 64)

    @cached_property
    def text(self) -> str:
        """The layout as one string, which can be an argument of an operator."""
        return json.dumps(asdict(self))

    @staticmethod
    @lru_cache(maxsize=64)
    def of_text(text: str) -> Layout:
        """The layout again."""
        values = json.loads(text)
        populations = tuple(PopulationLayout(**p) for p in values.pop("populations"))
        return Layout(populations=populations, **values)

    def places(self) -> dict[str, slice]:
        """Where each population stands among those that spike, or among the readouts."""
        found, first = {}, {True: 0, False: 0}
        for p in self.populations:
            found[p.name] = slice(first[p.spiking], first[p.spiking] + p.size)
            first[p.spiking] += p.size
        return found

    def split(self, numbers: Any) -> Iterator[tuple[PopulationLayout, dict[str, Any]]]:
        """Every population with its columns by name."""
        at = 0
        for p in self.populations:
            columns = {}
            for name in p.columns:
                columns[name] = numbers[at : at + p.size]
                at += p.size
            yield p, columns


@dataclass(frozen=True, kw_only=True, eq=False)
class SynapseArrays:
    """Synapses in any order, arrays (synapse,); int64, weights float32 or int32.

    - active: which there are; None: all
    """

    source: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]
    delay: npt.NDArray[np.int64]
    weight: npt.NDArray[Any]
    active: npt.NDArray[np.bool_] | None = None


def build(
    layout: Layout, numbers: npt.NDArray[Any], n_ref: npt.NDArray[np.int64],
    synapses: SynapseArrays,
) -> Any:  # fmt: skip
    """The native network, which holds copies of all numbers.

    - numbers: see :class:`Layout`; n_ref: refractory steps, (neuron,) of those that spike

    Raises NetworkError over what is out of range.
    """
    assert native is not None
    integers = numbers.dtype == np.int32
    network = (native.IntegerNetwork if integers else native.FloatNetwork)(layout.n_inputs)
    first = 0
    try:
        for p, columns in layout.split(numbers):
            network.add_population(
                neuron=p.neuron, size=p.size, constants=list(columns.values())[:-2],
                decay_i=columns["decay_i"] if p.current else None,
                bias=columns["bias"] if p.bias else None,
                n_ref=n_ref[first : first + p.size] if p.spiking else None,
                reset=p.reset, at_threshold=p.at_threshold, gamma=p.gamma,
            )  # fmt: skip
            first += p.size * p.spiking
        network.connect(**vars(synapses))
    except ValueError as error:
        raise NetworkError(str(error)) from None
    return network


def forward(network: Any, inputs: Any, **options: Any) -> Mapping[str, Any]:
    """Run a native network; ``inputs``: bool, int8 or float32, (time, sample, input).

    - spikes: whether spikes are kept; tape: "none", "compact" or "full"; learn: whether the tape is to
      give gradients of constants
    - state: to start from, moved on in place; else the run starts at rest
    - threads: 0 for as many as there are cores; the result is the same with any number

    Gives arrays: readout (time, sample, readout), counts (block, neuron), state, and what is kept.
    """
    try:
        found: Mapping[str, Any] = network.forward(inputs, **options)
    except ValueError as error:
        raise NetworkError(str(error)) from None
    return found


def unpack_spikes(bits: npt.NDArray[Any], n_samples: int) -> npt.NDArray[np.bool_]:
    """Spikes, 16 in a number, (block, time, neuron), as bool (time, sample, neuron)."""
    as_bytes = np.ascontiguousarray(bits.transpose(1, 0, 2)[..., None]).view(np.uint8)
    lanes = np.unpackbits(as_bytes, axis=-1, bitorder="little")  # (time, block, neuron, lane)
    blocks, steps, n = bits.shape
    trains = lanes.transpose(0, 1, 3, 2).reshape(steps, blocks * LANES, n)
    return trains[:, :n_samples].view(np.bool_)


def past_of(graph: Any, start: Any, n_samples: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """What inputs and spiking neurons sent in the last steps, (step, sample, source), the newest last.

    - start: a ``NetworkState``, its arrays NumPy's, which has it the newest first
    """
    names = [p.name for p in graph.spiking]
    longest = max((len(start.history[name]) for name in names), default=0)
    parts = [np.zeros((longest, n_samples, 0), np.float32)]
    for name in names:
        steps = np.stack(start.history[name][::-1])
        missing = np.zeros((longest - len(steps), *steps.shape[1:]), steps.dtype)
        parts.append(np.concatenate([missing, steps]))
    return np.stack(start.history[INPUT][::-1]), np.concatenate(parts, axis=2)


def start_of(
    network: Any, layout: Layout, start: Any, past: tuple[Any, Any], n_samples: int,
    *, alone: bool = False,
) -> npt.NDArray[np.uint8]:  # fmt: skip
    """A ``NetworkState``, its arrays NumPy's, as the kernel's state, (block, byte).

    - past: see :func:`past_of`; alone: as the state of one sample that runs alone, (byte,)

    Raises NetworkError over a state of another network or batch.
    """
    dtype = np.int32 if layout.integer else np.float32
    populations = []
    for p in layout.populations:
        state = vars(start.populations[p.name])
        values = {k: np.ascontiguousarray(v, dtype) for k, v in state.items() if k != "z"}
        values["current"] = np.ascontiguousarray(start.currents[p.name], dtype)
        if p.spiking:
            values["z"] = np.ascontiguousarray(state["z"], np.bool_)
        if p.refractory:
            values["r"] = np.ascontiguousarray(state["r"], np.int32)
        populations.append(values)
    inputs = np.ascontiguousarray(past[0], dtype)
    spikes = np.ascontiguousarray(past[1], np.bool_)
    found: npt.NDArray[np.uint8]
    try:
        if alone:
            found = network.write_alone(populations, inputs, spikes)
        else:
            found = network.write_state(populations, inputs, spikes, n_samples)
    except ValueError as error:
        raise NetworkError(str(error)) from None
    return found


def read_states(network: Any, layout: Layout, state: Any, n_samples: int) -> dict[str, State]:
    """State variables of every population, and its ``current``, from a native state."""
    return {
        p.name: State(**found)
        for p, found in zip(
            layout.populations, network.read_state(state, n_samples), strict=True
        )
    }  # fmt: skip


class KernelSession:
    """A network that runs some steps at a time and keeps its state in between.

    It computes the same bits as one run over all steps.

    - start, past: a ``NetworkState`` to start from, and :func:`past_of` it; by default rest
    """

    def __init__(
        self, network: Any, layout: Layout, *, n_samples: int, start: Any = None, past: Any = None
    ):
        self._network, self.layout, self.n_samples = network, layout, n_samples
        self._alone = n_samples == 1  # then lanes are neurons, not samples
        if start is not None:
            self._state = start_of(network, layout, start, past, n_samples, alone=self._alone)
        else:
            self._state = network.rest_alone() if self._alone else network.rest(n_samples)
        self._whole = True

    def run(self, inputs: Events, *, spikes: bool = False) -> Mapping[str, Any]:
        """Some steps; inputs (step, sample, input); see :func:`forward`.

        Raises NetworkError over inputs of another shape, and after a step that was interrupted.
        """
        shape = (self.n_samples, self.layout.n_inputs)
        if inputs.ndim != 3 or inputs.shape[1:] != shape:
            raise NetworkError(
                f"inputs have shape {inputs.shape}, expected (step, {shape[0]}, {shape[1]})"
            )
        if not self._whole:
            raise NetworkError(
                "session: a step was interrupted, its state is lost; start a new session"
            )
        x = np.ascontiguousarray(inputs)
        self._whole = False
        try:
            run = self._network.forward_alone if self._alone else self._network.forward
            found: Mapping[str, Any] = run(x, spikes=spikes, state=self._state)
        except ValueError as error:  # refused before anything was computed
            self._whole = True
            raise NetworkError(str(error)) from None
        self._whole = True
        return found

    def states(self) -> dict[str, State]:
        """The state variables of every population, arrays (sample, neuron)."""
        if not self._alone:
            return read_states(self._network, self.layout, self._state, self.n_samples)
        found = self._network.read_alone(self._state)
        return {p.name: State(**s) for p, s in zip(self.layout.populations, found, strict=True)}


def outputs(
    graph: Any, readout: npt.NDArray[Any], spikes: npt.NDArray[np.bool_] | None
) -> npt.NDArray[Any]:
    """The outputs of a graph in order, (time, sample, output), from what a run gave."""
    places = graph.places()
    if spikes is None and len(graph.outputs) == len(graph.readouts) == 1:
        return readout
    parts = [
        (spikes if p.spiking else readout)[..., places[p.name]]  # type: ignore[index]
        for p in graph.output_populations
    ]
    joined: npt.NDArray[Any] = np.concatenate(parts, axis=2).astype(readout.dtype, copy=False)
    return joined


def outputs_of(session: KernelSession, graph: Any) -> Callable[[Events], npt.NDArray[Any]]:
    """A function that runs a session on and gives the outputs of its graph, (step, sample, output)."""
    spiking = any(p.spiking for p in graph.output_populations)
    if not spiking and len(graph.outputs) == len(graph.readouts) == 1:  # nothing to sort
        return lambda inputs: session.run(inputs)["readout"]

    def run(inputs: Events) -> npt.NDArray[Any]:
        found = session.run(inputs, spikes=spiking)
        trains = unpack_spikes(found["spikes"], session.n_samples) if spiking else None
        return outputs(graph, found["readout"], trains)

    return run
