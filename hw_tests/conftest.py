"""Options of the hardware-in-the-loop tests: ``pytest hw_tests --target loihi-sim --artifact DIR``."""

from __future__ import annotations

from pathlib import Path

import pytest
from hardware_cases import artifact_case, golden_cases

from deploy.artifact import versions
from deploy.target import Target
from deploy.targets import get_target


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
        cases = [artifact_case(folder)] if folder else golden_cases()
        metafunc.parametrize("case", cases, ids=[case.name for case in cases])


@pytest.fixture(scope="session")
def target(request: pytest.FixtureRequest) -> Target:
    """The target under test; skips with the reason where it can't run."""
    chosen = get_target(request.config.getoption("--target"))
    reason = chosen.unavailable()
    if reason:
        pytest.skip(f"{chosen.name}: {reason}")
    return chosen
