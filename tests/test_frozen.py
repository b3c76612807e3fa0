"""What release 0.1.0 computed, this code computes too: networks of old files, digit by digit.

``tests/frozen/README.md`` says what the digests are of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deploy.artifact import load_artifact
from lsnn_neuro.checkpoint import LAST, Checkpoint
from lsnn_neuro.errors import TrainingError
from lsnn_neuro.network import kernel
from lsnn_neuro.network.module import SpikingNetwork
from lsnn_neuro.network.synapses import Synapses
from lsnn_neuro.training import train
from quantize import file_format
from quantize.aware import QuantizationAware
from quantize.conversion import convert
from quantize.emulator import emulate
from quantize.network import QuantizedNetwork
from quantize.record import SpikeRecord

Json = dict[str, Any]

FROZEN = Path(__file__).parent / "frozen"
MODELS = FROZEN.parents[1] / "models"
FILES = FROZEN / "files"
OF_MODELS: Json = json.loads((FROZEN / "digests.json").read_text())
OF_FILES: Json = json.loads((FILES / "digests.json").read_text())
RESETS = {"subtract": "subtract", "to": "zero"}
"""What the digests call the resets."""

on_the_kernel = pytest.mark.skipif(
    not kernel.available(), reason="native kernel not built; PyTorch's sums differ"
)


def exactly() -> bool:
    """Whether torch and NumPy are those of the digests; others may round the last digits differently."""
    about = OF_MODELS["about"]
    return (torch.__version__, np.__version__) == (about["torch"], about["numpy"])


def of_checkpoints(*parts: str) -> list[Any]:
    """Part, file and digests of every checkpoint of which a part is frozen."""
    found = {}
    for name, digests in OF_MODELS["models"].items():
        kept = FROZEN / "checkpoints" / f"{name}.safetensors"
        found[name] = (kept if kept.is_file() else MODELS / name / "best.safetensors", digests)
    for name, digests in OF_FILES["checkpoints"].items():
        found[name] = (FILES / name, digests)
    return [
        pytest.param(part, path, digests, id=f"{part} of {name}")
        for name, (path, digests) in found.items()
        for part in parts
        if part in digests
    ]


# --- digests -----------------------------------------------------------------------------------------


def digest(array: np.ndarray, dtype: str) -> str:
    exact = np.ascontiguousarray(array, dtype)
    assert np.array_equal(exact, array)
    return hashlib.sha256(exact.tobytes()).hexdigest()[:16]


def of_bools(array: np.ndarray) -> str:
    assert array.dtype == np.bool_
    return digest(np.packbits(array), "u1")


def of_spikes(trains: Mapping[str, np.ndarray]) -> Json:
    return {k: {"sha256": of_bools(z), "count": int(z.sum())} for k, z in trains.items()}


def of_floats(tensor: torch.Tensor) -> Json:
    array = tensor.detach().numpy()
    wide = array.astype(np.float64)
    return {
        "sha256": digest(array, {4: "<f4", 8: "<f8"}[array.itemsize]),
        "count": array.size,
        "sum": float(wide.sum()),
        "norm": float(np.sqrt(np.square(wide).sum())),
    }


def of_record(record: SpikeRecord) -> Json:
    return {
        "spikes": of_spikes({p.name: p.spikes for p in record.spikes}),
        "readout": digest(record.readout, "<i4"),
    }


def of_integers(network: QuantizedNetwork) -> Json:
    """Every integer of a network of one readout under its old name; a LIF has no adaptation any more."""
    found: Json = {
        "populations": [p.name for p in network.spiking],
        "projections": [p.name for p in network.projections],
    }
    for p in network.spiking:
        constants = {name: values for name, _, values in p.constants.numbers()}
        arrays = {
            k: constants[k] for k in constants.keys() & {"decay_v", "decay_a", "decay_r", "step_a"}
        }
        arrays["vth_mant"] = p.vth >> 6
        if p.decay_i is not None:
            arrays["decay_i"] = p.decay_i
        found |= {f"{p.name}.{k}": digest(array, "<i4") for k, array in arrays.items()}
        found[f"{p.name}.scale"] = p.scale
        if "n_ref" in constants:
            (found[f"{p.name}.n_ref"],) = {int(n) for n in constants["n_ref"]}
            found[f"{p.name}.reset"] = RESETS[p.constants.reset]
    for q in network.projections:
        arrays = {
            k: getattr(q, k) for k in ("source_index", "target_index", "weight_mant", "delay")
        }
        found |= {f"{q.name}.{k}": digest(array, "<i4") for k, array in arrays.items()}
        found |= {f"{q.name}.{k}": getattr(q, k) for k in ("weight_exp", "sign_mode")}
    readout = network.population("readout")
    return found | {
        "readout.decay": digest(readout.constants.decay_v, "<i4"),
        "readout.bias": digest(np.rint(readout.offset * readout.scale), "<i4"),
        "readout.scale": readout.scale,
    }


def of_group(net: SpikingNetwork, group: Synapses) -> torch.Tensor:
    """Gradients at active synapses in the order of a matrix, by target, then source, over all blocks."""
    places = net.spec.places() | {"input": slice(0, net.spec.n_inputs)}
    slots = torch.from_numpy(np.concatenate(group.slots()))
    block = group.block[slots].long()
    row, column = (
        torch.tensor([places[getattr(p, end)].start for p in group.projections])[block]
        + getattr(group, end)[slots]
        for end in ("target", "source")
    )
    return group.theta.grad[slots][np.lexsort((column.numpy(), row.numpy()))]


def gradients(net: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor | None]]:
    """Gradients under the names that the parameters had; of populations side by side."""
    if not isinstance(net, SpikingNetwork):
        yield from ((name, parameter.grad) for name, parameter in net.named_parameters())
        return
    yield "bias", net.populations[-1].offset.grad
    for group in net.groups:
        yield group.name, None if group.theta.grad is None else of_group(net, group)
    for name in sorted({name for p in net.populations for name in p.log_factor}):
        learnt = [p.log_factor[name].grad for p in net.populations if name in p.log_factor]
        yield f"log_factor.{name}", torch.cat(learnt)


def differentiated(model: torch.nn.Module, net: torch.nn.Module, inputs: np.ndarray) -> Json:
    """Spikes, readout, a loss and its gradients."""
    output = model(torch.from_numpy(inputs))
    readout, found = output.readout, {}
    weight = np.random.default_rng(1).standard_normal(tuple(readout.shape)).astype(np.float32)
    loss = (readout * torch.from_numpy(weight).to(readout.dtype)).mean()
    if isinstance(net, SpikingNetwork):
        loss = loss + 0.1 * (output.rate**2).sum()
        z, places = output.spikes.detach().bool().numpy(), net.spec.places()
        found["spikes"] = of_spikes({p.name: z[..., places[p.name]] for p in net.spec.spiking})
    loss.backward()
    return found | {
        "readout": of_floats(readout),
        "loss": loss.item(),
        "gradients": {k: None if g is None else of_floats(g) for k, g in gradients(net)},
    }


def differences(found: Any, frozen: Any, path: str = "") -> Iterator[str]:
    """Where two digests differ; what is frozen and not found any more is none."""
    if isinstance(found, dict) and isinstance(frozen, dict):
        for key, value in found.items():
            yield from differences(value, frozen.get(key), f"{path} {key}")
    elif found != frozen:
        yield f"{path}: {found}, was {frozen}"


def near(found: Any, frozen: Any, rtol: float) -> bool:
    """Whether floats are equal within a tolerance: their sums and norms, on the scale of the norms."""
    if found is None or frozen is None:
        return found is frozen
    if isinstance(found, float):
        return found == pytest.approx(frozen, rel=rtol)
    if "norm" not in found:
        return all(near(value, frozen[key], rtol) for key, value in found.items())
    scale = frozen["norm"] * np.sqrt(max(frozen["count"], 1))
    return all(abs(found[k] - frozen[k]) <= rtol * scale for k in ("sum", "norm"))


def batch(digests: Json) -> np.ndarray:
    """The input spikes of every comparison."""
    inputs = np.random.default_rng(0).random((150, 20, digests["n_inputs"])) < 0.05
    assert of_bools(inputs) == digests["inputs"]
    return inputs


def load(path: Path, digests: Json) -> Checkpoint:
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest()[:16] == digests["checkpoint"], f"{path} is another file"
    return Checkpoint.load(path)


# --- tests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("part", "path", "digests"), of_checkpoints("emulator"))
def test_integers_are_what_they_were(part: str, path: Path, digests: Json) -> None:
    network, _ = convert(load(path, digests).spec, weight_bits=digests["weight_bits"])
    found = {part: of_record(emulate(network, batch(digests)))}
    if "conversion" in digests:
        found["conversion"] = of_integers(network)
    assert list(differences(found, digests)) == []


@on_the_kernel
@pytest.mark.parametrize(("part", "path", "digests"), of_checkpoints("float", "aware"))
def test_spikes_readout_and_gradients_are_what_they_were(
    part: str, path: Path, digests: Json
) -> None:
    net, frozen = load(path, digests).network(path), digests[part]
    model = net
    if part == "aware":
        model = QuantizationAware(net, weight_bits=digests["weight_bits"])
    found = differentiated(model, net, batch(digests))
    assert found.get("spikes") == frozen.get("spikes")
    if (
        not exactly() or "spikes" not in found
    ):  # an LSTM's sums are torch's, in another order on each CPU
        assert near({k: found[k] for k in ("readout", "loss", "gradients")}, frozen, 1e-4)
        return
    assert found["readout"]["sha256"] == frozen["readout"]["sha256"]
    assert found["loss"] == pytest.approx(frozen["loss"], rel=1e-4)  # torch's order of sums
    # learnt constants start anew from what they had become, and fixed weights get their gain in another
    # place than they did: there only the last digits are others
    moved = {k for k in found["gradients"] if k.startswith("log_factor")}
    if part == "aware" and getattr(net, "feedback", None) is not None:
        moved |= found["gradients"].keys()
    assert near({k: found["gradients"][k] for k in moved}, frozen["gradients"], 1e-6)
    kept = {k: g for k, g in found["gradients"].items() if k not in moved}
    assert list(differences(kept, frozen["gradients"])) == []


@pytest.mark.parametrize("name", [n for n in OF_FILES["networks"] if n.startswith("networks/")])
def test_network_files_hold_what_they_held(name: str) -> None:
    digests, network = OF_FILES["networks"][name], file_format.load(FILES / name)
    found = {
        "n_inputs": network.n_inputs,
        "weight_bits": network.provenance.weight_bits,
        "conversion": of_integers(network),
        "emulator": of_record(emulate(network, batch(digests))),
    }
    assert list(differences(found, digests)) == []


@pytest.mark.parametrize("name", OF_FILES["artifacts"])
def test_golden_spikes_of_artifacts_are_what_they_were(name: str) -> None:
    digests, artifact = OF_FILES["artifacts"][name], load_artifact(FILES / name)
    found = {"inputs": of_bools(artifact.inputs), **of_record(artifact.golden)}
    assert list(differences(found, digests["golden"])) == []
    assert of_record(emulate(artifact.network, artifact.inputs)) == of_record(artifact.golden)
    assert of_integers(artifact.network) == of_integers(
        file_format.load(FILES / digests["network"])
    )


@pytest.mark.parametrize("name", OF_FILES["continued"])
def test_runs_of_an_older_release_do_not_go_on(name: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / LAST).write_bytes((FILES / name / LAST).read_bytes())
    recipe = Checkpoint.load(run / LAST).recipe
    with pytest.raises(TrainingError, match="made by an older version"):
        train(recipe, run, resume=True, progress=False)
