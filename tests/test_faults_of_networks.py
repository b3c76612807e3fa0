"""Networks that were made elsewhere, chips that are too small, and what the commands print."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tomli
from placed_networks import population, projection
from random_networks import READOUT, li
from tiny_runs import lsnn_neuro, said, succeed, train_tiny

import lsnn_neuro as ln
from lsnn_neuro.network.graph import INPUT
from lsnn_neuro.recipe import built_in
from quantize import file_format
from quantize.network import QuantizedNetwork

ROOT = Path(__file__).parents[1]
FROZEN = ROOT / "tests" / "frozen" / "files"
MODEL = ROOT / "models" / "delayed-xor"
OWN_TASK = FROZEN / "trained" / "lif" / "recipe.toml"
"""A recipe with the task of the network that is imported here."""


@pytest.fixture(scope="module", params=["nir", "netx"])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An imported network whose task nobody knows, of 8 inputs."""
    folder, form = tmp_path_factory.mktemp("imported"), request.param
    file = folder / "other"
    packed = FROZEN / "interchange" / f"lif.{'net' if form == 'netx' else 'nir'}.gz"
    file.write_bytes(gzip.decompress(packed.read_bytes()))
    succeed("import", form, file, "--out", folder / "network.safetensors")
    return folder / "network.safetensors"


def spikes(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random(shape) < 0.2


def test_of_an_imported_network_it_is_said_what_to_do(network: Path, tmp_path: Path) -> None:
    assert said("evaluate", network, "--target", "float").endswith("give --target emulator")
    export = ("export", network, "--target", "emulator", "--out", tmp_path / "a")
    report = ("report", network, "--out", tmp_path / "r.html")
    for command in (
        ("evaluate", network),
        ("parity", network),
        export,
        report,
    ):
        line = said(*command)
        assert "its task is not known; name one (--task RECIPE)" in line
        assert "--inputs FILE, or --inputs random" in line
    assert "no float network is known" in said("parity", network, "--inputs", "random")
    assert "holds no trained network; give a run" in said(
        "publish", network, "--out", tmp_path / "p"
    )


def test_an_imported_network_plays_a_task_that_is_named(network: Path, tmp_path: Path) -> None:
    task = ("--task", OWN_TASK)
    scored = json.loads(succeed("evaluate", network, *task, "--json").stdout)
    assert scored["samples"] == 16
    out = tmp_path / "artifact"
    succeed("export", network, "--target", "emulator", "--out", out, *task, "--samples", 3)
    levels = json.loads(succeed("parity", out, "--json").stdout)
    assert (levels["golden"]["exact"], levels["golden"]["samples"]) == (True, 3)
    assert levels["P0"]["skipped"]
    again = json.loads(succeed("evaluate", out, *task, "--json").stdout)
    assert again["accuracy"] == scored["accuracy"]


@pytest.mark.parametrize("kind", ["random", "npy", "npz", "floats"])
def test_an_imported_network_is_exported_with_inputs_that_are_given(
    network: Path, kind: str, tmp_path: Path
) -> None:
    given, inputs = tmp_path / f"inputs.{kind}", spikes(30, 5, 8)
    if kind == "random":
        given = Path("random")
    elif kind == "npz":
        np.savez_compressed(given, inputs=inputs)
    else:
        with given.open("wb") as file:
            np.save(file, inputs if kind == "npy" else inputs.astype(np.float32))
    out = tmp_path / "artifact"
    options = ("--target", "emulator", "--out", out, "--inputs", given, "--json")
    found = json.loads(succeed("export", network, *options).stdout)
    assert found["golden_samples"] == (16 if kind == "random" else 5)
    levels = json.loads(succeed("parity", out, "--json").stdout)  # golden and probe are enough
    assert {level for level, found in levels.items() if found["exact"]} == {"golden", "probe"}
    succeed("report", out)
    assert "The same network" in (out / "report.html").read_text(encoding="utf-8")
    assert "its task is not known" in said("evaluate", out)


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.trace),)


def _huge(file: Path) -> None:
    """A header that promises a petabyte."""
    with file.open("wb") as out:
        header = {"descr": "|b1", "fortran_order": False, "shape": (10**6, 10**8, 8)}
        np.lib.format.write_array_header_1_0(out, header)


WRONG = {
    "two axes": ("inputs of shape (30, 8), expected (time, sample, 8)", spikes(30, 8)),
    "another width": ("inputs of shape (30, 2, 9), expected (time, sample, 8)", spikes(30, 2, 9)),
    "nothing": ("inputs of shape (0, 2, 8)", spikes(0, 2, 8)),
    "halves": ("inputs[0, 0, 0] is 0.5, expected whole numbers", np.full((3, 2, 8), 0.5)),
    "not a number": ("inputs[0, 0, 0] is nan", np.full((3, 2, 8), np.nan)),
    "large": ("inputs[0, 0, 0] is 200", np.full((3, 2, 8), 200)),
    "texts": ("inputs are <U1, expected numbers", np.full((3, 2, 8), "1")),
}


@pytest.mark.parametrize("command", ["export", "parity", "report"])
@pytest.mark.parametrize(("words", "array"), WRONG.values(), ids=WRONG)
def test_wrong_inputs_are_refused_by_their_file(
    network: Path, command: str, words: str, array: np.ndarray, tmp_path: Path
) -> None:
    file, out = tmp_path / "inputs.npy", tmp_path / "out"
    np.save(file, array)
    target = ("--target", "emulator") if command == "export" else ()
    options = () if command == "parity" else ("--out", out)
    line = said(command, network, *target, *options, "--inputs", file)
    assert line.startswith(f"Error: {file}: ")
    assert words in line
    assert not out.exists()


def test_files_that_hold_no_inputs_are_refused(network: Path, tmp_path: Path) -> None:
    file = tmp_path / "inputs.npy"
    assert "no such file of inputs; give an .npy or .npz file, or 'random'" in said(
        "parity", network, "--inputs", file
    )
    np.save(file, spikes(3, 2, 8))
    file.write_bytes(file.read_bytes()[:-8])
    assert "can't be read as .npy or .npz" in said("parity", network, "--inputs", file)
    file.write_text("spikes")
    assert "can't be read as .npy or .npz" in said("parity", network, "--inputs", file)
    file.write_bytes(b"")
    assert "can't be read as .npy or .npz" in said("parity", network, "--inputs", file)
    _huge(file)
    assert f"{file}: " in said("parity", network, "--inputs", file)
    np.savez(file.with_suffix(".npz"), x=spikes(3, 2, 8), y=np.zeros(2))
    line = said("parity", network, "--inputs", file.with_suffix(".npz"))
    assert "holds no array 'inputs', only x, y" in line


def test_an_archive_that_grows_when_it_is_unpacked_is_not_unpacked(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "inputs.npz"
    np.savez_compressed(file, inputs=np.zeros((1000, 50, 8), np.bool_))
    monkeypatch.setattr("deploy.samples.LARGEST", 100_000)
    assert file.stat().st_size < 100_000
    assert "inputs are read up to 100000" in said("parity", network, "--inputs", file)


@pytest.mark.parametrize("how", ["a pickle", "an array of objects", "an archive of objects"])
def test_pickles_are_never_loaded(network: Path, how: str, tmp_path: Path) -> None:
    file, trace = tmp_path / "inputs.npy", tmp_path / "trace"
    objects = np.array([Bomb(trace)], dtype=object)
    if how == "a pickle":
        file.write_bytes(pickle.dumps(Bomb(trace)))
    elif how == "an array of objects":
        np.save(file, objects, allow_pickle=True)
    else:
        file = file.with_suffix(".npz")
        np.savez(file, inputs=objects)
    line = said(
        "export", network, "--target", "emulator", "--out", tmp_path / "a", "--inputs", file
    )
    assert line.startswith(f"Error: {file}: can't be read")
    assert not trace.exists()


@pytest.mark.parametrize("others", [("--samples", 3), ("--task", "store-recall"), ("--data", ".")])
def test_inputs_stand_alone(network: Path, others: tuple[object, ...]) -> None:
    result = lsnn_neuro("parity", network, "--inputs", "random", *others)
    assert result.exit_code == 2
    assert "--inputs stands alone" in result.output


def test_a_recipe_of_another_width_is_refused_at_the_import(network: Path, tmp_path: Path) -> None:
    file, out = network.parent / "other", tmp_path / "n.safetensors"
    form = (
        "nir"
        if lsnn_neuro("import", "nir", file, "--out", tmp_path / "x").exit_code == 0
        else "netx"
    )
    line = said("import", form, file, "--out", out, "--recipe", "store-recall")
    assert "task 'store-recall' has 100 inputs and 2 outputs, the network has 8 and 2" in line
    assert "is none of the built-in ones" in said(
        "import", form, file, "--out", out, "--recipe", "mine"
    )
    assert not out.exists()
    wide = said("evaluate", network, "--target", "emulator", "--task", "store-recall")
    assert "has 100 inputs and 2 outputs, the network has 8 and 2; choose another" in wide


@pytest.mark.parametrize("chip", ["loihi1", "loihi2"])
def test_more_sources_than_a_neuron_can_have_are_an_error(chip: str, tmp_path: Path) -> None:
    rng, n = np.random.default_rng(0), 4608
    wide = QuantizedNetwork(
        n_inputs=n, populations=(population("one", 1), li(READOUT, np.full(1, 200))),
        projections=(projection(INPUT, "one", n, 1, n, rng), projection("one", READOUT, 1, 1, 1, rng)),
    )  # fmt: skip
    file = tmp_path / "wide.safetensors"
    file_format.save(wide, file)
    line = said("inspect", file, "--chip", chip)
    assert "design rule fan-in: 'one', neuron 0, synapses has 4608, limit 4096" in line
    assert f"the limit of {chip} is assumed: " in line


def fields_of(text: str, level: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(level)]


@pytest.mark.parametrize("columns", ["20", "40", "79", "200", None])
def test_no_window_is_too_narrow_for_the_numbers_of_parity(
    columns: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    options = ("--target", "emulator", "--samples", 4)
    text = succeed("parity", MODEL, *options).stdout
    levels = json.loads(succeed("parity", MODEL, *options, "--json").stdout)
    assert "…" not in text
    for level in ("P0", "P1"):
        for p in levels[level]["populations"]:
            numbers = (p["spikes"], p["other_spikes"], p["mismatches"], f"{p['van_rossum']:.3f}")
            (line,) = (
                line for line in text.splitlines() if re.search(rf"\b{level}\W+{p['name']}\b", line)
            )
            assert [n for n in numbers if not re.search(rf"\b{n}\b", line)] == []


def readable(text: str) -> None:
    """Nested fields, one a line, and numbers that people read."""
    assert not re.search(r"[{}]|Counter|dtype|\d\.\d{9}", text), text
    assert "''" not in text
    assert not [line for line in text.splitlines() if line.rstrip() != line], text


@pytest.mark.parametrize(
    "path",
    [
        "models/delayed-xor",
        "tests/frozen/files/artifact",
        "tests/frozen/files/networks/alif.safetensors",
    ],
)
def test_inspect_is_for_people(path: str) -> None:
    text = succeed("inspect", ROOT / path).stdout
    readable(text)
    assert re.search(r"^populations:\n  \w+  ", text, re.MULTILINE)
    assert re.search(r"^projections:\n  \S+->\S+", text, re.MULTILINE)
    assert "synapse formats: mean 87.5%, fullest core 87.5% of 16 (assumed)" in text


def test_inspect_shows_what_the_run_of_an_lstm_holds() -> None:
    result = lsnn_neuro("inspect", ROOT / "models" / "navigation-lstm")
    assert result.exit_code == 1
    readable(result.stdout)
    assert "    kind: lstm" in result.stdout.splitlines()
    (line,) = result.stderr.splitlines()
    assert "an LSTM can't be quantized; only spiking networks run on Loihi" in line


@pytest.mark.slow
def test_a_report_says_what_its_figures_rest_on(tmp_path: Path) -> None:
    out = tmp_path / "a"
    export = ("export", MODEL, "--target", "emulator", "--out", out, "--json")
    exported = json.loads(succeed(*export).stdout)
    assert [name for name in exported if "joule" in name] == ["microjoule_estimate"]
    succeed("report", out)
    text = (out / "report.html").read_text(encoding="utf-8")
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))
    of_16 = {name: value for name, value in facts.items() if "accuracy" in name}
    assert len(of_16) == 2
    for name, value in of_16.items():
        assert name.endswith("16 decisions")
        assert re.fullmatch(r"\d+ of 16", value)
    assert facts["spikes, emulator"] == facts["spikes, quantization-aware"]
    (lead,) = re.findall(r"<p class=\"lead\">(Cores in use.*?)</p>", text, re.DOTALL)
    assert "has 88% of its synapse formats, 16 a core, a limit that no public source states" in lead
    assert re.search(r"Estimate: [\d.]+ µJ", lead)
    for picture in (text, (out / "mapping.svg").read_text()):
        assert "synapse formats (assumed limit)" in picture


def test_spikes_of_both_sides_stand_beside_their_differences(tmp_path: Path) -> None:
    run, out = train_tiny(tmp_path / "run"), tmp_path / "r.html"
    succeed("report", run, "--target", "emulator", "--samples", 2, "--out", out)
    text = out.read_text(encoding="utf-8")
    assert "<th>spikes</th>" in re.sub(r"<th[^>]*>", "<th>", text)
    assert "on the other side" in text
    assert (
        "spikes differ, of" in succeed("parity", run, "--target", "emulator", "--samples", 2).stdout
    )


@pytest.mark.parametrize("name", built_in())
def test_a_recipe_that_is_shown_is_that_recipe(name: str, tmp_path: Path) -> None:
    text = succeed("recipe", name).stdout
    assert tomli.loads(text)["name"] == name
    file = tmp_path / "shown.toml"
    file.write_text(text)
    assert ln.load_recipe(str(file)) == ln.load_recipe(name)


def losses(run: Path) -> Sequence[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_python_trains_on_integers_where_the_recipe_says_so(tmp_path: Path) -> None:
    fields = ("training.iterations=2", "training.batch_size=4", "training.validation_samples=8")
    options = [part for field in fields for part in ("--set", field)]
    succeed("train", "delayed-xor", "--out", tmp_path / "command", *options)
    recipe = ln.load_recipe("delayed-xor", fields)
    ln.train(recipe, tmp_path / "python", progress=False)
    file = tmp_path / "float.toml"
    text = recipe.to_toml()
    file.write_text(re.sub(r"\[quantization\]\n(.+\n)*", "", text))
    succeed("train", file, "--out", tmp_path / "float")
    assert losses(tmp_path / "python") == losses(tmp_path / "command") != losses(tmp_path / "float")
    bits = ("--target", "emulator", "--samples", 4)
    succeed("evaluate", tmp_path / "python", *bits)
