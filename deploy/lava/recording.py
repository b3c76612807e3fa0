"""Events from a file, and spikes back to a file, at the speed of the disk.

Lava's own sources and sinks keep whole recordings in a variable and hand it over number by number.
These processes map an ``.npy`` file into memory and read or write one row per step. What reads the
file afterwards needs nothing from Lava.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class SpikeSource(AbstractProcess):  # type: ignore[misc]
    """Sends row t of an int8 file of shape (time, sample, column) in step t, then silence."""

    def __init__(self, *, path: str, width: int, name: str | None = None):
        super().__init__(path=path, name=name)
        self.s_out = OutPort(shape=(width,))


class Recorder(AbstractProcess):  # type: ignore[misc]
    """Writes what arrives in step t + lag, (sample, column), into row t of a file.

    The file has shape (time, sample, column), with room for other recorders' columns: ``columns``
    is the first of ours, and the one after the last. What arrives before row 0 or after the last
    row is dropped.
    """

    def __init__(
        self,
        *,
        path: str,
        samples: int,
        columns: tuple[int, int],
        lag: int,
        name: str | None = None,
    ):
        super().__init__(path=path, columns=columns, lag=lag, name=name)
        self.a_in = InPort(shape=(samples * (columns[1] - columns[0]),))


class StateRecorder(AbstractProcess):  # type: ignore[misc]
    """Writes a variable of another process, as it is after step t + lag, into row t of a file.

    For one sample; ``state`` is to be connected to the variable. The file is a :class:`Recorder`'s.
    """

    def __init__(self, *, path: str, columns: tuple[int, int], lag: int, name: str | None = None):
        super().__init__(path=path, columns=columns, lag=lag, name=name)
        self.state = RefPort(shape=(columns[1] - columns[0],))


class _FileModel(PyLoihiProcessModel):  # type: ignore[misc]
    """Opens its file in the first step: by then Lava has forked, and each map has one user."""

    mode: Literal["r", "r+"] = "r"
    _rows: npt.NDArray[np.generic] | None = None

    @property
    def rows(self) -> npt.NDArray[np.generic]:
        """The mapped file, shape (time, sample, column)."""
        if self._rows is None:
            self._rows = np.load(self.proc_params["path"], mmap_mode=self.mode, allow_pickle=False)
        return self._rows


@implements(proc=SpikeSource, protocol=LoihiProtocol)
@requires(CPU)
class PySpikeSourceModel(_FileModel):
    """Reads one row per step."""

    s_out = LavaPyType(PyOutPort.VEC_DENSE, np.int8, precision=8)

    def run_spk(self) -> None:
        """One time step; Lava counts them from 1."""
        row = self.time_step - 1
        silence = np.zeros(self.rows.shape[1:], np.int8)
        self.s_out.send((self.rows[row] if row < len(self.rows) else silence).reshape(-1))


@implements(proc=Recorder, protocol=LoihiProtocol)
@requires(CPU)
class PyRecorderModel(_FileModel):
    """Writes one row per step."""

    mode = "r+"
    a_in = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)

    def run_spk(self) -> None:
        """One time step; Lava counts them from 1."""
        _write_row(self, self.a_in.recv())


@implements(proc=StateRecorder, protocol=LoihiProtocol)
@requires(CPU)
class PyStateRecorderModel(_FileModel):
    """Reads the variable when all processes have finished their step, and writes one row."""

    mode = "r+"
    state = LavaPyType(PyRefPort.VEC_DENSE, np.int32, precision=24)

    def post_guard(self) -> bool:
        """In every step."""
        return True

    def run_post_mgmt(self) -> None:
        """One time step; Lava counts them from 1."""
        _write_row(self, self.state.read())


def _write_row(model: _FileModel, values: npt.NDArray[np.generic]) -> None:
    row = model.time_step - 1 - model.proc_params["lag"]
    if 0 <= row < len(model.rows):
        first, end = model.proc_params["columns"]
        model.rows[row, :, first:end] = values.reshape(-1, end - first)
