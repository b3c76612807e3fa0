"""The section network of a recipe: an LSNN, a stack of layers, any graph, or an LSTM."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator

from lsnn_neuro.encoders import DT
from lsnn_neuro.errors import LSNNError, NetworkError
from lsnn_neuro.network.constants import TAU_MAX, check_constants
from lsnn_neuro.neurons.neuron import Neuron, Reset
from lsnn_neuro.registry import NEURONS
from lsnn_neuro.section import Section

Fraction = Annotated[float, Field(gt=0, le=1)]
Milliseconds = Annotated[float, Field(gt=0, le=TAU_MAX)]
Learning = Literal["bptt", "random-feedback", "liquid"]
SignRule = Literal["dale", "free", "unconstrained"]
Constants = dict[str, float | int | bool | str | tuple[float, float]]
"""A neuron's constants as users call them; two numbers are a range to draw from."""
_Found = TypeVar("_Found")


class NetworkConfig(Section):
    """A network that can be drawn."""

    spiking: ClassVar[bool] = True

    @property
    def unconstrained(self) -> bool:
        """Whether no synapse keeps its sign, so that none can be rewired."""
        return True

    def build(self, n_inputs: int, n_outputs: int, generator: Any) -> Any:
        """Draw the network as a torch module."""
        raise NotImplementedError

    def keep(self, folder: Path) -> None:
        """Put what the network is made of, beside the recipe, into the folder of a run that begins."""

    def kept(self, folder: Path) -> NetworkConfig:
        """The same network, made of what was put there: a run's folder is complete by itself."""
        return self


class SpikingConfig(NetworkConfig):
    """A network that spikes."""

    def draw(self, n_inputs: int, n_outputs: int, generator: Any) -> Any:
        """Draw the network with a torch generator, or a seed."""
        raise NotImplementedError

    def build(self, n_inputs: int, n_outputs: int, generator: Any) -> Any:
        """Draw the network as a torch module."""
        from lsnn_neuro.network.module import SpikingNetwork

        spec = self.draw(n_inputs, n_outputs, generator)
        if spec.n_outputs != n_outputs:
            found = ", ".join(f"{p.name!r} of {p.size}" for p in spec.output_populations)
            raise NetworkError(
                f"network: its outputs ({found}) are {spec.n_outputs} values, the task has {n_outputs}; "
                "leave out the size of what is read, or name other outputs"
            )
        return SpikingNetwork(spec)


class LSNNConfig(SpikingConfig):
    """An LSNN; the defaults are those of Bellec et al. 2018 for sequential MNIST.

    Each population takes those of the constants that its neurons have.
    """

    kind: Literal["lsnn"] = "lsnn"
    regular: int = Field(120, ge=0, description="number of regular neurons")
    adaptive: int = Field(100, ge=0, description="number of adaptive neurons")
    regular_neuron: str = Field("lif", description="which neurons the regular ones are; beta is 0")
    adaptive_neuron: str = Field("alif", description="which neurons the adaptive ones are")
    tau_m: Milliseconds = Field(20.0, description="membrane time constant, ms")
    tau_a: Milliseconds | tuple[Milliseconds, Milliseconds] = Field(
        700.0, description="adaptation time constant, ms, or a range to draw from"
    )
    tau_out: Milliseconds = Field(20.0, description="readout time constant, ms")
    b0: float = Field(0.01, gt=0, description="baseline threshold")
    beta: float = Field(1.8, ge=0, description="strength of adaptation")
    n_ref: int = Field(5, ge=0, le=63, description="refractory steps")
    reset: Reset = Field("subtract", description="what a spike does to the membrane")
    tau_i: Milliseconds | None = Field(
        None, description="time constant of the synaptic current, ms; by default there is none"
    )
    tau_r: Milliseconds | None = Field(
        None, description="time constant of a refractory variable, ms; by default tau_m"
    )
    constants: Constants = Field(
        default_factory=dict, description="further constants of the neurons"
    )
    learn: tuple[str, ...] = Field(
        (), description="constants that are learnt, one value per neuron"
    )
    learning: Learning = Field(
        "bptt",
        description="bptt: everything learns, by backpropagation through time; random-feedback: errors "
        "reach neurons through fixed random weights and stay there; liquid: only the readout learns",
    )
    gamma: float = Field(0.3, gt=0, description="dampening of the pseudo-derivative")
    n_delays: int = Field(
        10, ge=1, le=63, description="delays are drawn from 0 to n_delays - 1 steps"
    )
    input_delays: int | None = Field(
        None, ge=1, le=63, description="the same for input synapses, if theirs differ"
    )
    signs: SignRule = Field(
        "dale", description="one sign per neuron, per synapse, or none (dense networks)"
    )
    excitatory: float = Field(0.75, gt=0, le=1, description="share of excitatory sources")
    input_scale: float = Field(1.0, gt=0, description="scale of the initial input weights")
    recurrent_scale: float = Field(1.0, gt=0, description="scale of the initial recurrent weights")
    input_connectivity: Fraction = Field(0.12, description="share of active input synapses")
    recurrent_connectivity: Fraction = Field(0.12, description="share of active recurrent synapses")
    readout_connectivity: Fraction = Field(0.12, description="share of active readout synapses")

    @property
    def kinds(self) -> list[type[Neuron]]:
        """The neurons of the two populations, also of one that is empty."""
        return [NEURONS[self.regular_neuron], NEURONS[self.adaptive_neuron]]

    @property
    def unconstrained(self) -> bool:
        """Whether no synapse keeps its sign, so that none can be rewired."""
        return self.signs == "unconstrained"

    def neuron_constants(self) -> dict[str, Any]:
        """The neurons' constants that are set, as users call them."""
        names = ("tau_m", "tau_a", "tau_r", "b0", "beta", "n_ref", "reset", "gamma")
        values = {name: getattr(self, name) for name in names}
        return {k: v for k, v in values.items() if v is not None} | self.constants

    @model_validator(mode="after")
    def _has_neurons(self) -> LSNNConfig:
        if self.regular + self.adaptive == 0:
            raise ValueError("regular and adaptive are both 0: a network needs neurons")
        return self

    @model_validator(mode="after")
    def _a_liquid_rests(self) -> LSNNConfig:
        if self.learning == "liquid" and self.learn:
            raise ValueError(f"learn is {list(self.learn)}, but a liquid's neurons don't learn")
        return self

    @model_validator(mode="after")
    def _neurons_have_the_constants_given(self) -> LSNNConfig:
        kinds = _neurons(self.regular_neuron, self.adaptive_neuron)
        usual = {name: f.default for name, f in type(self).model_fields.items()}
        given = {
            k: v for k, v in self.neuron_constants().items() if k in self.constants or v != usual[k]
        }
        _check_neurons(given, kinds, self.learn, self.tau_i)
        return self

    def draw(self, n_inputs: int, n_outputs: int, generator: Any) -> Any:
        """Draw the network with a torch generator, or a seed."""
        from lsnn_neuro.network.lsnn import lsnn

        taken = {
            k: v
            for k, v in self.neuron_constants().items()
            if any(kind.has(k) for kind in self.kinds)
        }
        return lsnn(
            n_inputs=n_inputs, n_outputs=n_outputs, regular=self.regular, adaptive=self.adaptive,
            regular_neuron=self.regular_neuron, adaptive_neuron=self.adaptive_neuron,
            input_connectivity=self.input_connectivity,
            recurrent_connectivity=self.recurrent_connectivity,
            readout_connectivity=self.readout_connectivity, signs=self.signs,
            excitatory=self.excitatory, max_delay=self.n_delays - 1,
            input_max_delay=(self.input_delays or self.n_delays) - 1,
            input_scale=self.input_scale, recurrent_scale=self.recurrent_scale,
            tau_out=self.tau_out, tau_i=self.tau_i, learn=self.learn, learning=self.learning,
            dt=DT, generator=generator, **taken,
        )  # fmt: skip


class StackConfig(SpikingConfig):
    """A stack of layers, each of which receives the one before; the last is read."""

    kind: Literal["stack"]
    layers: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        min_length=1, description="numbers of neurons"
    )
    neuron: str = Field("lif", description="which neurons they are")
    constants: Constants = Field(
        default_factory=dict, description="the neurons' constants: tau_m, b0, n_ref ..."
    )
    recurrent: bool = Field(False, description="layers receive their own spikes too")
    feedback: bool = Field(False, description="each layer receives the one after it")
    skip: bool = Field(False, description="the readout receives all layers, not just the last")
    tau_out: Milliseconds = Field(20.0, description="readout time constant, ms")
    tau_i: Milliseconds | None = Field(None, description="time constant of synaptic currents, ms")
    learn: tuple[str, ...] = Field((), description="constants that are learnt")
    connectivity: Fraction = Field(0.12, description="share of active synapses between layers")
    readout_connectivity: Fraction = Field(1.0, description="share of active readout synapses")
    signs: SignRule = Field("free", description="one sign per neuron, per synapse, or none")
    excitatory: float = Field(0.5, gt=0, le=1, description="share of positive synapses or sources")
    scale: float = Field(1.0, gt=0, description="scale of the initial weights")
    max_delay: int = Field(0, ge=0, le=62, description="longest delay in steps")

    @property
    def unconstrained(self) -> bool:
        """Whether no synapse keeps its sign, so that none can be rewired."""
        return self.signs == "unconstrained"

    @model_validator(mode="after")
    def _neurons_have_the_constants_given(self) -> StackConfig:
        kinds = _neurons(self.neuron)
        _check_neurons(self.constants, kinds, self.learn, self.tau_i)
        return self

    def draw(self, n_inputs: int, n_outputs: int, generator: Any) -> Any:
        """Draw the network with a torch generator, or a seed."""
        from lsnn_neuro.network.lsnn import stack

        fields: dict[str, Any] = {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name not in ("kind", "constants")
        }
        fields |= self.constants
        return stack(n_inputs=n_inputs, n_outputs=n_outputs, dt=DT, generator=generator, **fields)


class PopulationConfig(Section):
    """A population of a graph."""

    name: str
    neuron: str = "lif"
    size: int | None = Field(
        None, ge=1, description="number of neurons; left out, as many as the task has outputs"
    )
    constants: Constants = Field(default_factory=dict, description="tau_m, b0, n_ref ...")
    tau_i: Milliseconds | None = Field(None, description="time constant of its current, ms")
    bias: float = Field(0.0, description="enters the drive in each step")
    learn: tuple[str, ...] = Field((), description="what is learnt: constants, bias, offset, tau_i")


class ProjectionConfig(Section):
    """A projection of a graph; its source may be "input"."""

    source: str
    target: str
    connectivity: Fraction = 1.0
    signs: SignRule = "free"
    excitatory: float = Field(0.5, gt=0, le=1)
    scale: float = Field(1.0, gt=0)
    max_delay: int = Field(0, ge=0, le=62)
    autapses: bool = False
    plastic: bool = True
    group: str = Field("", description="projections of one group share parameters and cap")
    name: str = Field("", description="needed where two projections join the same populations")


class GraphConfig(SpikingConfig):
    """Any graph of populations and projections."""

    kind: Literal["graph"]
    populations: tuple[PopulationConfig, ...] = Field(min_length=1)
    projections: tuple[ProjectionConfig, ...] = ()
    outputs: tuple[str, ...] = Field((), description="what is read; by default all readouts")
    random_feedback: bool = Field(False, description="errors come back by fixed random weights")

    @property
    def unconstrained(self) -> bool:
        """Whether no synapse keeps its sign, so that none can be rewired."""
        return all(p.signs == "unconstrained" for p in self.projections)

    @model_validator(mode="after")
    def _neurons_have_the_constants_given(self) -> GraphConfig:
        for p in self.populations:
            _check_neurons(p.constants, _neurons(p.neuron))
        return self

    def draw(self, n_inputs: int, n_outputs: int, generator: Any) -> Any:
        """Draw the network with a torch generator, or a seed."""
        from lsnn_neuro.network.lsnn import draw_graph

        return draw_graph(self, n_inputs, n_outputs, generator, dt=DT)


def _check_neurons(
    constants: Mapping[str, Any], kinds: list[type[Neuron]], learn: tuple[str, ...] = (),
    tau_i: float | None = None,
) -> None:  # fmt: skip
    """Refuse what no neuron has and what none can be."""
    _checked(lambda: check_constants(constants, kinds, learn, tau_i, dt=DT))


def _neurons(*names: str) -> list[type[Neuron]]:
    """The neurons of these names."""
    return _checked(lambda: [NEURONS[name] for name in names])


def _checked(look_up: Callable[[], _Found]) -> _Found:
    """What ``look_up`` gives; what it refuses is a value that pydantic can tell of."""
    try:
        return look_up()
    except LSNNError as error:
        raise ValueError(str(error)) from error


class LSTMConfig(NetworkConfig):
    """The LSTM baseline."""

    spiking: ClassVar[bool] = False

    kind: Literal["lstm"]
    units: int = Field(128, ge=1)
    bin_steps: int = Field(
        1, ge=1, description="steps whose input spikes it counts and takes as one step of its own"
    )
    forget_bias: float = Field(
        0.0,
        description="added to the forget gates' first bias: the larger, the longer it remembers",
    )

    def build(self, n_inputs: int, n_outputs: int, generator: Any) -> Any:
        """Draw the network as a torch module."""
        from lsnn_neuro.network.lstm import LSTM

        return LSTM(self, n_inputs, n_outputs, generator=generator)
