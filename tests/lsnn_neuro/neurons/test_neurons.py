"""Every neuron's step against traces computed by hand, and what a neuron is asked for."""

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch

from lsnn_neuro.errors import NetworkError
from lsnn_neuro.network.real import Real
from lsnn_neuro.neurons.neuron import State
from lsnn_neuro.registry import NEURONS

SPIKING = [kind for kind in NEURONS if NEURONS[kind].spiking]
VALUES = {"alpha": 0.5, "rho": 0.5, "keep_r": 0.5, "beta": 0.0, "b0": 1.0}


def numbers(kind, **values):
    """A neuron of a kind in NumPy."""
    given = {k: v for k, v in (VALUES | values).items() if k in NEURONS[kind].parameters()}
    first = NEURONS[kind].sized_by()
    return NEURONS[kind](**given | {first: np.array([given[first]])})


def one_neuron(kind, **values):
    """A neuron of a kind, in double precision."""
    fields = NEURONS[kind].parameters()
    given = {k: v for k, v in (VALUES | values).items() if k in fields}
    neuron = NEURONS[kind](
        **{k: np.array([v]) if isinstance(v, float) else v for k, v in given.items()}
    )
    return replace(
        neuron,
        **{
            k: torch.tensor(getattr(neuron, k)).double()
            for k, p in fields.items()
            if p.kind != "option"
        },
    )


def run(neuron, currents):
    """The states of one neuron after each step: {"v": [...], ...}."""
    constants, gain = neuron.constants(), neuron.gain()
    state = State(**{name: torch.zeros(1, 1).double() for name in neuron.states})
    seen = {name: [] for name in neuron.states}
    for current in currents:
        state = neuron.step(state, gain * torch.tensor([[current]]).double(), constants, Real())
        for name in neuron.states:
            seen[name].append(getattr(state, name).item())
    return seen


@pytest.mark.parametrize("kind", list(NEURONS))
def test_a_neuron_says_its_equations_and_their_source(kind):
    neuron = NEURONS[kind]
    text = inspect.getdoc(inspect.getmodule(neuron))
    assert neuron.name == kind
    assert "Source: " in text
    assert "::" in text
    equations = [line for line in text.splitlines() if line.startswith("    ") and "[t]" in line]
    assert any("v[t] = " in line for line in equations)
    for state in set(neuron.states) - {"r"}:
        assert any(f"{state}[t] = " in line for line in equations), state
    assert neuron.__doc__
    assert neuron.spiking == ("z" in neuron.states)


@pytest.mark.parametrize("kind", list(NEURONS))
def test_every_constant_has_a_role_and_every_parameter_a_kind(kind):
    neuron = NEURONS[kind]
    assert set(neuron.Constants.roles()) >= {"decay_v"} or kind == "if"
    numbers = neuron.of(3, 1.0, **some_values(kind)).constants()
    for name, role, value in numbers.numbers():
        assert np.shape(value) in ((), (3,)), name
        assert role.kind in ("decay", "state", "threshold", "steps")
    for tau, field in neuron.learnable().items():
        assert neuron.parameters()[field].kind in ("time_constant", "positive"), tau


# --- by hand, in real numbers ----------------------------------------------------------------------------


def test_lif_subtracts_the_threshold():
    found = run(one_neuron("lif"), [3, 3, 3])
    assert found["v"] == [0.5, 0.75, 0.875]
    assert found["z"] == [1, 1, 1]


def test_lif_subtracts_a_constant():
    found = run(one_neuron("lif", reset="subtract_constant", reset_by=2.0), [3, 3, 6])
    assert found["v"] == [-0.5, 1.25 - 2, 2.625 - 2]
    assert found["z"] == [1, 1, 1]


@pytest.mark.parametrize("value", [0.0, -0.25])
def test_lif_resets_to_a_value(value):
    found = run(one_neuron("lif", reset="to", reset_to=value), [3, 3, 1, 1])
    assert found["v"] == [value, value, 0.5 + value / 2, 0.75 + value / 4]
    assert found["z"] == [1, 1, 0, 0]


def test_the_membrane_leaks_without_input():
    found = run(one_neuron("lif"), [1, 0, 0])
    assert found["v"] == [0.5, 0.25, 0.125]
    assert found["z"] == [0, 0, 0]


def test_with_a_gain_of_one_weights_act_as_they_are():
    assert run(one_neuron("lif", unit_gain=True), [0.5, 0.5])["v"] == [0.5, 0.75]


def test_an_if_neuron_does_not_leak():
    found = run(one_neuron("if"), [0.75, 0.0, 0.75])
    assert found["v"] == [0.75, 0.75, 0.5]
    assert found["z"] == [0, 0, 1]


def test_a_leaky_integrator_is_one():
    assert run(one_neuron("li"), [3, 3, 0])["v"] == [1.5, 2.25, 1.125]


def test_a_resetting_integrator_is_0_again_above_its_threshold_not_at_it():
    found = run(one_neuron("resetting-li"), [2, 1, 2, -9])
    assert found["v"] == [1.0, 1.0, 0.0, -4.5]


def test_a_resetting_integrator_needs_a_threshold_above_0():
    with pytest.raises(NetworkError, match=r"neuron 'resetting-li': b0\[0\] is 0, must be above 0"):
        NEURONS["resetting-li"](alpha=[0.5], b0=0.0)
    with pytest.raises(NetworkError, match="neuron 'resetting-li': b0 is missing"):
        NEURONS["resetting-li"].of(1, 1.0, tau_out=2.0)


@pytest.mark.parametrize("kind", [k for k in SPIKING if "reset" in NEURONS[k].parameters()])
@pytest.mark.parametrize("at_threshold", [False, True])
def test_exactly_at_the_threshold(kind, at_threshold):
    current = 1 if kind == "if" else 2
    found = run(one_neuron(kind, at_threshold=at_threshold), [current])
    assert found["z"] == [at_threshold]
    assert found["v"] == [1 - at_threshold]


def test_the_membrane_goes_on_integrating_while_spikes_are_held():
    found = run(one_neuron("lif", n_ref=[2]), [3, 3, 3, 3])
    assert found["v"] == [0.5, 1.75, 2.375, 1.6875]
    assert found["z"] == [1, 0, 0, 1]
    assert found["r"] == [2, 1, 0, 2]


@pytest.mark.parametrize("value", [0.0, -0.25])
def test_a_held_membrane_stays_at_its_reset_and_loses_its_input(value):
    neuron = one_neuron("lif", reset="hold", reset_to=value, n_ref=[2])
    found = run(neuron, [3, 3, 30, 1, 3, 3])
    free = 0.5 + value / 2
    assert found["v"] == [value, value, value, free, value, value]
    assert found["z"] == [1, 0, 0, 0, 1, 0]
    assert found["r"] == [2, 1, 0, 0, 2, 1]


@pytest.mark.parametrize(
    ("reset", "passing"), [("to", [True] * 4), ("hold", [False] * 2 + [True] * 2)]
)
def test_a_held_membrane_passes_no_gradient(reset, passing):
    """A spike in step 0, held in step 1: what came before step 2 does not reach the membrane after it."""
    neuron = one_neuron("lif", reset=reset, n_ref=[1])
    currents = torch.tensor([3.0, 3.0, 1.0, 0.5], dtype=torch.double, requires_grad=True)
    state = State(**{name: torch.zeros(1, 1).double() for name in neuron.states})
    for current in currents:
        state = neuron.step(state, 0.5 * current.reshape(1, 1), neuron.constants(), Real())
    (gradient,) = torch.autograd.grad(state.v.sum(), currents)
    assert [value != 0 for value in gradient.tolist()] == passing


def test_an_adaptation_goes_on_while_the_membrane_is_held():
    found = run(one_neuron("alif", beta=2.0, reset="hold", n_ref=[1]), [3] * 5)
    assert found["a"] == [0, 1, 0.5, 0.25, 1.125]
    assert found["z"] == [1, 0, 0, 1, 0]  # 1.5 is not above 1 + 0.5
    assert found["v"] == [0, 0, 1.5, 0, 0]


@pytest.mark.parametrize("kind", ["if", "lif", "alif", "ahp"])
def test_holding_for_no_step_is_a_reset_to_a_value(kind):
    currents = np.random.default_rng(0).uniform(-2, 6, 60).tolist()
    held, reset = (
        run(one_neuron(kind, beta=0.5, reset=r, reset_to=-0.25), currents) for r in ("hold", "to")
    )
    assert held == reset
    assert 5 < sum(held["z"]) < 55


def test_one_held_step_is_the_zero_reset_of_snntorch():
    """Its RLeaky zeroes, input and all, the membrane of the step after a spike (1.0.0, ``_base_zero``)."""
    currents = np.random.default_rng(1).uniform(-0.5, 1.5, 300).tolist()
    membrane, spikes = 0.0, []
    for current in currents:
        membrane = 0.0 if membrane > 1 else 0.5 * membrane + current
        spikes.append(float(membrane > 1))
    found = run(one_neuron("lif", unit_gain=True, reset="hold", n_ref=[1]), currents)
    assert found["z"] == spikes
    assert 30 < sum(spikes) < 120


@pytest.mark.parametrize("n_ref", range(6))
@pytest.mark.parametrize("kind", ["if", "lif", "alif", "ahp"])
def test_spikes_are_held_for_exactly_n_ref_steps(kind, n_ref):
    z = run(one_neuron(kind, n_ref=[n_ref]), [100.0] * 12)["z"]
    assert z == [float(t % (n_ref + 1) == 0) for t in range(12)]


def test_alif_subtracts_the_adapted_threshold():
    found = run(one_neuron("alif", beta=2.0), [3] * 5)
    assert found["a"] == [0, 1, 0.5, 1.25, 0.625]
    assert found["z"] == [1, 0, 1, 0, 1]
    assert found["v"] == [0.5, 1.75, 0.875, 1.9375, 0.84375]  # 2.375 - 1.5 in step 2


def test_alif_resets_to_zero():
    found = run(one_neuron("alif", beta=2.0, reset="to"), [3] * 4)
    assert found["a"] == [0, 1, 0.5, 1.25]
    assert found["z"] == [1, 0, 1, 0]
    assert found["v"] == [0, 1.5, 0, 1.5]


@pytest.mark.parametrize("kind", ["alif", "ahp"])
def test_without_beta_adaptation_changes_nothing(kind):
    adapting, plain = (run(one_neuron(k, rho=0.9), [3, 1, 4, 1, 5]) for k in (kind, "lif"))
    assert (adapting["v"], adapting["z"]) == (plain["v"], plain["z"])


def test_an_after_hyperpolarizing_current_lowers_the_membrane_and_leaves_the_threshold():
    found = run(one_neuron("ahp", beta=2.0), [3] * 5)
    assert found["a"] == [
        0,
        -0.5,
        -0.75,
        -0.375,
        -0.6875,
    ]  # a steady a lowers v by beta, as 1 - alpha is 1/2
    assert found["z"] == [1, 1, 0, 1, 1]
    assert found["v"] == [0.5, 0.25, 0.875, 0.5625, 0.09375]  # step 2: 0.125 + 1.5 - 0.75, below 1


def test_an_atrlif_spike_raises_threshold_and_refractory_variable_but_leaves_the_membrane():
    found = run(one_neuron("atrlif", beta=2.0), [3] * 4)
    assert found["v"] == [1.5, 2.25, 2.625, 2.8125]
    assert found["z"] == [1, 0, 1, 0]  # 2.25 - 1 < 1.5, 2.625 - 0.5 >= 1.25, 2.8125 - 1.5 < 1.625
    assert found["a"] == [1, 0.5, 1.25, 0.625]
    assert found["r"] == [2, 1, 0.5 + 2.5, 1.5]


def test_atrlif_spikes_at_its_threshold():
    assert run(one_neuron("atrlif"), [2])["z"] == [1]


# --- parameters ----------------------------------------------------------------------------------------


def some_values(kind):
    """Values as users give them."""
    values = {"tau_m": 20.0, "tau_a": 200.0, "tau_r": 5.0, "tau_out": 20.0, "beta": 1.5, "b0": 0.1}
    return {k: v for k, v in values.items() if NEURONS[kind].has(k)}


@pytest.mark.parametrize("kind", list(NEURONS))
@pytest.mark.parametrize("dt", [0.5, 2.0])
def test_users_give_time_constants_in_milliseconds(kind, dt):
    neuron = NEURONS[kind].of(3, dt, **some_values(kind))
    assert neuron.size == 3
    for name, field in NEURONS[kind].learnable().items():
        value = some_values(kind)[name]
        expected = np.exp(-dt / value) if name.startswith("tau") else value
        np.testing.assert_allclose(getattr(neuron, field), np.full(3, expected))


def test_each_neuron_may_have_its_own():
    neuron = NEURONS["lif"].of(2, 1.0, tau_m=[10.0, 20.0], b0=[1.0, 2.0], n_ref=[0, 63])
    np.testing.assert_allclose(neuron.alpha, np.exp([-0.1, -0.05]))
    assert (neuron.b0.tolist(), neuron.n_ref.tolist()) == ([1, 2], [0, 63])


LIF = {"tau_m": 20.0, "b0": 1.0}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tau_m": 0.0}, "tau_m is 0 ms, must be above 0"),
        ({"tau_m": [1.0, 2.0]}, r"tau_m has shape \(2,\), expected \(3,\)"),
        ({"tau_m": [1.0, float("nan"), 1.0]}, r"tau_m\[1\] is nan"),
        ({"tau_m": "fast"}, "tau_m holds 'fast', expected numbers"),
        ({"b0": [1.0, 0.0, 1.0]}, r"b0\[1\] is 0, must be above 0"),
        ({"n_ref": 64}, r"n_ref\[0\] is 64, allowed are 0 to 63"),
        ({"n_ref": 0.5}, "n_ref has type float64, expected integers"),
        ({"reset": "soft"}, "reset is 'soft', allowed are 'subtract', 'subtract_constant', 'to', 'hold'"),
        ({"at_threshold": "yes"}, "at_threshold is 'yes', allowed are False, True"),
        ({"gamma": -1.0}, r"gamma is -1\.0, must be a number above 0"),
        ({"beta": 1.0}, "has no 'beta'; it has tau_m, n_ref, reset"),
        ({"tau_m": None}, "tau_m is missing"),
        ({"b0": None}, "b0 is missing"),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_in_one_line(changes, words):
    values = {k: v for k, v in (LIF | changes).items() if v is not None}
    with pytest.raises(NetworkError, match=f"neuron 'lif': {words}") as caught:
        NEURONS["lif"].of(3, 1.0, **values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("alpha", "right"), [(0.0, True), (1.0, True), (-0.1, False), (1.1, False)]
)
def test_a_share_lies_in_0_to_1(alpha, right):
    if right:
        NEURONS["li"](alpha=[alpha])
    else:
        with pytest.raises(NetworkError, match=rf"alpha\[0\] is {alpha:g}, must be 0 to 1"):
            NEURONS["li"](alpha=[alpha])


def test_arrays_are_read_only_copies():
    given = np.array([0.5, 0.6])
    neuron = NEURONS["lif"](alpha=given, b0=1.0)
    given[0] = 7
    assert neuron.alpha.tolist() == [0.5, 0.6]
    with pytest.raises(ValueError, match="read-only"):
        neuron.alpha[0] = 1
    assert neuron.b0.tolist() == [1, 1]


# --- constants -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(NEURONS))
@pytest.mark.parametrize("gain_one", [False, True])
def test_constants_lead_back_to_the_neuron(kind, gain_one):
    fields = NEURONS[kind].parameters()
    options = {"unit_gain": gain_one} if "unit_gain" in fields and kind != "if" else {}
    if "reset" in fields:
        options |= {
            "reset": "hold",
            "reset_to": [0.1, -0.2, 0.3],
            "n_ref": [0, 1, 9],
            "at_threshold": True,
        }
    neuron = NEURONS[kind].of(3, 1.0, **some_values(kind), **options)
    again = NEURONS[kind].from_constants(neuron.constants(), gain_one=gain_one)
    for name in fields:
        one, two = getattr(neuron, name), getattr(again, name)
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(two, one, rtol=1e-12)
        elif name != "gamma":  # no chip knows it
            assert one == two, name


@pytest.mark.parametrize("kind", SPIKING)
@pytest.mark.parametrize("n_ref", [0, 3])
def test_the_peak_is_the_highest_threshold_of_a_neuron_that_fires_whenever_it_may(kind, n_ref):
    values = {"beta": 2.0, "rho": 0.8, "n_ref": [n_ref]}
    adaptation = run(one_neuron(kind, **values), [1000.0] * 200).get("a", [0.0])
    leak = 0.5 if kind == "ahp" else 1  # its current has passed the membrane's leak
    highest = 1 + max(map(abs, adaptation)) / leak
    (peak,) = numbers(kind, **values).peak()
    assert peak >= highest * (1 - 1e-9)
    assert kind == "atrlif" or peak == pytest.approx(
        highest, rel=0.01
    )  # it holds its own spikes back


def test_a_step_is_told_once_for_every_arithmetic():
    for kind in NEURONS:
        assert "step" in vars(NEURONS[kind])
        assert isinstance(vars(NEURONS[kind])["step"], staticmethod)
