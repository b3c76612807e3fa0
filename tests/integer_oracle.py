"""The whole integer model once more, in plain Python integers: slow, and with no arithmetic of the package.

A network comes in as data; nothing of the emulator, of the neurons or of the time loop is imported. A
neuron's name picks an equation of :data:`EQUATIONS`, and constants are taken by their names.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LIMIT = 8388607  # 2^23 - 1


def dec(state: int, d: int) -> int:
    """Times (4096 - d) / 4096, rounded toward zero."""
    kept = abs(state) * (4096 - d) // 4096
    return kept if state >= 0 else -kept


def sat(state: int) -> int:
    """Clipped to 24 bit."""
    return max(-LIMIT, min(LIMIT, state))


def wrapped(state: int) -> int:
    """Around at 24 bit, once: what Lava's synaptic current does."""
    if state > LIMIT + 1:
        return state - 2 * (LIMIT + 1)
    if state <= -LIMIT - 1:
        return state + 2 * (LIMIT + 1)
    return state


def times_power_of_two(value: int, exponent: int) -> int:
    """Floor of value * 2^exponent."""
    return value * 2**exponent if exponent >= 0 else value // 2**-exponent


# --- neurons: (state of the step before, drive, constants) -> state; a state has v, a, r and z ------------


def _fire(s, v, threshold, c):
    above = v >= threshold if c["at_threshold"] else v > threshold
    if not (above and s["r"] == 0):
        held = c["reset"] == "hold" and s["r"] > 0
        return {**s, "v": c["reset_to"] if held else v, "z": 0, "r": max(s["r"] - 1, 0)}
    after = {
        "subtract": v - threshold,
        "subtract_constant": v - c["reset_by"],
        "to": c["reset_to"],
        "hold": c["reset_to"],
    }
    return {**s, "v": after[c["reset"]], "z": 1, "r": c["n_ref"]}


def _if(s, drive, c):
    return _fire(s, sat(s["v"] + drive), c["vth"], c)


def _lif(s, drive, c):
    return _fire(s, sat(dec(s["v"], c["decay_v"]) + drive), c["vth"], c)


def _alif(s, drive, c):
    a = sat(dec(s["a"], c["decay_a"]) + c["step_a"] * s["z"])
    return _fire({**s, "a": a}, sat(dec(s["v"], c["decay_v"]) + drive), c["vth"] + a, c)


def _ahp(s, drive, c):
    a = sat(dec(s["a"], c["decay_a"]) - c["step_a"] * s["z"])
    return _fire({**s, "a": a}, sat(dec(s["v"], c["decay_v"]) + drive + a), c["vth"], c)


def _atrlif(s, drive, c):
    v = sat(dec(s["v"], c["decay_v"]) + drive)
    a, r = dec(s["a"], c["decay_a"]), dec(s["r"], c["decay_r"])
    threshold = c["vth"] + a
    if v - r >= threshold:
        return {"v": v, "a": a + c["step_a"], "r": r + 2 * threshold, "z": 1}
    return {"v": v, "a": a, "r": r, "z": 0}


def _li(s, drive, c):
    return {**s, "v": sat(dec(s["v"], c["decay_v"]) + drive)}


EQUATIONS = {"if": _if, "lif": _lif, "alif": _alif, "ahp": _ahp, "atrlif": _atrlif, "li": _li}
SPIKING = {name: name != "li" for name in EQUATIONS}


# --- the network ---------------------------------------------------------------------------------------


@dataclass
class Population:
    """One population's constants, neuron by neuron, and where it stands."""

    equation: object
    constants: list[dict]
    decay_i: list[int] | None
    bias: list[int]
    state: list[dict]
    current: list[int]

    @classmethod
    def of(cls, p):
        """Take a ``QuantizedPopulation`` apart; it starts at rest."""
        columns = {k: getattr(p.constants, k) for k in vars(p.constants)}
        constants = [
            {k: int(v[j]) if hasattr(v, "__len__") and not isinstance(v, str) else v
             for k, v in columns.items()}
            for j in range(p.size)
        ]  # fmt: skip
        return cls(
            equation=EQUATIONS[p.neuron.name],
            constants=constants,
            decay_i=None if p.decay_i is None else [int(d) for d in p.decay_i],
            bias=[int(b) for b in p.bias],
            state=[{"v": 0, "a": 0, "r": 0, "z": 0} for _ in range(p.size)],
            current=[0] * p.size,
        )

    def step(self, arrived):
        """Advance all neurons, given the synaptic input of each."""
        for j, c in enumerate(self.constants):
            i = 64 * arrived[j]
            if self.decay_i is not None:
                i = self.current[j] = wrapped(dec(self.current[j], self.decay_i[j]) + i)
            self.state[j] = self.equation(self.state[j], i + self.bias[j], c)


@dataclass
class Projection:
    """The synapses of one projection, for each target and delay."""

    source: str
    n_target: int
    exponent: int
    synapses: dict = field(default_factory=dict)  # (target, delay) -> [(source, mantissa)]

    @classmethod
    def of(cls, p):
        """Take a ``QuantizedProjection`` apart."""
        projection = cls(p.source, p.n_target, p.weight_exp)
        columns = (p.target_index, p.source_index, p.weight_mant, p.delay)
        for to, source, mantissa, delay in zip(*(c.tolist() for c in columns), strict=True):
            projection.synapses.setdefault((to, delay), []).append((source, mantissa))
        return projection

    def current(self, sent):
        """Input of every target; ``sent(d)`` is what the source sent d steps ago.

        The sum over the synapses of each delay is rounded on its own.
        """
        total = [0] * self.n_target
        for (to, delay), synapses in self.synapses.items():
            values = sent(delay)
            if values is not None:
                one_delay = sum(mantissa * values[source] for source, mantissa in synapses)
                total[to] += times_power_of_two(one_delay, self.exponent)
        return total


@dataclass
class Run:
    """What one sample did.

    - spikes: {population: [step][neuron]}; readout: [step][output]
    - states: {population: [step][neuron]}, a dict of v, a, r, z for each neuron
    - currents: {population: [step][neuron]}
    """

    spikes: dict
    states: dict
    currents: dict
    readout: list


def run(network, inputs, start=None):
    """One sample; ``inputs`` is a list of steps, each a list of whole numbers.

    ``start``, if given, is {"states": {population: [neuron]}, "currents": {population: [neuron]},
    "sent": {source: [what it sent in the last step, in the one before, ...]}}; what it leaves out is at rest.
    """
    populations = {p.name: Population.of(p) for p in network.populations}
    fires = {p.name: SPIKING[p.neuron.name] for p in network.populations}
    incoming = {name: [] for name in populations}
    for p in network.projections:
        incoming[p.target].append(Projection.of(p))
    sent = {name: [] for name in ("input", *(n for n in populations if fires[n]))}  # newest first
    for name, states in (start or {}).get("states", {}).items():
        populations[name].state = [{"v": 0, "a": 0, "r": 0, "z": 0, **s} for s in states]
    for name, currents in (start or {}).get("currents", {}).items():
        populations[name].current = list(currents)
    for name, past in (start or {}).get("sent", {}).items():
        sent[name] = [list(values) for values in past]
    result = Run(
        {n: [] for n in fires if fires[n]}, *({n: [] for n in fires} for _ in range(2)), []
    )

    def ago(source):
        return lambda delay: sent[source][delay] if delay < len(sent[source]) else None

    def arrived(name, population):
        sums = [p.current(ago(p.source)) for p in incoming[name]]
        return [sum(column) for column in zip(*sums, strict=True)] or [0] * len(population.state)

    for x in inputs:
        sent["input"].insert(0, [int(value) for value in x])
        arrivals = {name: arrived(name, p) for name, p in populations.items() if fires[name]}
        for name, currents in arrivals.items():
            populations[name].step(currents)
        for name in arrivals:
            sent[name].insert(0, [s["z"] for s in populations[name].state])
        for name, p in populations.items():
            if not fires[name]:
                p.step(arrived(name, p))
        for name, p in populations.items():
            result.states[name].append([dict(s) for s in p.state])
            result.currents[name].append(list(p.current))
            if fires[name]:
                result.spikes[name].append([s["z"] for s in p.state])
        result.readout.append(
            [s["z" if fires[n] else "v"] for n in network.outputs for s in populations[n].state]
        )
    return result
