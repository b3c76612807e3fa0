"""The whole integer model once more, in plain Python integers: slow, and nobody else's arithmetic.

Imports nothing of the emulator or of the fixed-point functions; a network comes in as data.
"""

from __future__ import annotations

LIMIT = 8388607  # 2^23 - 1


def dec(state: int, d: int) -> int:
    """Times (4096 - d) / 4096, rounded toward zero."""
    kept = abs(state) * (4096 - d) // 4096
    return kept if state >= 0 else -kept


def sat(state: int) -> int:
    """Clipped to 24 bit."""
    return max(-LIMIT, min(LIMIT, state))


def wrapped(state: int) -> int:
    """Around at 24 bit: the one number in -2^23 + 1 to 2^23 that differs by a multiple of 2^24."""
    while state > LIMIT + 1:
        state -= 2 * (LIMIT + 1)
    while state < -LIMIT:
        state += 2 * (LIMIT + 1)
    return state


def times_power_of_two(value: int, exponent: int) -> int:
    """Floor of value * 2^exponent."""
    return value * 2**exponent if exponent >= 0 else value // 2**-exponent


def arriving(projection, target: int, spikes_ago) -> int:
    """Input of one projection to one neuron; ``spikes_ago(d)`` are the source's spikes d ago.

    The sum over the synapses of each delay is rounded on its own.
    """
    sums: dict[int, int] = {}
    synapses = zip(
        projection.target_index.tolist(),
        projection.source_index.tolist(),
        projection.weight_mant.tolist(),
        projection.delay.tolist(),
        strict=True,
    )
    for to, source, mantissa, delay in synapses:
        if to == target and spikes_ago(delay)[source]:
            sums[delay] = sums.get(delay, 0) + mantissa
    return sum(times_power_of_two(total, projection.weight_exp) for total in sums.values())


def run(network, inputs):
    """One sample; ``inputs`` is a list of steps, each a list of bools.

    Gives spikes {population: [step][neuron]}, states {population: [step][v, a, r]} and the readout
    [step][output].
    """
    projections = {}
    for projection in network.projections:
        projections.setdefault(projection.target, []).append(projection)
    spikes = {p.name: [] for p in network.populations}
    states = {p.name: [] for p in network.populations}
    memory = {p.name: [[0, 0, 0] for _ in range(p.size)] for p in network.populations}
    filtered = {p.name: [0] * p.size for p in network.populations}
    outputs = [0] * network.readout.size
    readout = []

    def history(projection, t, hop):
        steps = inputs if projection.source == "input" else spikes[projection.source]
        silence = [False] * projection.n_source

        def ago(delay):
            step = t - delay - (0 if projection.source == "input" else hop)
            return steps[step] if step >= 0 else silence

        return ago

    for t in range(len(inputs)):
        fired = {}
        for p in network.populations:
            fired[p.name] = []
            for j in range(p.size):
                current = sum(
                    arriving(projection, j, history(projection, t, 1))
                    for projection in projections.get(p.name, [])
                )
                v, a, r = memory[p.name][j]
                if p.neuron == "atrlif":
                    i = wrapped(dec(filtered[p.name][j], int(p.decay_i[j])) + 64 * current)
                    filtered[p.name][j] = i
                    v = sat(dec(v, int(p.decay_v[j])) + i)
                    a, r = dec(a, int(p.decay_a[j])), dec(r, int(p.decay_r[j]))
                    theta = 64 * int(p.vth_mant[j]) + a
                    spike = v - r >= theta
                    if spike:
                        a, r = a + int(p.step_a[j]), r + 2 * theta
                    memory[p.name][j] = [v, a, r]
                    fired[p.name].append(spike)
                    continue
                spiked = spikes[p.name][t - 1][j] if t else False
                step = int(p.step_a[j]) * (-1 if p.adaptation == "current" else 1)
                a = sat(dec(a, int(p.decay_a[j])) + step * spiked)
                if p.adaptation == "current":
                    threshold = 64 * int(p.vth_mant[j])
                    v = sat(dec(v, int(p.decay_v[j])) + 64 * current + a)
                else:
                    threshold = 64 * int(p.vth_mant[j]) + a
                    v = sat(dec(v, int(p.decay_v[j])) + 64 * current)
                spike = v > threshold and r == 0
                if spike:
                    v = v - threshold if p.reset == "subtract" else 0
                    r = p.n_ref
                else:
                    r = max(r - 1, 0)
                memory[p.name][j] = [v, a, r]
                fired[p.name].append(spike)
        for p in network.populations:
            spikes[p.name].append(fired[p.name])
            states[p.name].append([list(neuron) for neuron in memory[p.name]])
        for c in range(network.readout.size):
            drive = sum(
                arriving(projection, c, history(projection, t, 0))
                for projection in projections.get("readout", [])
            )
            outputs[c] = sat(dec(outputs[c], int(network.readout.decay[c])) + 64 * drive)
        readout.append(list(outputs))
    return spikes, states, readout
