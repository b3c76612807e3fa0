"""Replays the spikes of a placed network through SANA-FE's Loihi and prints what it counted.

    python sanafe_oracle.py NETWORK.json

A process of its own (SANA-FE is GPL-3). Neurons replay their spike trains, so no weight matters; a
soma that replays counts no update of a silent neuron.
"""

import json
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import sanafe

SOMAS = 64
"""Neurons a core can replay: SANA-FE needs a unit for each."""


def loihi_whose_inputs_cost_as_much_as_its_neurons():
    text = files("sanafe.examples").joinpath("loihi.yaml").read_text()
    head, rest = text.split("loihi_inputs[0..1023]")
    block, tail = rest.split("dendrite:", 1)
    for name, value in (
        ("energy_access_neuron", "51.2e-12"), ("energy_update_neuron", "21.6e-12"),
        ("energy_spike_out", "69.3e-12"), ("latency_access_neuron", "6.0e-9"),
        ("latency_update_neuron", "3.7e-9"), ("latency_spike_out", "30.0e-9"),
    ):  # fmt: skip
        assert f"{name}: 0.0" in block
        block = block.replace(f"{name}: 0.0", f"{name}: {value}")
    return f"{head}loihi_inputs[0..{SOMAS - 1}]{block}dendrite:{tail}"


def main():
    given = json.loads(Path(sys.argv[1]).read_text())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "loihi.yaml"
        path.write_text(loihi_whose_inputs_cost_as_much_as_its_neurons())
        architecture = sanafe.load_arch(str(path))
    cores = list(architecture.cores())
    network = sanafe.Network()
    group = network.create_neuron_group(
        "neurons", len(given["core"]), default_synapse_hw_name="loihi_sparse_synapse",
        default_dendrite_hw_name="loihi_dendrites",
    )  # fmt: skip
    taken = {}
    for neuron, core, spikes in zip(group, given["core"], given["spikes"], strict=True):
        soma = taken[core] = taken.get(core, -1) + 1
        neuron.set_attributes(
            soma_hw_name=f"loihi_inputs[{soma}]", model_attributes={"spikes": spikes}
        )
        neuron.map_to_core(cores[core])
    for source, target in given["synapses"]:
        group[source].connect_to_neuron(group[target], {"weight": 0.0})
    chip = sanafe.SpikingChip(architecture)
    chip.load(network)
    result = chip.sim(given["steps"], timing_model="simple")
    print(json.dumps({k: v for k, v in result.items() if isinstance(v, (int, float, dict))}))


if __name__ == "__main__":
    main()
