"""The artifact folder: a quantized network with all it takes to run it and to prove it right.

::

    manifest.json          what it is, for which target, versions, SHA-256 of every other file
    network.safetensors    the QuantizedNetwork
    golden.safetensors     input spikes of some samples and what the emulator made of them
    best.safetensors       the float checkpoint it came from (only training and P0, P1 need it)
    recipe.toml            the recipe of that checkpoint
    run.py                 for Lava targets: run the golden samples and compare
"""

from __future__ import annotations

import json
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lsnn_neuro import __version__, tensor_file
from lsnn_neuro.errors import FileFormatError
from quantize import file_format
from quantize.network import QuantizedNetwork
from quantize.record import PopulationSpikes, SpikeRecord

MANIFEST, NETWORK, GOLDEN, SCRIPT = (
    "manifest.json", "network.safetensors", "golden.safetensors", "run.py",
)  # fmt: skip
FORMAT_VERSION = 1
_GOLDEN_KIND, _GOLDEN_VERSION = "golden spikes", 1
_LIBRARIES = ("lava-nc", "numpy", "scipy", "safetensors")

_SCRIPT_TEXT = '''\
"""Run this artifact's golden samples on {target} and compare every spike with the emulator's."""

from pathlib import Path

from deploy.artifact import load_artifact
from deploy.parity import compare
from deploy.targets import get_target

if __name__ == "__main__":  # Lava starts processes of its own
    artifact = load_artifact(Path(__file__).parent)
    record = get_target("{target}").run(artifact.network, artifact.inputs)
    result = compare(artifact.golden, record)
    print(f"{{result.samples}} samples, {{result.spikes}} spikes, {{result.mismatches}} mismatches")
    raise SystemExit(not result.exact)
'''


@dataclass(frozen=True, kw_only=True, eq=False)
class Artifact:
    """An artifact folder that has been read and checked.

    - inputs: golden input spikes, bool, shape (time, sample, input); golden: what the emulator made of them
    """

    folder: Path
    manifest: Mapping[str, Any]
    network: QuantizedNetwork
    inputs: npt.NDArray[np.bool_]
    golden: SpikeRecord

    @property
    def target(self) -> str:
        """The target it was exported for."""
        return str(self.manifest["target"])


def write_artifact(
    folder: Path,
    network: QuantizedNetwork,
    *,
    target: str,
    inputs: npt.NDArray[np.bool_],
    golden: SpikeRecord,
    about: Mapping[str, Any],
    files: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
) -> None:
    """Write an artifact folder; it appears complete or not at all.

    ``about`` (JSON values) goes into the manifest, ``files`` (name -> content) beside it.
    """
    if folder.exists() and not overwrite:
        raise FileFormatError(f"{folder}: already exists; use --overwrite or another --out")
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
        raise FileFormatError(
            f"{folder}: is not an artifact and is not overwritten; choose another"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        new = Path(temporary) / "new"
        file_format.save(network, new / NETWORK)
        save_golden(new / GOLDEN, inputs, golden)
        for name, content in (files or {}).items():
            tensor_file.write_bytes(new / name, content)
        if target != "emulator":
            tensor_file.write_text(new / SCRIPT, _SCRIPT_TEXT.format(target=target))
        manifest = {
            "format_version": FORMAT_VERSION,
            "target": target,
            "versions": versions(),
            **about,
            "sha256": {file.name: tensor_file.sha256(file) for file in sorted(new.iterdir())},
        }
        tensor_file.write_text(new / MANIFEST, json.dumps(manifest, indent=2) + "\n")
        if folder.exists():
            folder.replace(Path(temporary) / "old")
        new.replace(folder)


def load_artifact(folder: Path) -> Artifact:
    """Read an artifact folder; every file must be the one that was written."""
    if not (folder / MANIFEST).is_file():
        raise FileFormatError(
            f"{folder}: not an artifact (no {MANIFEST}); make one with lsnn-neuro export"
        )
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        found_version, hashes = manifest["format_version"], dict(manifest["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{folder / MANIFEST}: not a readable manifest ({error})") from error
    if found_version != FORMAT_VERSION:
        raise FileFormatError(
            f"{folder}: artifact version {found_version}, this release reads {FORMAT_VERSION}; "
            "export it again"
        )
    for name, expected in hashes.items():
        file = folder / name
        if not file.is_file():
            raise FileFormatError(f"{file}: is missing from the artifact; export it again")
        if tensor_file.sha256(file) != expected:
            raise FileFormatError(
                f"{file}: was changed since the export (SHA-256); export it again"
            )
    network = file_format.load(folder / NETWORK)
    inputs, golden = load_golden(folder / GOLDEN)
    return Artifact(folder=folder, manifest=manifest, network=network, inputs=inputs, golden=golden)


def save_golden(path: Path, inputs: npt.NDArray[np.bool_], record: SpikeRecord) -> None:
    """Write input spikes and a spike record, eight spikes to a byte."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "inputs": np.packbits(inputs),
        "readout": record.readout,
        **{f"spikes.{p.name}": np.packbits(p.spikes) for p in record.spikes},
    }
    header = {
        "inputs": inputs.shape,
        "spikes": [[p.name, p.spikes.shape] for p in record.spikes],
        "target": record.target,
    }
    tensor_file.write(path, _GOLDEN_KIND, _GOLDEN_VERSION, header, arrays)


def load_golden(path: Path) -> tuple[npt.NDArray[np.bool_], SpikeRecord]:
    """Read back input spikes and the spike record."""
    header, arrays = tensor_file.read(path, _GOLDEN_KIND, _GOLDEN_VERSION)

    def unpack(name: str, shape: list[int]) -> npt.NDArray[np.bool_]:
        return np.unpackbits(arrays[name], count=int(np.prod(shape))).reshape(shape).astype(bool)

    try:
        record = SpikeRecord(
            spikes=tuple(
                PopulationSpikes(name=name, spikes=unpack(f"spikes.{name}", shape))
                for name, shape in header["spikes"]
            ),
            readout=arrays["readout"],
            target=header["target"],
            seconds=0.0,
        )
        return unpack("inputs", header["inputs"]), record
    except (KeyError, ValueError) as error:
        raise FileFormatError(f"{path}: golden spikes with a wrong part: {error}") from error


def versions() -> dict[str, str]:
    """Versions of what runs here, for manifests and report headers."""
    found = {"lsnn-neuro": __version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found
