"""Mutants of the equations, of the time loop, of the integer arithmetic and of the conversion."""

from table import within

XOR, AHP, ATRLIF, DRAWN, DOWN = (
    "delayed-xor", "smnist-1ms-current", "smnist-1ms-atrlif", "drawn", "drawn-down",
)  # fmt: skip
Q = "tests/quantize/"
ARITHMETIC = Q + "test_arithmetic.py"
START = Q + "test_emulator_start.py::test_one_step_from_any_state_equals_the_oracle"
GRAPHS = Q + "test_emulator.py::test_graphs_of_anything_equal_the_oracle"
NETWORKS = Q + "test_emulator.py::test_networks_that_lava_runs_equal_the_oracle"
AT_LIMITS = Q + "test_aware.py::test_forward_its_arithmetic_is_that_of_the_integers_at_every_limit"
KERNEL = Q + "test_emulator_kernel.py"
CONVERSION = Q + "test_conversion.py"
SCALES = Q + "test_scales.py"
AWARE = Q + "test_aware.py::test_forward_equals_the_emulator_exactly"
ROUNDED = Q + "test_aware.py::test_a_network_that_came_in_as_integers_is_what_it_was"
NEURONS = "tests/lsnn_neuro/neurons/test_neurons.py"

EQUATIONS = [
    *within("lsnn_neuro/neurons/alif.py", XOR, (GRAPHS, START), {
        "ALIF: adaptation lowers the threshold": ("c.vth + a, c, ar)", "c.vth - a, c, ar)"),
        "ALIF: adaptation decays as the membrane does": (
            "ar.decay(s.a, c.decay_a)", "ar.decay(s.a, c.decay_v)"),
        "ALIF: the adaptation of the step before is compared": (
            "c.vth + a, c, ar)", "c.vth + s.a, c, ar)"),
        "ALIF: adaptation does not saturate": (
            "ar.saturate(ar.decay(s.a, c.decay_a) + c.step_a * s.z)",
            "ar.decay(s.a, c.decay_a) + c.step_a * s.z"),
    }),
    *within("lsnn_neuro/neurons/alif.py", "", (NEURONS,), {
        "ALIF: alpha for rho in the step of adaptation": (
            "step_a=self.beta * (1 - self.rho)", "step_a=self.beta * (1 - self.alpha)"),
    }),
    *within("lsnn_neuro/neurons/ahp.py", AHP, (GRAPHS, START), {
        "AHP: adaptation raises the membrane": ("- c.step_a * s.z", "+ c.step_a * s.z"),
        "AHP: adaptation acts a step late": ("(drive + a))", "(drive + s.a))"),
    }),
    *within("lsnn_neuro/neurons/atrlif.py", ATRLIF, (NETWORKS, START), {
        "ATRLIF: a spike raises r by one threshold": ("r + 2 * adapted * z", "r + adapted * z"),
        "ATRLIF: r of the step before is taken off": ("v - r - adapted", "v - s.r - adapted"),
        "ATRLIF: r decays as the adaptation does": (
            "ar.decay(s.r, c.decay_r)", "ar.decay(s.r, c.decay_a)"),
    }),
    *within("lsnn_neuro/neurons/lif.py", XOR, (GRAPHS, START), {
        "LIF: the membrane wraps around": (
            "v = ar.saturate(ar.decay(s.v, c.decay_v) + drive)",
            "v = ar.wrap(ar.decay(s.v, c.decay_v) + drive)"),
    }),
    *within("lsnn_neuro/neurons/lif.py", "", (NEURONS,), {
        "LIF: gain of 1 and of 1 - alpha swapped": (
            "if self.unit_gain else 1 - self.alpha", "if not self.unit_gain else 1 - self.alpha"),
    }),
    *within("lsnn_neuro/neurons/integrate_and_fire.py", DRAWN, (GRAPHS, START), {
        "IF: the membrane wraps around": ("ar.saturate(s.v + drive)", "ar.wrap(s.v + drive)"),
    }),
    *within("lsnn_neuro/neurons/li.py", XOR, (GRAPHS, START), {
        "LI: the readout does not saturate": (
            "ar.saturate(ar.decay(s.v, c.decay_v) + drive)", "ar.decay(s.v, c.decay_v) + drive"),
    }),
    *within("lsnn_neuro/neurons/resetting_li.py", DOWN, (NEURONS, START), {
        "resetting LI: starts again at its threshold": ("v * (v <= c.vth)", "v * (v < c.vth)"),
    }),
    *within("lsnn_neuro/neurons/firing.py", XOR, (GRAPHS, START), {
        "a spike one step before the refractory time is over": ("free = s.r == 0", "free = s.r <= 1"),
        "a reset takes off the threshold without adaptation": (
            "v = v - z * (threshold if", "v = v - z * (c.vth if"),
    }),
    *within("lsnn_neuro/neurons/firing.py", DRAWN, (GRAPHS, START), {
        "a held membrane goes on integrating": ("kept = (1 - z) * free", "kept = 1 - z"),
        "a reset to a value is one to 0": (
            "v = (1 - z) * v + z * c.reset_to", "v = (1 - z) * v"),
        "a reset by a constant adds it": (
            'v - z * (threshold if c.reset == "subtract" else c.reset_by)',
            'v - z * (threshold if c.reset == "subtract" else -c.reset_by)'),
    }),
    *within("lsnn_neuro/neurons/firing.py", "", (NEURONS,), {
        "the highest adaptation is that of one refractory step less": (
            "(n_ref >= k)", "(n_ref > k)"),
    }),
]  # fmt: skip

LOOP = [
    *within("lsnn_neuro/network/dynamics.py", XOR, (GRAPHS,), {
        "readouts hear the spikes of the step before": (
            "            history[p.name] = (states[p.name].z, *history[p.name][:-1])\n"
            "        states.update({p.name: advance(p) for p in network.readouts})\n",
            "            history[p.name] = history[p.name]\n"
            "        states.update({p.name: advance(p) for p in network.readouts})\n"
            "        for p in network.spiking:\n"
            "            history[p.name] = (states[p.name].z, *history[p.name][:-1])\n"),
        "no hop: a population hears those before it in the same step": (
            "        states.update({p.name: advance(p) for p in network.spiking})"
            "  # all receive the step before\n"
            "        for p in network.spiking:\n",
            "        for p in network.spiking:\n"
            "            states[p.name] = advance(p)\n"),
        "an input is heard a step late": (
            "history[INPUT] = (x, *history[INPUT][:-1])\n",
            "history[INPUT], late = (x, *history[INPUT][:-1]), history[INPUT][0]\n"
            "        history[INPUT] = (late, *history[INPUT][1:])\n"),
    }),
    *within("lsnn_neuro/network/dynamics.py", DRAWN, (GRAPHS,), {
        "a bias does nothing to a population at rest": (
            "current if population.bias is None else",
            "current if population.bias is None or not states[population.name].v.any() else"),
    }),
    *within("lsnn_neuro/network/dynamics.py", ATRLIF, (GRAPHS,), {
        "a synaptic current saturates": ("ar.wrap(kept + current)", "ar.saturate(kept + current)"),
        "a synaptic current does not decay": (
            "kept = ar.decay(currents[population.name], population.decay_i)",
            "kept = currents[population.name]"),
    }),
    *within("quantize/emulator.py", XOR, (GRAPHS,), {
        "every delay is one step longer": (
            "[history[d] for d in delays]", "[history[min(d + 1, len(history) - 1)] for d in delays]"),
        "the first synapse of a projection is dropped": (
            "csr_array((p.weight_mant.astype(np.int64),",
            "csr_array((p.weight_mant.astype(np.int64) * (np.arange(len(slot)) > 0),"),
        "targets of a projection in reverse": (
            "p.n_target + p.target_index", "p.n_target + p.target_index[::-1]"),
    }),
    *within("quantize/emulator.py", DOWN, (GRAPHS,), {
        "the sum of all delays is rounded, not each on its own": (
            "shift(sums, self.projection.weight_exp).sum(axis=0).T",
            "shift(sums.sum(axis=0), self.projection.weight_exp).T"),
    }),
    *within("quantize/emulator.py", DRAWN, (GRAPHS,), {
        "a bias is lost where one neuron has none": (
            "if p.bias.any() else None", "if p.bias.all() else None"),
    }),
]  # fmt: skip

INTEGERS = [
    *within("quantize/arithmetic.py", XOR, (ARITHMETIC,), {
        "a decay rounds down": (
            "np.sign(state) * ((np.abs(state) * kept) >> DECAY_BITS)", "(state * kept) >> DECAY_BITS"),
        "a decay rounds to nearest": (
            "(np.abs(state) * kept) >> DECAY_BITS", "(np.abs(state) * kept + 2048) >> DECAY_BITS"),
        "saturation at -2^23": (
            "np.clip(state, -STATE_MAX, STATE_MAX)", "np.clip(state, -STATE_MAX - 1, STATE_MAX)"),
        "saturation at 2^23 - 2": (
            "np.clip(state, -STATE_MAX, STATE_MAX)", "np.clip(state, -STATE_MAX, STATE_MAX - 1)"),
        "wraps where it should saturate": (
            "np.clip(state, -STATE_MAX, STATE_MAX)",
            "(state + STATE_MAX) % (2 * STATE_MAX + 1) - STATE_MAX"),
        "spikes at the threshold": (
            "else distance > 0", "else distance >= 0", GRAPHS, START),
        "spikes while refractory": (
            "crossed if allowed is None else crossed & allowed", "crossed", GRAPHS, START),
        "the refractory time is one step longer": (
            "np.where(z > 0, n, np.maximum(left - 1, 0))",
            "np.where(z > 0, n + 1, np.maximum(left - 1, 0))", GRAPHS, START),
        "the refractory time ends after one step": (
            "np.where(z > 0, n, np.maximum(left - 1, 0))", "np.where(z > 0, n, 0)", GRAPHS, START),
    }),
    *within("quantize/arithmetic.py", DRAWN, (ARITHMETIC,), {
        "a current wraps at 2^23": ("(state > half)", "(state >= half)"),
        "a current does not wrap at -2^23": ("(state <= -half)", "(state < -half)"),
        "a current saturates where it should wrap": (
            "state - 2 * half * (state > half) + 2 * half * (state <= -half)", "saturate(state)"),
    }),
    *within("quantize/arithmetic.py", DOWN, (ARITHMETIC,), {
        "a negative exponent rounds toward zero": (
            "value >> -exponent", "np.sign(value) * (np.abs(value) >> -exponent)"),
    }),
    *within("quantize/emulator_kernel.py", XOR, (KERNEL,), {
        "kernel: every delay is one step shorter": (
            "q.target_index + target, q.delay, weight",
            "q.target_index + target, np.maximum(q.delay - 1, 0), weight"),
    }),
    *within("quantize/emulator_kernel.py", DRAWN, (KERNEL,), {
        "kernel: a current keeps what it should lose": ("DECAY_ONE - p.decay_i", "p.decay_i"),
    }),
    *within("quantize/emulator_kernel.py", "", (KERNEL,), {
        "kernel: is given sums that leave 32 bits": ("2 * STATE_MAX + int(", "int("),
        "kernel: is given currents that wrap twice": (
            "worst > CURRENT_INPUT_MAX", "worst > 2 * CURRENT_INPUT_MAX"),
    }),
    *within("quantize/aware.py", "", (AT_LIMITS, AWARE), {
        "training on integers: a decay rounds down": ("smooth.trunc()", "smooth.floor()"),
        "training on integers: a sum rounds toward zero": (
            "(current / STATE_ONE).floor()", "(current / STATE_ONE).trunc()", ROUNDED),
        "training on integers: a current does not wrap at -2^23": (
            "(state <= -half).to(state)", "(state < -half).to(state)"),
        "training on integers: saturation at -2^23": (
            "state.clamp(-STATE_MAX, STATE_MAX)", "state.clamp(-STATE_MAX - 1, STATE_MAX)"),
    }),
]  # fmt: skip

FLOAT_TO_INTEGER = [
    *within("quantize/conversion.py", "", (CONVERSION,), {
        "the offset of a readout is dropped": (
            "np.rint(population.offset * scale) / scale", "0 * population.offset"),
        "weights are half as large": (
            "input_gain(p, neuron) * scale / STATE_ONE", "input_gain(p, neuron) * scale / STATE_ONE / 2"),
        "a bias has no gain": ("population.bias * neuron.gain()", "population.bias"),
        "excitatory synapses are called inhibitory": (
            '"excitatory", positive', '"inhibitory", positive'),
        "the first synapse that is left is dropped": (
            "kept = here & (weights.mant != 0)",
            "kept = here & (weights.mant != 0)\n        kept[np.argmax(kept)] = False"),
    }),
    *within("quantize/scales.py", "", (SCALES, CONVERSION), {
        "weights round down": (
            "np.rint(weight / 2.0**exponent / grid)", "np.floor(weight / 2.0**exponent / grid)"),
        "a weight may leave its range by the rest of its grid": (
            "-(-low // grid) * grid, high // grid * grid", "low // grid * grid, high // grid * grid"),
        "the largest mantissa is not used": (
            "mant.max(initial=0) <= high", "mant.max(initial=0) < high"),
        "weights of a current have no 1 - kappa": (
            "gain * (quantize_decay(population.kappa_i) / DECAY_ONE)", "gain * 1.0"),
        "the scale is the power of two above its limit": ("math.floor(", "math.ceil("),
        "the scale forgets the bias": ("limits += _bias_limits(population.bias * gain)", "limits += []"),
    }),
    *within("quantize/loihi.py", "", (SCALES, CONVERSION), {
        "a long time constant never decays": (
            "np.maximum(np.rint(DECAY_ONE * lost), lost > 0)", "np.rint(DECAY_ONE * lost)"),
        "thresholds round down": (
            "np.rint(scale * np.asarray(value, np.float64) / role.grid)",
            "np.floor(scale * np.asarray(value, np.float64) / role.grid)"),
        "a constant may be one too large": (
            "most = (2**role.bits - 1) * role.grid", "most = 2**role.bits * role.grid"),
        "a bias of 4095 takes a larger exponent": ("mant > BIAS_MANT_MAX", "mant >= BIAS_MANT_MAX"),
    }),
    *within("quantize/network.py", "", (Q + "test_quantized_network.py", KERNEL), {
        "what is read has no offset": (
            "readout / self.output_scale + self.output_offset", "readout / self.output_scale"),
        "the worst input is that of excitation": ("max(-low.min(), high.max())", "high.max()"),
    }),
]  # fmt: skip

PYTHON = [*EQUATIONS, *LOOP, *INTEGERS, *FLOAT_TO_INTEGER]
