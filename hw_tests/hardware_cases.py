"""What the hardware-in-the-loop tests run: the golden files, or an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.artifact import load_artifact, load_golden
from lsnn_neuro.arrays import Events
from quantize.file_format import load
from quantize.network import QuantizedNetwork
from quantize.record import SpikeRecord

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A network, input spikes of some samples, and what the emulator made of them."""

    name: str
    network: QuantizedNetwork
    inputs: Events
    golden: SpikeRecord


def artifact_case(folder: Path) -> Case:
    """The golden samples of an artifact."""
    artifact = load_artifact(folder)
    return Case(
        name=folder.name, network=artifact.network, inputs=artifact.inputs, golden=artifact.golden
    )


def golden_cases() -> list[Case]:
    """The files in ``golden``."""
    cases = []
    for file in sorted(GOLDEN.glob("*.network.safetensors")):
        name = file.name.split(".")[0]
        inputs, golden = load_golden(GOLDEN / f"{name}.golden.safetensors")
        cases.append(Case(name=name, network=load(file), inputs=inputs, golden=golden))
    return cases
