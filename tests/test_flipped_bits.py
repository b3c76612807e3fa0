"""A bit that was flipped in a file of ours is noticed when the file is read, and the file is named."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
from safetensors_files import about, put_together
from speech_folders import fsdd
from tiny_runs import TINY, lsnn_neuro, said, succeed

from deploy.manifest import MANIFEST, read_manifest
from lsnn_neuro.checkpoint import BEST, Checkpoint
from lsnn_neuro.errors import FileFormatError

MODEL = Path(__file__).parents[1] / "models" / "delayed-xor"
PARTS = (
    "best.safetensors", "golden.safetensors", "manifest.json", "mapping.svg", "network.safetensors",
    "probe.safetensors", "recipe.toml", "resources.json", "run.py",
)  # fmt: skip
COMMANDS = ("evaluate", "parity", "export", "report")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact with every part that there is beside an encoder and an imported network."""
    out = tmp_path_factory.mktemp("artifacts") / "a"
    succeed("export", MODEL, "--target", "loihi-sim", "--out", out, "--samples", 2)
    assert tuple(sorted(f.name for f in out.iterdir())) == PARTS
    return out


def flipped(file: Path, seed: object) -> None:
    """Flip a bit of a file."""
    data = bytearray(file.read_bytes())
    at = random.Random(str(seed)).randrange(8 * len(data))
    data[at // 8] ^= 1 << at % 8
    file.write_bytes(data)


def refused(command: str, path: Path, out: Path) -> str:
    """What a command says of a path that it refuses."""
    more = ("--target", "emulator", "--out", out) if command == "export" else ()
    line = said(command, path, *more)
    assert not out.exists()
    return line


@pytest.mark.parametrize("name", PARTS)
def test_a_flipped_bit_in_any_file_of_an_artifact_is_refused_by_name(
    artifact: Path, name: str, tmp_path: Path
) -> None:
    command = COMMANDS[PARTS.index(name) % len(COMMANDS)]
    copy = tmp_path / "a"
    shutil.copytree(artifact, copy)
    flipped(copy / name, name)
    assert str(copy / name) in refused(command, copy, tmp_path / "out")


@pytest.mark.parametrize("name", ["encoder.safetensors", "imported.safetensors"])
def test_a_flipped_bit_in_what_only_some_artifacts_hold_is_refused_by_name(
    name: str, tmp_path: Path
) -> None:
    out = tmp_path / "a"
    if name.startswith("encoder"):
        run, data = tmp_path / "run", fsdd(tmp_path / "data")
        change = (*TINY[4:6], "training.iterations=2", "training.batch_size=4", f"task.data={data}")
        succeed(
            "train", "fsdd", "--out", run, *(part for text in change for part in ("--set", text))
        )
        succeed("export", run, "--target", "emulator", "--data", data, "--out", out)
    else:
        imported(tmp_path)
        given = ("--inputs", "random", "--target", "emulator")
        succeed("export", tmp_path / "i.safetensors", *given, "--out", out)
    for seed, command in enumerate(COMMANDS):
        copy = tmp_path / command
        shutil.copytree(out, copy)
        flipped(copy / name, (name, seed))
        assert str(copy / name) in refused(command, copy, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", PARTS)
def test_every_command_refuses_an_artifact_with_a_flipped_bit(
    artifact: Path, name: str, command: str, tmp_path: Path
) -> None:
    for seed in range(5):
        copy = tmp_path / f"a{seed}"
        shutil.copytree(artifact, copy)
        flipped(copy / name, (name, command, seed))
        assert str(copy / name) in refused(command, copy, tmp_path / "out")


def test_every_flipped_bit_of_a_manifest_changes_nothing_or_is_refused(
    artifact: Path, tmp_path: Path
) -> None:
    """Two spellings of a number, or of a letter, say the same."""
    data = (artifact / MANIFEST).read_bytes()
    good, file = read_manifest(artifact), tmp_path / MANIFEST
    same, said_of = [], set()
    for at in range(0, 8 * len(data), 11):
        changed = bytearray(data)
        changed[at // 8] ^= 1 << at % 8
        file.write_bytes(changed)
        try:
            same.append(read_manifest(tmp_path))
        except FileFormatError as error:
            said_of.add(str(tmp_path) in str(error))
    assert said_of == {True}
    assert all(manifest == good for manifest in same)
    assert len(same) < len(data) / 100


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint, a network, and an imported network."""
    folder = tmp_path_factory.mktemp("written")
    made = {name: folder / f"{name}.safetensors" for name in ("checkpoint", "network", "imported")}
    Checkpoint.load(MODEL / BEST).save(made["checkpoint"])
    succeed("convert", MODEL, "--to", "nir", "--extended", "--out", folder / "n.nir")
    succeed("import", "nir", folder / "n.nir", "--out", made["network"])
    made["imported"].write_bytes(imported(folder))
    return made


def imported(folder: Path) -> bytes:
    """The file that import makes of a NIR graph."""
    import nir
    import numpy as np

    n = np.full
    nodes = {
        "input": nir.Input({"input": np.array([3])}), "w": nir.Linear(np.ones((2, 3))),
        "lif": nir.LIF(tau=n(2, 0.02), r=n(2, 1.0), v_leak=n(2, 0.0), v_threshold=n(2, 1.0)),
        "output": nir.Output({"output": np.array([2])}),
    }  # fmt: skip
    edges = [("input", "w"), ("w", "lif"), ("lif", "output")]
    nir.write(folder / "f.nir", nir.NIRGraph(nodes, edges))
    out = folder / "i.safetensors"
    succeed("import", "nir", folder / "f.nir", "--from", "nir", "--dt", "1", "--out", out)
    return out.read_bytes()


KINDS = ("checkpoint", "network", "imported")


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_in_a_network_or_a_checkpoint_is_refused_by_name(
    written: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    for seed in range(12):
        file = tmp_path / f"{seed}.safetensors"
        shutil.copy(written[kind], file)
        flipped(file, (kind, seed))
        assert str(file) in said("inspect", file)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_a_newer_release_asks_to_upgrade(
    written: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    file = tmp_path / "n.safetensors"
    shutil.copy(written[kind], file)
    found = about(file)
    put_together(file, found | {"version": found["version"] + 1, "release": "9.9", "more": "new"})
    line = said("inspect", file)
    assert str(file) in line
    assert "by lsnn-neuro 9.9, this release reads" in line
    assert line.endswith("upgrade lsnn-neuro")


def test_an_artifact_of_a_newer_release_asks_to_upgrade(artifact: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a"
    shutil.copytree(artifact, copy)
    manifest = {"format_version": 99, "files": []}
    (copy / MANIFEST).write_text(json.dumps(manifest))
    assert said("parity", copy).endswith("upgrade lsnn-neuro")
    assert lsnn_neuro("inspect", copy).exit_code == 1
