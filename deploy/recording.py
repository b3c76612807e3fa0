"""``Recording``: what a chip did with some inputs, in an NPZ file of plain arrays, without pickle.

::

    inputs                  bool or int8, (time, sample, input)
    spikes/POPULATION       bool, (time, sample, neuron)
    states/POPULATION/NAME  integers, (time, sample, neuron): what a probe read after each step of the state
                            variable NAME of the neuron (v, a ...), or of its synaptic current, i
    readout                 integers, (time, sample, output), of all outputs side by side
    labels, label_steps     integers, (sample,): the class decided; [start, stop): from which readouts
    chip, run               texts: what chip it was, and which run of what
    refractory_reading      a whole number, 0 where it is missing: in a step with a spike a probe of v reads
                            the refractory time (n_ref + 1 steps) times this in place of v
    resets/POPULATION       integers: the steps before which all states of the population were cleared

``inputs``, ``chip``, ``run`` and one answer (spikes, states, readout or labels) must be there. Row t is step
t of the inputs: who writes the file takes out by how many steps the chip answers late.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.samples import LARGEST, check_size
from lsnn_neuro.arrays import Events, plain
from lsnn_neuro.data.npz import open_npz
from lsnn_neuro.errors import DataError
from lsnn_neuro.files import write_bytes

Array = npt.NDArray[Any]
ALONE = ("inputs", "readout", "labels", "label_steps", "chip", "run", "refractory_reading")
PREFIXES = ("spikes", "states", "resets")
READING_MAX = 2**31 - 1
"""Of any number that was read; the emulator's own states have 24 bits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """What a chip did with some inputs; see the module.

    - spikes, resets: by population; states: by population and variable
    """

    inputs: Events
    chip: str
    run: str
    spikes: Mapping[str, Array] = field(default_factory=dict)
    states: Mapping[tuple[str, str], Array] = field(default_factory=dict)
    readout: Array | None = None
    labels: Array | None = None
    label_steps: tuple[int, int] = (0, 0)
    refractory_reading: int = 0
    resets: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check types, shapes and ranges; DataError names the array, what it is and what it should be."""
        if self.inputs.dtype not in (np.bool_, np.int8) or self.inputs.ndim != 3:
            raise _wrong("inputs", self.inputs, "bool or int8 (time, sample, input)")
        if not self.run or not self.chip:
            raise DataError("chip and run must say what was recorded, one of them is empty")
        if not (self.spikes or self.states) and self.readout is None and self.labels is None:
            raise DataError("holds no answer; expected spikes, states, readout or labels")
        steps, samples = self.inputs.shape[:2]
        for name, array in self._over_time():
            kind = "b" if name.startswith("spikes") else "iu"
            if (
                array.dtype.kind not in kind
                or array.ndim != 3
                or array.shape[:2] != (steps, samples)
            ):
                of = "bool" if kind == "b" else "integers"
                raise _wrong(name, array, f"{of} ({steps}, {samples}, neuron)")
            _check_range(name, array, -READING_MAX)
        self._check_labels(steps, samples)
        _check_whole("refractory_reading", [self.refractory_reading], READING_MAX)
        for name, before in self.resets.items():
            _check_whole(f"resets/{name}", before, steps - 1)
        self._check_repeats()

    def _check_labels(self, steps: int, samples: int) -> None:
        """The decided classes, and the steps from which they are read."""
        if self.labels is None:
            return
        if self.labels.dtype.kind not in "iu" or self.labels.shape != (samples,):
            raise _wrong("labels", self.labels, f"integers ({samples},)")
        _check_range("labels", self.labels, 0)
        _check_whole("label_steps", self.label_steps, steps)
        if len(self.label_steps) != 2 or not self.label_steps[0] < self.label_steps[1]:
            said = " to ".join(map(str, self.label_steps))
            raise DataError(f"label_steps is {said}, expected some of the {steps} steps")

    def _over_time(self) -> Iterator[tuple[str, Array]]:
        """The answers of every step, by the names of the file."""
        yield from ((f"spikes/{name}", array) for name, array in self.spikes.items())
        yield from ((f"states/{p}/{name}", array) for (p, name), array in self.states.items())
        if self.readout is not None:
            yield "readout", self.readout

    def places(self) -> dict[bytes, int]:
        """Where the inputs of a sample stand, by their bytes."""
        return {key: i for i, key in reversed(list(enumerate(keys_of(self.inputs))))}

    def _check_repeats(self) -> None:
        """Refuse a chip that answered the same inputs in two ways: only one of them could be compared."""
        places = self.places()
        for i, key in enumerate(keys_of(self.inputs)):
            first = places[key]
            answers = [array[:, [first, i]] for _, array in self._over_time()]
            answers += [] if self.labels is None else [self.labels[None, [first, i]]]
            if any((a[:, 0] != a[:, 1]).any() for a in answers):
                raise DataError(
                    f"samples {first} and {i} have the same inputs and different answers; keep one of them"
                )


def keys_of(inputs: Events) -> list[bytes]:
    """What tells the inputs of samples apart; spikes and ones are the same."""
    return [inputs[:, i].astype(np.int8).tobytes() for i in range(inputs.shape[1])]


def _wrong(name: str, array: Array, expected: str) -> DataError:
    return DataError(f"{name} is {array.dtype} of shape {array.shape}, expected {expected}")


def _check_range(name: str, array: Array, lowest: int) -> None:
    """Refuse readings that don't fit into the 32 bits in which they are compared."""
    for at in np.argwhere((array < lowest) | (array > READING_MAX))[:1]:
        where = ", ".join(map(str, at))
        raise DataError(
            f"{name}[{where}] is {array[tuple(at)]}, expected {lowest} to {READING_MAX}"
        )


def _check_whole(name: str, values: Iterable[Any], largest: int) -> None:
    """Refuse what is no integer from 0 to the largest."""
    for value in map(plain, values):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not 0 <= value <= largest:
            raise DataError(f"{name} holds {value!r}, expected whole numbers from 0 to {largest}")


def write_recording(path: Path | str, recording: Recording) -> None:
    """Write a recording as a file."""
    arrays: dict[str, Any] = {
        "inputs": recording.inputs, "chip": recording.chip, "run": recording.run,
        "refractory_reading": recording.refractory_reading, **dict(recording._over_time()),
    }  # fmt: skip
    if recording.labels is not None:
        arrays |= {"labels": recording.labels, "label_steps": recording.label_steps}
    arrays |= {f"resets/{name}": steps for name, steps in recording.resets.items()}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    write_bytes(Path(path), file.getvalue())


def read_recording(path: Path | str) -> Recording:
    """Read a recording; DataError names the file, and what is wrong with it."""
    arrays = _arrays(Path(path))
    for name in arrays:
        if name not in ALONE and name.partition("/")[0] not in PREFIXES:
            raise DataError(
                f"{path}: holds {name!r}; expected {', '.join(ALONE)}, or names under "
                f"{', '.join(PREFIXES)}"
            )
    try:
        return _recording(arrays)
    except KeyError as error:
        raise DataError(f"{path}: is no recording, it holds no array {error}") from error
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: {error}") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _recording(arrays: Mapping[str, Array]) -> Recording:
    def below(prefix: str) -> Iterator[tuple[str, Array]]:
        for name, array in arrays.items():
            first, _, rest = name.partition("/")
            if first == prefix:
                yield rest, array

    states = {}
    for name, array in below("states"):
        population, _, variable = name.rpartition("/")
        states[population, variable] = array
    return Recording(
        inputs=arrays["inputs"],
        chip=str(arrays["chip"]),
        run=str(arrays["run"]),
        spikes=dict(below("spikes")),
        states=states,
        readout=arrays.get("readout"),
        labels=arrays.get("labels"),
        label_steps=_listed(arrays["label_steps"]) if "labels" in arrays else (0, 0),
        refractory_reading=arrays.get("refractory_reading", np.array(0)).tolist(),
        resets={name: _listed(steps) for name, steps in below("resets")},
    )


def _listed(array: Array) -> tuple[Any, ...]:
    """What an array lists, its types unchecked; a single number is a list of one."""
    return tuple(np.atleast_1d(array).tolist())


def _arrays(path: Path) -> dict[str, Array]:
    with open_npz(path, most=LARGEST) as file:
        check_size(path, sum(map(file.size, file.names)))
        return {name: file.whole(name) for name in file.names}
