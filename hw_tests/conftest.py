"""Options of the hardware-in-the-loop tests: ``pytest hw_tests --target loihi-sim --artifact DIR``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from deploy.artifact import load_artifact, load_golden, versions
from deploy.targets import Target, get_target
from quantize.file_format import load
from quantize.network import QuantizedNetwork
from quantize.record import SpikeRecord

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A network, input spikes of some samples, and what the emulator made of them."""

    name: str
    network: QuantizedNetwork
    inputs: npt.NDArray[np.bool_]
    golden: SpikeRecord


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--target", default="loihi-sim", choices=("emulator", "loihi-sim", "loihi2"),
        help="what runs the networks",
    )  # fmt: skip
    parser.addoption("--artifact", type=Path, help="test this artifact instead of the golden files")


def pytest_report_header(config: pytest.Config) -> str:
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    return f"target: {config.getoption('--target')} ({found})"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        folder = metafunc.config.getoption("--artifact")
        cases = [_artifact_case(folder)] if folder else _golden_cases()
        metafunc.parametrize("case", cases, ids=[case.name for case in cases])


def _artifact_case(folder: Path) -> Case:
    artifact = load_artifact(folder)
    return Case(
        name=folder.name, network=artifact.network, inputs=artifact.inputs, golden=artifact.golden
    )


def _golden_cases() -> list[Case]:
    cases = []
    for file in sorted(GOLDEN.glob("*.network.safetensors")):
        name = file.name.split(".")[0]
        inputs, golden = load_golden(GOLDEN / f"{name}.golden.safetensors")
        cases.append(Case(name=name, network=load(file), inputs=inputs, golden=golden))
    return cases


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """The target under test; skips with the reason where it can't run."""
    chosen = get_target(request.config.getoption("--target"))
    reason = chosen.unavailable()
    if reason:
        pytest.skip(f"{chosen.name}: {reason}")
    return chosen
