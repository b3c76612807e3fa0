"""What our Lava processes share: Vars by constant, synaptic current, bias, comparison and reset.

Computed independently of the emulator: of its code only the arithmetic of single integers is used
(:mod:`quantize.arithmetic`). Every process has two models with the same parameters in the same meaning,
one in integers and one in real numbers, which neither rounds nor saturates nor wraps around.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from lsnn_neuro.arrays import IntArray
from lsnn_neuro.neurons.neuron import Constants
from quantize import arithmetic
from quantize.loihi import DECAY_ONE, STATE_SHIFT

Numbers = npt.NDArray[Any]


class NeuronProcess(AbstractProcess):  # type: ignore[misc]
    """A population: a Var for each number among its neuron's constants, and one for each state variable.

    - a_in: synaptic input I before the shift by 6, all connections summed
    - decay_i: decay of the synaptic current i in 1/4096; None: there is none, and i = I << 6
    - bias: enters the membrane in every step, in membrane units
    - start_step: steps (of Lava, from 0) before this one change nothing and send no spikes: no input can
      have arrived yet, and a bias must not act before the first one does
    - start: state variables at the start, ``i`` the synaptic current; 0 where left out
    - constants' choices (reset, at_threshold) are parameters of the process
    """

    state_names: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        *,
        constants: Constants,
        decay_i: IntArray | None = None,
        bias: npt.ArrayLike = 0,
        start_step: int = 0,
        start: Mapping[str, IntArray] | None = None,
        name: str | None = None,
    ):
        numbers = {key: value for key, _, value in constants.numbers()}
        choices = {
            key: getattr(constants, key)
            for key, role in constants.roles().items()
            if role.kind == "choice"
        }
        shape = next(iter(numbers.values())).shape
        has_current = decay_i is not None
        super().__init__(
            shape=shape, has_current=has_current, start_step=start_step, name=name, **choices
        )
        self.a_in = InPort(shape=shape)
        for key, value in numbers.items():
            setattr(self, key, Var(shape=shape, init=value))
        self.decay_i = Var(shape=shape, init=decay_i if has_current else 0)
        self.bias = Var(shape=shape, init=bias)
        for key in ("i", *self.state_names):
            setattr(self, key, Var(shape=shape, init=(start or {}).get(key, 0)))


class FiringProcess(NeuronProcess):
    """A population that spikes, at ``s_out``."""

    def __init__(self, **parameters: Any):
        super().__init__(**parameters)
        self.s_out = OutPort(shape=self.a_in.shape)


class Integers:
    """Bit-accurate arithmetic and types."""

    a_in = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    v: Numbers = LavaPyType(np.ndarray, np.int32, precision=24)
    i: Numbers = LavaPyType(np.ndarray, np.int32, precision=24)

    def shifted(self, current: Numbers) -> Numbers:
        """Synaptic current in membrane units, in 64 bits from here on."""
        return current.astype(np.int64) << STATE_SHIFT

    decay = staticmethod(arithmetic.decay)
    saturate = staticmethod(arithmetic.saturate)
    wrap = staticmethod(arithmetic.wrap)


class Reals:
    """What the integers approximate."""

    a_in = LavaPyType(PyInPort.VEC_DENSE, np.float64)
    v: Numbers = LavaPyType(np.ndarray, np.float64)
    i: Numbers = LavaPyType(np.ndarray, np.float64)

    def shifted(self, current: Numbers) -> Numbers:
        """Synaptic current in membrane units."""
        shifted: Numbers = current * 2.0**STATE_SHIFT
        return shifted

    def decay(self, state: Numbers, d: Numbers) -> Numbers:
        """Without rounding."""
        decayed: Numbers = state * (1 - d / DECAY_ONE)
        return decayed

    def saturate(self, state: Numbers) -> Numbers:
        """No limits."""
        return state

    wrap = saturate


class NeuronModel(PyLoihiProcessModel):  # type: ignore[misc]
    """The order of events in a time step; together with :class:`Integers` or :class:`Reals`."""

    decay_v: IntArray = LavaPyType(np.ndarray, np.int32, precision=13)
    decay_i: IntArray = LavaPyType(np.ndarray, np.int32, precision=13)
    bias: IntArray = LavaPyType(np.ndarray, np.int32, precision=20)

    def integrate(self, drive: Numbers) -> None:
        """One step of the neurons; ``drive``: synaptic current and bias, in membrane units."""
        raise NotImplementedError

    def send(self, started: bool) -> None:
        """Send spikes or integrals; ``started``: whether a step was computed."""
        raise NotImplementedError

    def run_spk(self) -> None:
        """One time step; Lava counts them from 1."""
        received = self.a_in.recv()
        started = self.time_step > self.proc_params["start_step"]
        if started:
            self.integrate(self.current(received) + self.bias)
        self.send(started)

    def current(self, received: Numbers) -> Numbers:
        """The synaptic current of this step, with what was received in it."""
        current: Numbers = self.shifted(received)
        if self.proc_params["has_current"]:
            self.i[:] = current = self.wrap(self.decay(self.i, self.decay_i) + current)
        return current

    def leak(self, drive: Numbers) -> None:
        """Decay the membrane and add to it."""
        self.v[:] = self.saturate(self.decay(self.v, self.decay_v) + drive)


class FiringModel(NeuronModel):
    """Comparison, reset and refractory time."""

    s_out = LavaPyType(PyOutPort.VEC_DENSE, np.bool_, precision=1)
    r: IntArray = LavaPyType(np.ndarray, np.int32, precision=6)
    z: npt.NDArray[np.bool_] = LavaPyType(np.ndarray, np.bool_, precision=1)
    vth: IntArray = LavaPyType(np.ndarray, np.int32, precision=24)
    n_ref: IntArray = LavaPyType(np.ndarray, np.int32, precision=6)
    reset_by: IntArray = LavaPyType(np.ndarray, np.int32, precision=24)
    reset_to: IntArray = LavaPyType(np.ndarray, np.int32, precision=24)

    def fire(self, threshold: Numbers) -> None:
        """Compare with the threshold, reset, start or count down the refractory time."""
        at = self.proc_params["at_threshold"]
        reached = self.v >= threshold if at else self.v > threshold
        free = self.r == 0
        self.z[:] = reached & free
        self.v[:] = np.where(self.z, self.after_spike(threshold), self.v)
        if self.proc_params["reset"] == "hold":
            self.v[:] = np.where(free, self.v, self.reset_to)
        self.r[:] = np.where(self.z, self.n_ref, np.maximum(self.r - 1, 0))

    def after_spike(self, threshold: Numbers) -> Numbers:
        """What a spike would leave of each membrane."""
        if self.proc_params["reset"] in ("to", "hold"):
            left: Numbers = self.reset_to
        else:
            by = threshold if self.proc_params["reset"] == "subtract" else self.reset_by
            left = self.v - by
        return left

    def send(self, started: bool) -> None:
        """The spikes of this step; before the start there are none, whatever state was given."""
        self.s_out.send(self.z & started)


class AdaptingModel(FiringModel):
    """A FiringModel whose spikes change an adaptation one step later."""

    decay_a: IntArray = LavaPyType(np.ndarray, np.int32, precision=13)
    step_a: IntArray = LavaPyType(np.ndarray, np.int32, precision=23)

    def adapt(self, step: IntArray) -> None:
        """Decay the adaptation and add ``step`` where the step before had a spike."""
        self.a[:] = self.saturate(self.decay(self.a, self.decay_a) + step * self.z)
