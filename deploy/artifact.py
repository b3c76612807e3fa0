"""The artifact folder: a quantized network with all it takes to run it and to prove it right.

::

    manifest.json          what it is: release, target, class names, encoder, how a decision is read, what the
                           probe does not reach, SHA-256 of every other file and of itself
    network.safetensors    the QuantizedNetwork
    golden.safetensors     inputs of some samples and what the emulator made of them
    probe.safetensors      the same of inputs that are made to reach every source and limit
    encoder.safetensors    constants of the encoder that are arrays, where it has some
    best.safetensors       the float checkpoint it came from (only training and P0, P1 need it)
    imported.safetensors   or the imported network that it came from, in float too
    recipe.toml            the recipe of that checkpoint
    run.py                 for targets other than the emulator: run golden samples and probe, and compare

Older formats are read too: 1, whose manifest has no hash of its own, and 2, without a probe and an encoder.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from deploy.manifest import FORMAT_VERSION, GOLDEN, MANIFEST, NETWORK, read_manifest, write_manifest
from deploy.probe import Probe
from deploy.target import REFERENCE
from deploy.targets import TARGETS
from lsnn_neuro import __version__
from lsnn_neuro.arrays import BoolArray, Events
from lsnn_neuro.bounded import is_file
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.files import ENCODER as ENCODER_KIND
from lsnn_neuro.files import GOLDEN as GOLDEN_KIND
from lsnn_neuro.files import new_folder, parts_of, read, sha256, write, write_bytes, write_text
from lsnn_neuro.registry import ENCODERS
from lsnn_neuro.tasks.encoder import Encoder, EncoderConstants
from quantize import file_format
from quantize.network import QuantizedNetwork
from quantize.record import PopulationSpikes, SpikeRecord

SCRIPT, SOURCE = "run.py", "imported.safetensors"
PROBE, ENCODER = "probe.safetensors", "encoder.safetensors"
_LIBRARIES = ("lava-nc", "numpy", "scipy", "safetensors")

_SCRIPT_TEXT = '''\
"""Run this artifact on {target} and compare every spike with the emulator's."""

from pathlib import Path

import deploy

if __name__ == "__main__":  # Lava starts processes of its own
    report = deploy.parity(deploy.load(Path(__file__).parent), deploy.get_target("{target}"))
    for level, result in report.levels.items():
        print(f"{{level}}: {{result.samples}} samples, {{result.spikes}} spikes")
        print(f"  {{result.mismatches}} spikes and {{result.readout_mismatches}} readout integers differ")
    raise SystemExit(bool(report.failed))
'''


@dataclass(frozen=True, kw_only=True, eq=False)
class Artifact:
    """An artifact folder that has been read and checked.

    - inputs: golden inputs, bool or int8, shape (time, sample, input); golden: what the emulator made of them
    - probe: the same of the probe, None in older formats
    """

    folder: Path
    manifest: Mapping[str, Any]
    network: QuantizedNetwork
    inputs: Events
    golden: SpikeRecord
    probe: tuple[Events, SpikeRecord] | None = None

    @cached_property
    def encoder_constants(self) -> EncoderConstants | None:
        """What made its inputs in training, where the task has an encoder."""
        about = self.manifest.get("encoder")
        if about is None:
            return None
        listed = ENCODER in self.manifest["sha256"]
        arrays = read(self.folder / ENCODER, ENCODER_KIND).arrays if listed else {}
        with self._usable_encoder():
            name, settings = str(about["name"]), dict(about["settings"])
        return EncoderConstants(name=name, settings=settings, arrays=arrays)

    @contextmanager
    def _usable_encoder(self) -> Iterator[None]:
        """FileFormatError that says what to do, over constants that no encoder here takes."""
        try:
            with parts_of(str(self.folder / MANIFEST), "encoder"):
                yield
        except FileFormatError as error:
            raise FileFormatError(
                f"{self.folder / MANIFEST}: its encoder can't be used here ({error}); install the package "
                "that has it, or export again"
            ) from error

    @cached_property
    def encoder(self) -> Encoder | None:
        """How raw data become inputs, where the task has an encoder; it is one of those in the registry.

        FileFormatError says which one is not installed here, or what can't be read.
        """
        if (constants := self.encoder_constants) is None:
            return None
        with self._usable_encoder():
            return constants.build(ENCODERS[constants.name])

    @property
    def class_names(self) -> tuple[str, ...]:
        """What its outputs stand for; empty if that is not known."""
        return tuple(map(str, self.manifest.get("class_names") or ()))

    @property
    def target(self) -> str:
        """The target it was exported for."""
        return str(self.manifest["target"])


def write_artifact(
    folder: Path,
    network: QuantizedNetwork,
    *,
    target: str,
    inputs: Events,
    golden: SpikeRecord,
    about: Mapping[str, Any],
    probe: Probe | None = None,
    encoder: Encoder | None = None,
    files: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
) -> None:
    """Write an artifact folder; it appears complete or not at all.

    ``about`` (JSON values) goes into the manifest, ``files`` (name -> content) beside it.
    """
    with new_folder(folder, MANIFEST, "an artifact", overwrite=overwrite) as new:
        file_format.save(network, new / NETWORK)
        save_golden(new / GOLDEN, inputs, golden)
        for name, content in (files or {}).items():
            write_bytes(new / name, content)
        if target not in TARGETS or TARGETS[target].level != REFERENCE:
            write_text(new / SCRIPT, _SCRIPT_TEXT.format(target=target))
        manifest = {
            "format_version": FORMAT_VERSION,
            "release": __version__,
            "target": target,
            "versions": versions(),
            **about,
            "encoder": None if encoder is None else _save_encoder(new / ENCODER, encoder),
            "probe": None if probe is None else _save_probe(new / PROBE, probe),
            "sha256": {file.name: sha256(file) for file in sorted(new.iterdir())},
        }
        write_manifest(new, manifest)


def _save_encoder(path: Path, encoder: Encoder) -> dict[str, Any]:
    if arrays := encoder.arrays():
        write(path, ENCODER_KIND, {"encoder": encoder.name}, arrays)
    return {"name": encoder.name, "raw": encoder.raw, "settings": encoder.settings()}


def _save_probe(path: Path, probe: Probe) -> dict[str, Any]:
    save_golden(path, probe.inputs, probe.record)
    steps, samples, _ = probe.inputs.shape
    return {
        "samples": samples, "steps": steps,
        "not_reached": {"silent_neurons": probe.silent, "limits": probe.unsaturated},
    }  # fmt: skip


def load_artifact(folder: Path) -> Artifact:
    """Read an artifact folder; every file must be the one that was written."""
    if not (folder / MANIFEST).is_file():
        raise FileFormatError(
            f"{folder}: not an artifact (no {MANIFEST}); make one with lsnn-neuro export"
        )
    manifest = read_manifest(folder)
    for name, expected in manifest["sha256"].items():
        file = folder / name
        if not is_file(file):
            raise FileFormatError(f"{file}: is missing from the artifact; export it again")
        if sha256(file) != expected:
            raise FileFormatError(
                f"{file}: was changed since the export (SHA-256); export it again"
            )
    network = file_format.load(folder / NETWORK)
    inputs, golden = load_golden(folder / GOLDEN)
    probe = load_golden(folder / PROBE) if PROBE in manifest["sha256"] else None
    return Artifact(
        folder=folder, manifest=manifest, network=network, inputs=inputs, golden=golden, probe=probe
    )


def save_golden(path: Path, inputs: Events, record: SpikeRecord) -> None:
    """Write inputs and a spike record, eight spikes to a byte; graded inputs are written as they are."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "inputs": np.packbits(inputs) if inputs.dtype == np.bool_ else inputs,
        "readout": record.readout,
        **{f"spikes.{p.name}": np.packbits(p.spikes) for p in record.spikes},
    }
    header = {
        "inputs": inputs.shape,
        "spikes": [[p.name, p.spikes.shape] for p in record.spikes],
        "target": record.target,
    }
    write(path, GOLDEN_KIND, header, arrays)


def load_golden(path: Path) -> tuple[Events, SpikeRecord]:
    """Read back inputs and the spike record."""
    found = read(path, GOLDEN_KIND)
    header, arrays = found.header, found.arrays

    def unpack(name: str, shape: list[int]) -> BoolArray:
        count = math.prod(shape)
        if len(shape) != 3:
            raise ValueError(f"{name} has shape {shape}, expected (time, sample, neuron)")
        if not 0 <= count <= 8 * arrays[name].size:
            raise ValueError(f"{name} of shape {shape} holds {arrays[name].size} bytes")
        return np.unpackbits(arrays[name], count=count).reshape(shape).astype(bool)

    with parts_of(str(path), GOLDEN_KIND.name):
        graded = arrays["inputs"].dtype == np.int8
        for name in ("readout", *(["inputs"] if graded else [])):
            if arrays[name].ndim != 3 or arrays[name].dtype.kind not in "iuf":
                raise ValueError(
                    f"{name} has shape {arrays[name].shape}, expected 3 axes of numbers"
                )
        record = SpikeRecord(
            spikes=tuple(
                PopulationSpikes(name=name, spikes=unpack(f"spikes.{name}", shape))
                for name, shape in header["spikes"]
            ),
            readout=arrays["readout"],
            target=header["target"],
            seconds=0.0,
        )
        return arrays["inputs"] if graded else unpack("inputs", header["inputs"]), record


def versions() -> dict[str, str]:
    """Versions of what runs here, for manifests and report headers."""
    found = {"lsnn-neuro": __version__, "python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found
