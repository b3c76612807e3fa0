"""Hardware in the loop: a target must compute the emulator's spikes, bit for bit.

The same bodies run on every target; see ``conftest.py`` for the options.
"""

from __future__ import annotations

import numpy as np
from hardware_cases import Case

from deploy.comparison import compare
from deploy.target import Target
from deploy.targets import get_target


def test_every_spike_and_readout_integer_equals_the_golden(case: Case, target: Target) -> None:
    comparison = compare(case.golden, target.run(case.network, case.inputs))
    assert comparison.exact, comparison.first_divergence


def test_golden_spikes_are_what_the_emulator_computes_today(case: Case) -> None:
    comparison = compare(case.golden, get_target("emulator").run(case.network, case.inputs))
    assert comparison.exact, comparison.first_divergence


def test_golden_networks_really_spike(case: Case) -> None:
    for population in case.golden.spikes:
        assert population.spikes.any(), f"{population.name} is silent: nothing would be compared"
    assert case.golden.readout.any()


def test_states_of_a_step_equal_the_emulators(case: Case, target: Target) -> None:
    step, inputs = case.inputs.shape[0] // 2, case.inputs[:, 0]
    found = target.states(case.network, inputs, step)
    expected = get_target("emulator").states(case.network, inputs, step)
    for one, two in zip(expected, found, strict=True):
        assert one.names == two.names
        for name in one.names:
            np.testing.assert_array_equal(two[name], one[name], err_msg=f"{one.name} {name}")
