"""Mutants of what runs on Lava: neurons, synapses, the graph around them, and the fused network."""

from in_python import AHP, ATRLIF, DOWN, DRAWN, XOR
from table import within

D = "tests/deploy/"
HAND = D + "test_alif_process.py::test_fixed_point_models_follow_the_integers_computed_by_hand"
PARITY = D + "test_lava_parity.py::"
VARIANTS = PARITY + "test_a_neuron_with_every_reset_comparison_current_and_bias_is_equal_on_lava"
READOUTS = (
    PARITY + "test_readouts_with_current_bias_delays_and_inputs_of_their_own_are_equal_on_lava"
)
NETWORKS = PARITY + "test_random_networks_of_lavas_neurons_are_equal_on_lava"
AT = PARITY + "test_exactly_at_the_threshold_a_neuron_does_on_lava_what_it_says"
FIRST = PARITY + "test_what_acts_without_input_starts_with_the_first_step"
EVENTS = PARITY + "test_event_driven_synapses_equal_lavas_own"
START = D + "test_lava_start.py::test_own_processes_start_from_any_state"
STEP = D + "test_one_step.py::test_our_lava_processes_take_the_same_step"
STOCK_STEP = D + "test_one_step.py::test_lavas_own_lif_takes_the_same_step"
EXTREMES = D + "test_extremes_on_every_engine.py::"
LIMITS = EXTREMES + "test_500_largest_sources_saturate_on_lava_too"
DELAYS = EXTREMES + "test_delays_of_0_10_and_62_arrive_after_1_11_and_63_steps"
STOCK = D + "test_lava_stock_neurons.py::"
STOCK_LIF = STOCK + "test_lavas_own_lif_with_current_and_bias_equals_the_emulator_and_our_process"
STOCK_ATRLIF = STOCK + "test_lavas_own_atrlif_with_current_and_bias_equals_the_emulator"
OBSTACLES = D + "test_stock_lif.py"
GRADED = (
    D + "test_graded_inputs.py::test_own_stock_and_delayed_connections_carry_values_of_both_signs"
)
FUSED = D + "test_fused_core.py::test_fused_network_equals_the_emulator"

NEURONS = [
    *within("deploy/lava/neurons/process.py", XOR, (f"{VARIANTS}[lif]",), {
        "Lava: spikes at the threshold": (
            "self.v >= threshold if at else self.v > threshold", "self.v >= threshold", AT),
        "Lava: a spike one step before the refractory time is over": (
            "free = self.r == 0", "free = self.r <= 1", HAND),
        "Lava: refractory steps are counted below 0": (
            "np.maximum(self.r - 1, 0)", "self.r - 1", HAND),
        "Lava: a membrane wraps around": (
            "self.v[:] = self.saturate(", "self.v[:] = self.wrap(", LIMITS),
        "Lava: adaptation does not saturate": (
            "self.saturate(self.decay(self.a, self.decay_a) + step * self.z)",
            "self.decay(self.a, self.decay_a) + step * self.z", f"{STEP}[alif]"),
    }),
    *within("deploy/lava/neurons/process.py", DRAWN, (f"{VARIANTS}[lif]",), {
        "Lava: a held membrane goes on integrating": (
            "np.where(free, self.v, self.reset_to)", "self.v", HAND),
        "Lava: a current saturates": (
            "self.wrap(self.decay(self.i, self.decay_i) + current)",
            "self.saturate(self.decay(self.i, self.decay_i) + current)", f"{STEP}[lif]"),
        "Lava: neurons begin a step early": (
            'self.time_step > self.proc_params["start_step"]',
            'self.time_step >= self.proc_params["start_step"]', f"{FIRST}[lif]"),
        "Lava: a reset by a constant takes off the threshold": (
            'self.proc_params["reset"] == "subtract" else self.reset_by',
            'self.proc_params["reset"] else self.reset_by', f"{VARIANTS}[if]"),
    }),
    *within("deploy/lava/neurons/alif.py", XOR, (HAND,), {
        "Lava: ALIF: adaptation lowers the threshold": (
            "self.adapt(self.step_a)", "self.adapt(-self.step_a)"),
        "Lava: ALIF: a spike is compared without adaptation": (
            "self.fire(self.vth + self.a)", "self.fire(self.vth)"),
    }),
    *within("deploy/lava/neurons/ahp.py", AHP, (HAND,), {
        "Lava: AHP: adaptation raises the membrane": ("self.adapt(-self.step_a)", "self.adapt(self.step_a)"),
    }),
    *within("deploy/lava/neurons/li.py", DOWN, (AT,), {
        "Lava: resetting LI: starts again at its threshold": ("self.v > self.vth", "self.v >= self.vth"),
    }),
    *within("deploy/lava/neurons/own.py", DRAWN, (f"{VARIANTS}[lif]", STOCK_LIF), {
        "Lava: the bias of one neuron for another": (
            "bias=tiled(population.bias, samples)", "bias=np.repeat(population.bias, samples)"),
    }),
    *within("deploy/lava/neurons/stock_lif.py", DRAWN, (STOCK_LIF,), {
        "Lava's LIF: the current decays by one step too much": ("du=decay_i - 1", "du=decay_i", STOCK_STEP),
        "Lava's LIF: the bias acts a step early": (
            "start: Ints = -np.sign(bias) * magnitude", "start: Ints = 0 * magnitude"),
    }),
    *within("deploy/lava/neurons/stock_lif.py", "", (OBSTACLES,), {
        "Lava's LIF: is given an input that wraps": ("-(2**17) + 1, 2**17", "-(2**17), 2**17"),
        "Lava's LIF: the membrane before a bias is rounded down": (
            "-(-np.abs(bias.astype(np.int64)) * DECAY_ONE // kept)",
            "np.abs(bias.astype(np.int64)) * DECAY_ONE // kept"),
    }),
    *within("deploy/lava/neurons/stock_atrlif.py", ATRLIF, (STOCK_ATRLIF,), {
        "Lava's ATRLIF: r decays as the adaptation does": (
            "delta_r=int(c.decay_r[0])", "delta_r=int(c.decay_a[0])"),
    }),
]  # fmt: skip

SUMMED = """\
        np.add.at(self.sums, places, self.weight[synapses] * np.repeat(events[sources], count))
        # The exponent acts on the sum of each place, and each place is hit by a single delay. A
        # place listed twice is written twice with the same value.
        ring = self.ring.reshape(-1)
        ring[places] = ring[places] + shift(self.sums[places], self.weight_exp)
"""
PRODUCTS = "self.weight[synapses] * np.repeat(events[sources], count)"
EACH_ROUNDED = SUMMED.replace(PRODUCTS, f"shift({PRODUCTS}, self.weight_exp)").replace(
    "shift(self.sums[places], self.weight_exp)", "self.sums[places]"
)

SYNAPSES = [
    *within("deploy/lava/synapses.py", XOR, (f"{DELAYS}[lava]", EVENTS), {
        "Lava: every delay is one step longer": (
            "(self.head + self.delay[synapses])",
            "(self.head + self.delay[synapses] + (self.delay[synapses] > 0))"),
        "Lava: what has arrived arrives again": ("self.ring[self.head] = 0\n", "pass\n"),
        "Lava: the first synapse of a source is dropped": (
            "np.add.at(self.sums, places, self.weight[synapses]",
            "np.add.at(self.sums, places, self.weight[synapses] * (synapses > 0)"),
        "Lava: sources in another order": (
            "self.weight[synapses] * np.repeat(events[sources], count)",
            "self.weight[synapses][::-1] * np.repeat(events[sources], count)"),
    }),
    *within("deploy/lava/synapses.py", DOWN, (EVENTS,), {
        "Lava: each synapse is rounded, not their sum": (
            SUMMED, EACH_ROUNDED),
    }),
    *within("deploy/lava/synapses.py", "", (GRADED,), {
        "Lava: every graded input counts as 1": (
            "events if self.num_message_bits.item() else events != 0", "events != 0"),
    }),
    *within("deploy/lava/synapses.py", DRAWN, (EVENTS,), {
        "Lava: weights of mixed sign are called excitatory": (
            '"mixed": SignMode.MIXED', '"mixed": SignMode.EXCITATORY'),
    }),
]  # fmt: skip

GRAPH = [
    *within("deploy/lava/graph.py", DRAWN, (READOUTS,), {
        "Lava: an input reaches a readout a step early": ("extra_delay=int(skips)", "extra_delay=0"),
        "Lava: a readout begins a step early": (
            "start_step=POPULATION_LAG if population.spiking else READOUT_LAG", "start_step=POPULATION_LAG"),
    }),
    *within("deploy/lava/graph.py", XOR, (NETWORKS,), {
        "Lava: readouts are recorded a step early": ("READOUT_LAG = 2\n", "READOUT_LAG = 1\n"),
    }),
    *within("deploy/lava/recording.py", XOR, (NETWORKS,), {
        "Lava: inputs are sent a step late": (
            "row = self.time_step - 1\n", "row = max(self.time_step - 2, 0)\n"),
    }),
    *within("deploy/lava/fused.py", XOR, (FUSED,), {
        "Lava, fused: inputs of one sample for another": (
            "self.s_in.recv().reshape(self.samples, -1)", "self.s_in.recv().reshape(-1, self.samples).T"),
        "Lava, fused: populations in reverse": (
            "np.concatenate(trains, axis=1)", "np.concatenate(trains[::-1], axis=1)"),
    }),
]  # fmt: skip

LAVA = [*NEURONS, *SYNAPSES, *GRAPH]
