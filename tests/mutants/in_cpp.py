"""Mutants of the native kernel: its integers, its gradients, and how spikes find their way."""

from in_python import AHP, ATRLIF, DRAWN, XOR
from table import within

Q, N = "tests/quantize/", "tests/lsnn_neuro/network/"
RUN = Q + "test_emulator_kernel.py::test_the_kernel_computes_the_reference"
STATES = Q + "test_emulator_kernel.py::test_the_kernel_records_the_states_of_the_reference"
MANY = Q + "test_emulator_kernel.py::test_one_sample_of_more_neurons_than_are_computed_at_once"
WRAPS = Q + "test_emulator_kernel.py::test_a_current_wraps_at_the_ends_of_24_bits_and_nowhere_else"
BIAS = Q + "test_emulator_kernel.py::test_a_bias_acts_before_the_first_input"
EACH = Q + "test_emulator_kernel.py::test_the_kernel_masters_each_feature_alone"
START = Q + "test_emulator_start.py::test_a_whole_run_from_a_state_equals_the_oracle"
SESSION = Q + "test_emulator_session.py"
GRADED = Q + "test_emulator.py::test_spikes_and_readout_of_a_record_equal_the_oracle"
GRADIENTS = N + "test_kernel_graphs.py::test_spikes_are_equal_and_gradients_too"
FROM_STATE = N + "test_operator.py::test_gradients_from_a_given_state_are_the_loops"
DELAYS = N + "test_kernel.py::test_the_shortest_and_the_longest_delays_are_right"

ARITHMETIC = [
    *within("native/arithmetic.hpp", XOR, (EACH, START, RUN), {
        "C++: a decay takes one off below 0": (
            "magnitude = (s ^ sign) - sign;", "magnitude = s ^ sign;"),
        "C++: a decay forgets a bit between its two halves": (
            "(magnitude & 4095)", "(magnitude & 2047)"),
        "C++: saturation at 2^23": ("splat(int32_t((1 << 23) - 1))", "splat(int32_t(1 << 23))"),
        "C++: saturation at -2^23": (
            "smaller_of(s, most), -most)", "smaller_of(s, most), -most - splat(int32_t(1)))"),
    }),
    *within("native/arithmetic.hpp", ATRLIF, (WRAPS,), {
        "C++: a current wraps at 2^23": ("keep(greater(s, half), whole)", "keep(at_least(s, half), whole)"),
        "C++: a current does not wrap at -2^23": (
            "keep(at_least(-half, s), whole)", "keep(greater(-half, s), whole)"),
        "C++: a current saturates where it should wrap": (
            "return s - keep(greater(s, half), whole) + keep(at_least(-half, s), whole);",
            "return saturate(s);"),
    }),
]  # fmt: skip

NEURONS = [
    *within("native/neurons/firing.hpp", DRAWN, (EACH, RUN), {
        "C++: a reset by a constant takes off the threshold": (
            "pick(fired, membrane - k(reset_by), membrane)", "pick(fired, over, membrane)"),
        "C++: a held membrane goes on integrating": (
            "membrane = pick(k.refractory(), k(reset_to), membrane);", "{}"),
        "C++: a reset to a value goes to another constant": (
            "k.set(v, pick(fired, k(reset_to), membrane))", "k.set(v, pick(fired, k(reset_by), membrane))"),
    }),
    *within("native/neurons/alif.hpp", XOR, (RUN,), {
        "C++: ALIF: adaptation lowers the threshold": (
            "a + k(VTH), RESET_BY, RESET_TO);", "k(VTH) - a, RESET_BY, RESET_TO);"),
        "C++: ALIF: the membrane decays as the adaptation does": (
            "k.get(V), k(DECAY_V)) + drive", "k.get(V), k(DECAY_A)) + drive"),
    }),
    *within("native/neurons/ahp.hpp", AHP, (RUN,), {
        "C++: AHP: adaptation raises the membrane": (
            "- k.where_fired(k(STEP_A)));\n    k.set(ADAPTATION",
            "+ k.where_fired(k(STEP_A)));\n    k.set(ADAPTATION"),
    }),
    *within("native/neurons/atrlif.hpp", ATRLIF, (RUN,), {
        "C++: ATRLIF: no spike at the threshold": ("threshold, true, false)", "threshold, false, false)"),
        "C++: ATRLIF: a spike raises r by one threshold": (
            "r + keep(fired, threshold + threshold)", "r + keep(fired, threshold)"),
    }),
    *within("native/neurons/li.hpp", XOR, (RUN, START), {
        "C++: LI: the readout does not saturate": (
            "A::saturate(A::decay(k.get(V), k(DECAY_V)) + drive)", "A::decay(k.get(V), k(DECAY_V)) + drive"),
    }),
    *within("native/neurons/integrate_and_fire.hpp", DRAWN, (RUN, START), {
        "C++: IF: the membrane wraps around": ("K::A::saturate(", "K::A::wrap("),
    }),
]  # fmt: skip

GRADIENT = [
    *within("native/neurons/alif.hpp", "", (GRADIENTS,), {
        "C++ gradient: ALIF: a spike's adaptation has the wrong sign": (
            "gz += k.adjoint(ADAPTATION) * k(STEP_A)", "gz -= k.adjoint(ADAPTATION) * k(STEP_A)"),
        "C++ gradient: ALIF: the threshold's has the wrong sign": (
            "* k(DECAY_A) + g.threshold", "* k(DECAY_A) - g.threshold"),
    }),
    *within("native/neurons/lif.hpp", "", (GRADIENTS,), {
        "C++ gradient: LIF: the threshold learns as the membrane does": (
            "k.learn(VTH, g.threshold)", "k.learn(VTH, g.gradient)"),
    }),
    *within("native/neurons/firing.hpp", "", (GRADIENTS,), {
        "C++ gradient: a reset by a constant takes off the threshold": (
            "gz - after * k(reset_by)", "gz - after * threshold"),
        "C++ gradient: a reset to a value passes it on": (
            "k.reset() == Reset::to ? spared : after", "after"),
        "C++ gradient: a held membrane passes it on": (
            "keep(complement(k.refractory()), spared)", "spared"),
    }),
    *within("native/neurons/li.hpp", "", (GRADIENTS,), {
        "C++ gradient: LI: the decay learns from the wrong state": ("v * k.membrane_before()", "v * v"),
    }),
    *within("native/gradients.hpp", "", (FROM_STATE,), {
        "C++ gradient: what was on its way arrives a step early": (
            "- ago * row_bytes", "- (ago + 1) * row_bytes"),
    }),
]  # fmt: skip

STEPS = [
    *within("native/step.hpp", XOR, (RUN, STATES), {
        "C++: the refractory time ends after one step": (
            "steps -= (Bytes)(steps != 0) & 1;", "steps = Bytes{};"),
        "C++: the first spike of a population reaches nobody": (
            "n_fired += spikes != 0;", "n_fired += spikes != 0 && j != 0;"),
    }),
    *within("native/step.hpp", DRAWN, (EACH, RUN), {
        "C++: no spike at the threshold": (
            "at_least_0 ? at_least(distance, zero) : greater(distance, zero)", "greater(distance, zero)"),
        "C++: the first neuron has no bias": (
            "if (!PLAIN && bias) drive", "if (!PLAIN && bias && k.j) drive"),
    }),
    *within("native/step.hpp", DRAWN, (STATES, SESSION), {
        "C++, one sample: sixteen neurons have the refractory time of one": (
            "full = load<Bytes>(n_ref + j * LANES);", "full = n_ref[j * LANES] - Bytes{};"),
    }),
    *within("native/step.hpp", XOR, (MANY,), {
        "C++, one sample: only the last neurons of sixteen spike": (
            "k.valid = k.j + 1 < s.rows ? uint16_t(0xffff) : s.valid;", "k.valid = s.valid;"),
    }),
    *within("native/forward.hpp", XOR, (RUN, SESSION, DELAYS), {
        "C++: the longest delay is lost where memory is used again": (
            "size_t((network.reach + 1) * network.rows())", "size_t((network.reach - 1) * network.rows())"),
        "C++: the last synapse of a neuron is dropped": (
            "send(synapses.list + start[0], synapses.list + start[1], base",
            "send(synapses.list + start[0], synapses.list + start[1] - 1, base"),
        "C++: spikes of two steps before": (
            "step.before = before + p.first;", "step.before = fired + p.first;"),
    }),
    *within("native/forward.hpp", "", (GRADED,), {
        "C++: every graded input counts as 1": (
            "else send_values(from, to, base, values<T>(x, inputs, block, t, i));",
            "else send(from, to, base, mask_of(packed[i]));"),
    }),
    *within("native/alone.hpp", XOR, (STATES, SESSION), {
        "C++, one sample: a spike is sent by its neighbour": (
            "const int64_t *start = synapses.start + inputs + j;",
            "const int64_t *start = synapses.start + inputs + (j ? j - 1 : j);"),
    }),
    *within("native/inputs.hpp", DRAWN, (BIAS,), {
        "C++: a bias does nothing before the first input": ("if (p.bias) return 0;", ""),
    }),
    *within("native/inputs.hpp", XOR, (RUN,), {
        "C++: inputs beyond a multiple of 16 are heard one later": (
            "packed[i] |= uint16_t((rows[b * inputs + i] != 0) << b);\n  }\n}",
            "packed[i] |= uint16_t((rows[b * inputs + (i ? i - 1 : i)] != 0) << b);\n  }\n}"),
    }),
    *within("native/states.hpp", "", (START, FROM_STATE), {
        "C++: what was on its way arrives a step early": (
            "- ago * row;", "- (ago + 1) * row;"),
        "C++: refractory steps of a given state are not taken over": (
            "= uint8_t(left);", "= uint8_t(0);"),
    }),
    *within("native/holder.hpp", XOR, (RUN, DELAYS), {
        "C++: no hop between populations": (
            "uint32_t(((delay[k] + hop) * rows", "uint32_t((delay[k] * rows"),
        "C++, one sample: every delay is one step longer": (
            "(lag * row * LANES + place",
            "((lag + (lag > 0 && lag < whole.reach)) * row * LANES + place", STATES, SESSION),
    }),
]  # fmt: skip

CPP = [*ARITHMETIC, *NEURONS, *GRADIENT, *STEPS]
