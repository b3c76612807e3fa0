"""Run this artifact's golden samples on loihi-sim and compare every spike with the emulator's."""

from pathlib import Path

from deploy.artifact import load_artifact
from deploy.parity import compare
from deploy.targets import get_target

if __name__ == "__main__":  # Lava starts processes of its own
    artifact = load_artifact(Path(__file__).parent)
    record = get_target("loihi-sim").run(artifact.network, artifact.inputs)
    result = compare(artifact.golden, record)
    print(f"{result.samples} samples, {result.spikes} spikes, {result.mismatches} mismatches")
    raise SystemExit(not result.exact)
