"""Draw the usual networks: the LSNN of Bellec et al. 2018, and stacks of layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch

from lsnn_neuro.arrays import plain
from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.config import Learning, SignRule
from lsnn_neuro.network.constants import (
    USUAL,
    check_learnt,
    check_taken,
    check_time_constant,
    constant,
    held,
    kind_of,
    neuron_of,
    range_of,
)
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.network.spec import DELAY_MAX, NetworkSpec, Population, Projection
from lsnn_neuro.neurons.neuron import Neuron
from lsnn_neuro.registry import NEURONS

if TYPE_CHECKING:
    from lsnn_neuro.network.config import GraphConfig

READOUT = "readout"
Ends = Sequence[tuple[str, int]]
"""Names and sizes of populations."""


@dataclass(frozen=True, kw_only=True)
class SynapseRule:
    """How the synapses of a group of projections are drawn.

    - connectivity: share of the allowed pairs that get a synapse, above 0 to 1
    - signs: "dale" (one for each source), "free" (one for each synapse) or "unconstrained"
    - excitatory: share of positive sources (Dale) or synapses
    - scale: weights start as scale * |N(0, 1)| / sqrt(number of sources), inhibitory ones stronger by
      excitatory / (1 - excitatory), so that excitation and inhibition balance
    - max_delay: delays are uniform in 0 to ``max_delay``; autapses: whether neurons may drive themselves
    - plastic: whether the synapses learn
    """

    connectivity: float
    signs: SignRule = "free"
    excitatory: float = 0.5
    scale: float = 1.0
    max_delay: int = 0
    autapses: bool = True
    plastic: bool = True

    def __post_init__(self) -> None:
        """Check ranges."""
        for name, fits, allowed in (
            ("connectivity", 0 < self.connectivity <= 1, "above 0 to 1"),
            ("signs", self.signs in get_args(SignRule), ", ".join(get_args(SignRule))),
            ("excitatory", 0 <= self.excitatory <= 1, "0 to 1"),
            ("scale", 0 < self.scale < math.inf, "above 0"),
            ("max_delay", self.max_delay in range(DELAY_MAX + 1), f"whole steps, 0 to {DELAY_MAX}"),
        ):
            if not fits:
                raise NetworkError(
                    f"synapses: {name} is {getattr(self, name)!r}, allowed are {allowed}"
                )


def lsnn(
    *, n_inputs: int, n_outputs: int, regular: int = 120, adaptive: int = 100,
    regular_neuron: str = "lif", adaptive_neuron: str = "alif", connectivity: float = 0.12,
    input_connectivity: float | None = None, recurrent_connectivity: float | None = None,
    readout_connectivity: float | None = None, signs: SignRule = "dale", excitatory: float = 0.75,
    max_delay: int = 9, input_max_delay: int | None = None, input_scale: float = 1.0,
    recurrent_scale: float = 1.0, tau_out: float = 20.0, tau_i: float | None = None,
    learn: Sequence[str] = (), learning: Learning = "bptt", dt: float = 1.0,
    generator: torch.Generator | int = 0, **constants: Any,
) -> NetworkSpec:  # fmt: skip
    """Draw an LSNN: regular and adaptive neurons, sparse recurrent synapses, a leaky readout.

    The defaults are those of Bellec et al. 2018 for sequential MNIST.

    - regular, adaptive: numbers of neurons; a population of none is left out
    - regular_neuron, adaptive_neuron: names of neurons; of the regular ones beta is 0
    - connectivity: share of active synapses; the others: of inputs, recurrent synapses, readout
    - signs, excitatory and scales: see :class:`SynapseRule`; signs onto the readout are free
    - max_delay: longest delay in steps; input_max_delay: of input synapses, if theirs differs
    - tau_out, tau_i: time constants of readout and synaptic current, ms; None: no current
    - learn: constants that are learnt, of each population those it has: "tau_m", "tau_a", "beta", "b0" ...
    - learning: "liquid" learns the readout alone; "random-feedback" draws fixed weights for errors
    - generator: of all draws, or its seed
    - constants: of the neurons, as users call them (tau_m, tau_a, b0, beta, n_ref, reset, gamma ...), of
      each population those it has; two numbers are a range to draw from

    Raises NetworkError over a value that no network can have, naming it and what is allowed.
    """
    generator = _generator(generator)
    values = USUAL | {"n_ref": 5} | constants
    both = (("regular", regular, regular_neuron), ("adaptive", adaptive, adaptive_neuron))
    kinds = {name: NEURONS[neuron] for name, size, neuron in both if size}
    sizes = [(name, size) for name, size, _ in both if size]
    if not sizes:
        raise NetworkError("regular and adaptive are both 0: a network needs neurons")
    used = [NEURONS[regular_neuron], NEURONS[adaptive_neuron]]
    check_taken(constants, used)
    check_learnt(learn, used, tau_i)
    n = regular + adaptive
    values["tau_a"] = _drawn(values["tau_a"], n, generator)
    populations, first = [], 0
    for name, size in sizes:
        own = values | {"tau_a": values["tau_a"][first : first + size]}
        if name == "regular":
            own["beta"] = 0.0
        populations.append(
            draw_population(
                name, kinds[name], size, own, generator, dt=dt, learn=learn, tau_i=tau_i
            )
        )
        first += size
    of_inputs, of_recurrent, of_readout = (
        connectivity if own is None else own
        for own in (input_connectivity, recurrent_connectivity, readout_connectivity)
    )
    usual = SynapseRule(
        connectivity=of_recurrent, signs=signs, excitatory=excitatory, scale=recurrent_scale,
        max_delay=max_delay, autapses=False, plastic=learning != "liquid",
    )  # fmt: skip
    inputs = replace(
        usual, connectivity=of_inputs, scale=input_scale, autapses=True,
        max_delay=max_delay if input_max_delay is None else input_max_delay,
    )  # fmt: skip
    read = SynapseRule(connectivity=of_readout, signs=_free_unless(signs))
    outputs = [(READOUT, n_outputs)]
    projections = [
        *draw_group(
            "input", inputs, [(INPUT, n_inputs)], sizes, generator, "network.input_connectivity"
        ),
        *draw_group("recurrent", usual, sizes, sizes, generator, "network.recurrent_connectivity"),
        *draw_group("readout", read, sizes, outputs, generator, "network.readout_connectivity"),
    ]
    feedback = draw_feedback(n_outputs, n, generator) if learning == "random-feedback" else None
    return NetworkSpec(
        n_inputs=n_inputs, populations=(*populations, readout(n_outputs, tau_out, dt=dt)),
        projections=tuple(projections), dt=dt, feedback=feedback,
    )  # fmt: skip


def stack(
    *, n_inputs: int, n_outputs: int, layers: Sequence[int], neuron: str = "lif",
    recurrent: bool = False, feedback: bool = False, skip: bool = False, connectivity: float = 0.12,
    readout_connectivity: float = 1.0, signs: SignRule = "free", excitatory: float = 0.5,
    max_delay: int = 0, scale: float = 1.0, tau_out: float = 20.0, tau_i: float | None = None,
    learn: Sequence[str] = (), dt: float = 1.0, generator: torch.Generator | int = 0,
    **constants: Any,
) -> NetworkSpec:  # fmt: skip
    """Draw a stack of layers, named layer1, layer2 ..., each of which receives the one before.

    - recurrent: layers receive their own spikes too; feedback: each layer receives the one after it
    - skip: the readout receives all layers, not just the last
    - layers: numbers of neurons; neuron: their name ("lif", "alif", "ahp", "atrlif", "if", or one's own)
    - all else as of :func:`lsnn`
    """
    generator = _generator(generator)
    if isinstance(layers, int) or not layers or min(layers) < 1:
        raise NetworkError(
            f"layers is {plain(layers)!r}; a stack needs layers of at least 1 neuron"
        )
    kind: type[Neuron] = NEURONS[neuron]
    check_taken(constants, [kind])
    check_learnt(learn, [kind], tau_i)
    values = USUAL | constants
    sizes = [(f"layer{i + 1}", size) for i, size in enumerate(layers)]
    populations = [
        draw_population(name, kind, size, values, generator, dt=dt, learn=learn, tau_i=tau_i)
        for name, size in sizes
    ]
    rule = SynapseRule(
        connectivity=connectivity, signs=signs, excitatory=excitatory, scale=scale, max_delay=max_delay,
    )  # fmt: skip
    loops = replace(rule, autapses=False)
    read = SynapseRule(connectivity=readout_connectivity, signs=_free_unless(signs))
    links = [(a, b, rule) for a, b in pairwise([(INPUT, n_inputs), *sizes])]
    links += [(a, a, loops) for a in sizes if recurrent]
    links += [(b, a, rule) for a, b in pairwise(sizes) if feedback]
    links += [(a, (READOUT, n_outputs), read) for a in (sizes if skip else sizes[-1:])]
    projections = [
        p
        for a, b, how in links
        for p in draw_group(
            f"{a[0]}->{b[0]}",
            how,
            [a],
            [b],
            generator,
            "network.readout_connectivity" if how is read else "network.connectivity",
        )
    ]
    return NetworkSpec(
        n_inputs=n_inputs, populations=(*populations, readout(n_outputs, tau_out, dt=dt)),
        projections=tuple(projections), dt=dt,
    )  # fmt: skip


def draw_population(
    name: str, kind: type[Neuron], size: int, constants: Mapping[str, Any],
    generator: torch.Generator, *, dt: float, learn: Sequence[str] = (), tau_i: float | None = None,
    bias: float = 0.0,
) -> Population:  # fmt: skip
    """A population of a kind of neuron; of ``constants`` and ``learn`` it takes those that it has.

    A constant of two numbers is a range to draw from. Numbers are such as float32 holds.
    """
    taken = {
        key: _constant(kind, f"population {name!r}", key, value, size, generator, dt)
        for key, value in constants.items()
        if kind.has(key)
    }
    able = (*kind.learnable(), "bias", *(("tau_i",) if tau_i else ()))
    return Population(
        name=name, neuron=neuron_of(kind, size, taken, dt), learn=tuple(k for k in learn if k in able),
        kappa_i=np.full(size, math.exp(-dt / tau_i) if tau_i else 0.0), bias=np.full(size, bias),
    )  # fmt: skip


def _constant(
    kind: type[Neuron], label: str, key: str, value: Any, size: int, generator: torch.Generator,
    dt: float,
) -> Any:  # fmt: skip
    """What a neuron's field is to hold, of a constant as users give it: a number, a range, or a tensor."""
    what = kind_of(kind, key)
    if what == "option" or not isinstance(value, (tuple, list, torch.Tensor)):
        return constant(kind, label, key, value, dt)
    if not isinstance(value, torch.Tensor):
        low, high = range_of(label, key, value)
        value = _drawn((low, high + (what == "count")), size, generator)
        value = value.floor() if what == "count" else value
    if what == "time_constant":
        check_time_constant(label, key, float(value.min()), float(value.max()))
        value = torch.exp(-dt / value)
    return held(kind, label, key, value.double().numpy())


def readout(size: int, tau_out: float, *, dt: float, name: str = READOUT) -> Population:
    """Leaky integrators with an offset that learns."""
    neuron = NEURONS["li"].of(size, dt, tau_out=tau_out)
    return Population(name=name, neuron=neuron, learn=("offset",))


def draw_feedback(n_outputs: int, n_neurons: int, generator: torch.Generator) -> Any:
    """Fixed weights (output, neuron) through which errors come back."""
    drawn = torch.randn(n_outputs, n_neurons, generator=generator) / math.sqrt(n_neurons)
    return drawn.double().numpy()


def draw_group(
    group: str,
    rule: SynapseRule,
    sources: Ends,
    targets: Ends,
    generator: torch.Generator,
    field: str,
) -> list[Projection]:
    """Projections from all of some sources onto all of some targets, drawn as one matrix.

    Raises NetworkError where the connectivity, which is the recipe's ``field``, rounds to no synapse.
    """
    shape = sum(n for _, n in targets), sum(n for _, n in sources)
    allowed = torch.ones(shape, dtype=torch.bool)
    if not rule.autapses:
        allowed.fill_diagonal_(False)
    n_active = round(rule.connectivity * int(allowed.sum()))
    if n_active == 0:
        raise NetworkError(
            f"{field} is {rule.connectivity:g}, which of the {int(allowed.sum())} pairs of group {group!r} "
            "rounds to 0 synapses; raise it"
        )
    if rule.signs == "dale":  # a fixed share of the sources, in random order
        order = torch.randperm(shape[1], generator=generator)
        positive = (order < round(rule.excitatory * shape[1])).expand(shape)
    else:
        positive = torch.rand(shape, generator=generator) < rule.excitatory
    weight = torch.randn(shape, generator=generator) * (rule.scale / math.sqrt(shape[1]))
    sign = torch.where(positive, 1, -1)
    if rule.signs != "unconstrained":
        balance = rule.excitatory / (1 - rule.excitatory) if rule.excitatory < 1 else 1.0
        weight = weight.abs() * torch.where(positive, 1.0, balance) * sign
    rank = torch.rand(shape, generator=generator).masked_fill(~allowed, 2.0).flatten()
    active = torch.zeros(rank.numel(), dtype=torch.bool)
    active[rank.argsort()[:n_active]] = True
    weight = weight * active.reshape(shape)
    delay = torch.randint(0, rule.max_delay + 1, shape, generator=generator)
    return [
        Projection.of_matrix(
            source, target, weight[rows, columns].double().numpy(),
            delay=delay[rows, columns].numpy(), max_delay=rule.max_delay,
            signs=sign[0, columns].numpy().astype(np.int8) if rule.signs == "dale" else rule.signs,
            autapses=rule.autapses, excitatory=rule.excitatory, plastic=rule.plastic, group=group,
        )
        for source, target, rows, columns in _blocks(sources, targets)
    ]  # fmt: skip


def _blocks(sources: Ends, targets: Ends) -> Iterator[tuple[str, str, slice, slice]]:
    """Source, target, rows and columns of each pair of populations."""
    row = 0
    for target, n_target in targets:
        column = 0
        for source, n_source in sources:
            yield source, target, slice(row, row + n_target), slice(column, column + n_source)
            column += n_source
        row += n_target


def _drawn(value: Any, size: int, generator: torch.Generator) -> torch.Tensor:
    """Numbers from a range of two, or one for all; the draws are made either way."""
    low, high = value if isinstance(value, (tuple, list)) else (value, value)
    drawn: torch.Tensor = low + (high - low) * torch.rand(size, generator=generator)
    return drawn


def _free_unless(signs: SignRule) -> SignRule:
    """Signs onto a readout: each synapse its own, unless there is no rule at all."""
    return "unconstrained" if signs == "unconstrained" else "free"


def _generator(given: torch.Generator | int) -> torch.Generator:
    return torch.Generator().manual_seed(given) if isinstance(given, int) else given


def draw_graph(
    config: GraphConfig,
    n_inputs: int,
    n_outputs: int,
    generator: torch.Generator | int,
    *,
    dt: float,
) -> NetworkSpec:
    """Draw the graph of a recipe; projections are drawn one by one, in order."""
    generator = _generator(generator)
    populations = []
    for p in config.populations:
        kind: type[Neuron] = NEURONS[p.neuron]
        size = p.size or n_outputs
        population = draw_population(
            p.name, kind, size, USUAL | p.constants, generator, dt=dt, learn=p.learn, tau_i=p.tau_i,
            bias=p.bias,
        )  # fmt: skip
        populations.append(replace(population, learn=p.learn))
    sizes = {p.name: p.size for p in populations} | {INPUT: n_inputs}
    projections: list[Projection] = []
    for i, q in enumerate(config.projections):
        for end in (q.source, q.target):
            if end not in sizes:
                raise NetworkError(
                    f"projections[{i}]: there is no {end!r}; there are {', '.join(sorted(sizes))}"
                )
        how = {k: getattr(q, k) for k in SynapseRule.__dataclass_fields__}
        how["autapses"] = q.autapses or q.source != q.target
        name = f"{q.source}->{q.target}"
        ends = [(q.source, sizes[q.source])], [(q.target, sizes[q.target])]
        drawn = draw_group(
            q.group or q.name or name, SynapseRule(**how), *ends, generator,
            f"network.projections[{i}].connectivity",
        )  # fmt: skip
        projections += [replace(d, name=q.name or name) for d in drawn]
    spec = NetworkSpec(
        n_inputs=n_inputs, populations=tuple(populations), projections=tuple(projections),
        outputs=config.outputs, dt=dt,
    )  # fmt: skip
    if not config.random_feedback:
        return spec
    n = sum(p.size for p in spec.readouts)
    return replace(spec, feedback=draw_feedback(n, spec.n_neurons, generator))
