"""The LSNN: spiking neurons, some of them adaptive, sparse recurrent synapses, leaky readout."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from lsnn_neuro import kernel
from lsnn_neuro.bptt import Core, Wiring, run
from lsnn_neuro.bptt import session as kernel_session
from lsnn_neuro.neurons import NeuronParameters, NeuronState, advance
from lsnn_neuro.recipe import LSNNConfig
from lsnn_neuro.session import LocalSession, Spikes
from lsnn_neuro.spec import (
    DT,
    INPUT,
    READOUT,
    FloatArray,
    LSNNSpec,
    PopulationSpec,
    ProjectionSpec,
    ReadoutSpec,
)
from lsnn_neuro.synapses import Synapses


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkOutput:
    """What a network gives back for a batch.

    - readout: shape (time, batch, output), bias included
    - rate: mean spikes per step over time and batch, shape (neuron,), differentiable; None for
      networks that do not spike
    - read_spikes: gives the spikes, see ``spikes``
    """

    readout: Tensor
    rate: Tensor | None = None
    read_spikes: Callable[[], Tensor] | None = None

    @property
    def spikes(self) -> Tensor | None:
        """0 or 1, shape (time, batch, neuron); unpacked on demand, since it is large."""
        return self.read_spikes() if self.read_spikes else None


@dataclass(frozen=True, kw_only=True, eq=False)
class _LoopState:
    """Where the time loop stands.

    - past: spikes z[t-1], z[t-2], ... as far as delays reach; heard: as many input steps, oldest first
    """

    neurons: NeuronState
    past: tuple[Tensor, ...]
    heard: Tensor
    y: Tensor


class LSNN(nn.Module):
    """A recurrent network of regular (LIF) and adaptive (ALIF) neurons with a leaky readout.

    The neurons' equations are in :mod:`lsnn_neuro.neurons`; the network around them computes
    ::

        I_j[t] = sum_i W_in[j,i] x_i[t - d_ji] + sum_k W_rec[j,k] z_k[t - 1 - d_jk]
        y_c[t] = kappa y_c[t-1] + (1 - kappa) sum_j W_out[c,j] z_j[t]        (+ bias_c in the
        output)

    - x: input spikes; z: spikes; d: delay of the synapse in steps
    - y: readout; kappa = exp(-dt/tau_out)

    Source: Bellec et al. 2018, section 2. Regular neurons come first, adaptive ones after them.

    How it learns (``config.learning``) does not change what it computes. With "random-feedback" the
    error of an output reaches neurons through fixed random weights in place of W_out (where W_out has
    synapses), and gradients don't travel back through recurrent synapses: event-driven random
    backpropagation (Neftci et al. 2017, eRBP), here with the neurons' own traces through time. A
    "liquid" learns its readout alone (Maass et al. 2002).
    """

    alpha: Tensor
    rho: Tensor
    beta: Tensor
    b0: Tensor
    feedback: Tensor | None

    def __init__(
        self,
        config: LSNNConfig,
        n_inputs: int,
        n_outputs: int,
        *,
        generator: torch.Generator,
    ):
        """Draw a network."""
        super().__init__()
        self.config = config
        n = config.regular + config.adaptive
        adaptive = torch.arange(n) >= config.regular
        low, high = config.tau_a if isinstance(config.tau_a, tuple) else (config.tau_a,) * 2
        tau_a = low + (high - low) * torch.rand(n, generator=generator)
        self.register_buffer("alpha", torch.full((n,), math.exp(-DT / config.tau_m)))
        self.register_buffer("rho", torch.exp(-DT / tau_a))
        self.register_buffer("beta", adaptive * config.beta)
        self.register_buffer("b0", torch.full((n,), config.b0))
        self.kappa = math.exp(-DT / config.tau_out)
        self.input = Synapses(
            n, n_inputs, connectivity=config.input_connectivity, signs=config.signs,
            excitatory=config.excitatory, n_delays=config.input_delays or config.n_delays,
            scale=config.input_scale, generator=generator,
        )  # fmt: skip
        self.recurrent = Synapses(
            n, n, connectivity=config.recurrent_connectivity, signs=config.signs,
            excitatory=config.excitatory, n_delays=config.n_delays, scale=config.recurrent_scale,
            autapses=False, generator=generator,
        )  # fmt: skip
        self.readout = Synapses(
            n_outputs, n, connectivity=config.readout_connectivity,
            signs="unconstrained" if config.signs == "unconstrained" else "free",
            generator=generator,
        )  # fmt: skip
        self.bias = nn.Parameter(torch.zeros(n_outputs))
        feedback = None
        if config.learning == "random-feedback":
            feedback = torch.randn(n_outputs, n, generator=generator) / math.sqrt(n)
        self.register_buffer("feedback", feedback)
        if config.learning == "liquid":
            self.input.requires_grad_(False)
            self.recurrent.requires_grad_(False)
        self.log_factor = nn.ParameterDict(
            {constant: nn.Parameter(torch.zeros(n)) for constant in config.learn}
        )

    @property
    def n_neurons(self) -> int:
        """Number of spiking neurons."""
        return len(self.b0)

    def synapses(self) -> tuple[Synapses, Synapses, Synapses]:
        """Input, recurrent and readout synapses."""
        return self.input, self.recurrent, self.readout

    def learning_synapses(self) -> tuple[Synapses, ...]:
        """Those that learn: what DEEP R rewires."""
        return tuple(s for s in self.synapses() if s.theta.requires_grad)

    def populations(self) -> tuple[tuple[str, slice], ...]:
        """Name and place of each population; empty ones are left out."""
        regular, n = self.config.regular, self.n_neurons
        parts = (("regular", slice(0, regular)), ("adaptive", slice(regular, n)))
        return tuple((name, place) for name, place in parts if place.stop > place.start)

    def parameters_of_neurons(self) -> NeuronParameters:
        """What the neurons' update equations need.

        A learnt constant is its initial value times exp(log_factor), so that it stays positive; a time
        constant tau times f turns the decay exp(-dt/tau) into its power 1/f.
        """

        def factor(constant: str, sign: int = 1) -> Tensor | float:
            learnt = constant in self.log_factor
            return torch.exp(sign * self.log_factor[constant]) if learnt else 1.0

        return NeuronParameters(
            alpha=self.alpha ** factor("tau_m", -1),
            rho=self.rho ** factor("tau_a", -1),
            beta=self.beta * factor("beta"),
            b0=self.b0 * factor("b0"),
            n_ref=self.config.n_ref,
            reset=self.config.reset,
            gamma=self.config.gamma,
            neuron=self.config.neuron,
            adaptation=self.config.adaptation,
            kappa_i=self.config.kappa_i,
            kappa_r=self.config.kappa_r,
        )

    def forward(self, x: Tensor) -> NetworkOutput:
        """Run a batch from rest; ``x`` holds input spikes, bool or 0 and 1, (time, batch, input)."""
        return self.forward_kernel(x) if self.runs_on_kernel() else self.forward_loop(x)

    def runs_on_kernel(self) -> bool:
        """Whether the native kernel does the work: single precision on the CPU, and it is built."""
        theta = self.input.theta
        return kernel.available() and theta.device.type == "cpu" and theta.dtype == torch.float32

    def forward_kernel(self, x: Tensor) -> NetworkOutput:
        """``forward`` on the native kernel; the same network up to rounding of sums."""
        core, weights, neurons = self._kernel_tensors()
        back = self.feedback_at(core.wirings[2], 1 - self.kappa)
        output = run(core, x, weights, neurons, back)
        return NetworkOutput(
            readout=output.readout + self.bias, rate=output.rate, read_spikes=output.spikes
        )

    def _kernel_tensors(self) -> tuple[Core, tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The core with the weights of its synapses and its neurons' constants, as the kernel has them."""
        p = self.parameters_of_neurons()
        incoming = ((1 - p.alpha) * (1 - p.kappa_i))[:, None]
        matrices = (
            incoming * self.input.weight(),
            incoming * self.recurrent.weight(),
            (1 - self.kappa) * self.readout.weight(),
        )
        core = self.core()
        weights = tuple(w.values(m) for w, m in zip(core.wirings, matrices, strict=True))
        rise = p.beta * (1 - p.rho)
        step = -(1 - p.alpha) * rise if p.adaptation == "current" else rise
        return core, weights, (p.alpha, p.rho, step, p.b0, p.b0)

    def feedback_at(self, readout: Wiring, gain: float) -> Tensor | None:
        """Random feedback where the readout has synapses, times a gain; None without it."""
        return None if self.feedback is None else gain * readout.values(self.feedback)

    def heard(self, z: Tensor) -> Tensor:
        """Spikes as recurrent synapses hear them; random feedback does not come back this way."""
        return z if self.feedback is None else z.detach()

    def read(self, z: Tensor, weight: Tensor, gain: float = 1.0) -> Tensor:
        """W_out z, shape (..., output), with the gradient of what feeds errors back.

        ``gain``: units of ``weight`` in one of the float weights
        """
        if self.feedback is None:
            return z @ weight.T
        back = z @ (gain * self.feedback * self.readout.wired()).to(z.dtype).T
        return z.detach() @ weight.T + (back - back.detach())

    def core(self, *, integer: bool = False) -> Core:
        """What the kernel needs to know beside the learnt tensors."""
        return Core(
            wirings=tuple(Wiring.of(s.wired(), s.delay) for s in self.synapses()),
            n_outputs=len(self.bias),
            kappa=self.kappa,
            n_ref=self.config.n_ref,
            reset_to_zero=self.config.reset == "zero",
            neuron=self.config.neuron,
            adaptation=self.config.adaptation,
            kappa_i=self.config.kappa_i,
            kappa_r=self.config.kappa_r,
            gamma=self.config.gamma,
            integer=integer,
            threads=torch.get_num_threads(),
        )

    def forward_loop(self, x: Tensor) -> NetworkOutput:
        """``forward`` as a readable time loop: the reference the kernel is checked against."""
        readout, z, _ = self._loop(x, self._loop_at_rest(x.shape[1]))
        return NetworkOutput(
            readout=readout + self.bias, rate=z.mean(dim=(0, 1)), read_spikes=lambda: z
        )

    def session(self, n_samples: int) -> LocalSession:
        """The network as it is now, to run some steps at a time; no gradients."""
        bias = self.bias.detach().cpu().numpy().copy()
        if self.runs_on_kernel():
            core, weights, neurons = self._kernel_tensors()
            return LocalSession(
                run=kernel_session(core, n_samples, weights, neurons).step, bias=bias
            )
        state = self._loop_at_rest(n_samples)

        @torch.no_grad()
        def run_on(inputs: Spikes) -> FloatArray:
            nonlocal state
            readout, _, state = self._loop(torch.from_numpy(inputs).to(self.bias.device), state)
            return _array(readout)

        return LocalSession(run=run_on, bias=bias)

    def _loop_at_rest(self, n_samples: int) -> _LoopState:
        like = self.input.theta
        rest = NeuronState.at_rest(n_samples, self.n_neurons, like=like)
        return _LoopState(
            neurons=rest,
            past=(rest.z,) * self.recurrent.n_delays,
            heard=like.new_zeros(self.input.n_delays - 1, n_samples, like.shape[1]),
            y=like.new_zeros(n_samples, len(self.bias)),
        )

    def _loop(self, x: Tensor, start: _LoopState) -> tuple[Tensor, Tensor, _LoopState]:
        """Readout without bias, (time, batch, output), spikes and the state afterwards."""
        parameters = self.parameters_of_neurons()
        by_delay = self.recurrent.weight_by_delay()  # (delay, target, source)
        w_rec = by_delay.transpose(1, 2).flatten(0, 1)  # (delay x source, target)
        heard = torch.cat([start.heard, x.to(start.heard.dtype)])
        neurons, past, y = start.neurons, start.past, start.y
        spikes, readout = [], []
        for current in self._input_currents(heard)[len(start.heard) :].unbind(0):
            neurons = advance(neurons, current + torch.cat(past, dim=1) @ w_rec, parameters)
            past = (self.heard(neurons.z), *past[:-1])
            spikes.append(neurons.z)
        z = torch.stack(spikes)  # (time, batch, neuron)
        for drive in self.read(z, self.readout.weight()).unbind(0):
            y = self.kappa * y + (1 - self.kappa) * drive
            readout.append(y)
        state = _LoopState(neurons=neurons, past=past, heard=heard[len(x) :], y=y)
        return torch.stack(readout), z, state

    def _input_currents(self, x: Tensor) -> Tensor:
        """Delayed input through W_in for all steps at once, shape (time, batch, neuron)."""
        current = torch.zeros(*x.shape[:2], self.n_neurons, dtype=x.dtype, device=x.device)
        for d, weight in enumerate(self.input.weight_by_delay()):
            if d < len(x):
                arriving = x[: len(x) - d] @ weight.T
                current = current + nn.functional.pad(arriving, (0, 0, 0, 0, d, 0))
        return current

    def to_spec(self) -> LSNNSpec:
        """The frozen float description that :mod:`quantize` works on."""
        places = self.populations()
        neurons = self.parameters_of_neurons()
        dale = self.config.signs == "dale"
        return LSNNSpec(
            n_inputs=self.input.theta.shape[1],
            populations=tuple(
                PopulationSpec(
                    name=name,
                    n_ref=self.config.n_ref,
                    reset=self.config.reset,
                    neuron=neurons.neuron,
                    adaptation=neurons.adaptation,
                    kappa_i=neurons.kappa_i,
                    kappa_r=neurons.kappa_r,
                    **{k: _array(getattr(neurons, k)[at]) for k in ("alpha", "rho", "beta", "b0")},
                )
                for name, at in places
            ),
            projections=tuple(self._projections(places, dale)),
            readout=ReadoutSpec(kappa=np.full(len(self.bias), self.kappa), bias=_array(self.bias)),
        )

    def _projections(
        self, places: tuple[tuple[str, slice], ...], dale: bool
    ) -> Iterator[ProjectionSpec]:
        """Cut the weight matrices into one projection per pair of populations."""
        inputs = ((INPUT, slice(0, self.input.theta.shape[1])),)
        outputs = ((READOUT, slice(0, len(self.bias))),)
        for synapses, sources, targets, one_sign in (
            (self.input, inputs, places, dale),
            (self.recurrent, places, places, dale),
            (self.readout, places, outputs, False),
        ):
            weight, delay = _array(synapses.weight()), _array(synapses.delay)
            for target, rows in targets:
                for source, columns in sources:
                    yield ProjectionSpec(
                        source=source, target=target, weight=weight[rows, columns],
                        delay=delay[rows, columns].astype(np.int32), dale=one_sign,
                    )  # fmt: skip


def _array(tensor: Tensor) -> FloatArray:
    array: FloatArray = tensor.detach().cpu().double().numpy()
    return array
