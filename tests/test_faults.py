"""What used to be accepted, or to end in a traceback, ends in one line that helps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import lsnn_neuro, said

from deploy.artifact import load_artifact, write_artifact
from deploy.manifest import OWN_HASH

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "models" / "delayed-xor"


def small(folder: Path, **training: object) -> Path:
    """A recipe that trains in a moment."""
    fields = {"iterations": 4, "batch_size": 4, "validate_every": 2, **training}
    lines = "".join(f"{name} = {value}\n" for name, value in fields.items())
    file = folder / "small.toml"
    file.write_text(
        'name = "small"\n[task]\nname = "store-recall"\ngroup_size = 2\nsymbol_steps = 4\nsymbols = 4\n'
        "expected_delay = 1\nvalidation = 8\ntest = 8\n[network]\nregular = 6\nadaptive = 2\n"
        f"input_connectivity = 0.5\nreadout_connectivity = 0.5\n[training]\n{lines}"
    )
    return file


@pytest.mark.parametrize("device", ["cuda", "foo", "cpu:x", "meta"])
def test_a_device_that_is_not_there(device: str, tmp_path: Path) -> None:
    line = said("train", small(tmp_path), "--out", tmp_path / "run", "--device", device)
    assert f"device {device!r}: c" in line  # can't be used here, computes nothing
    assert line.endswith("use cpu")


def test_a_run_that_is_beyond_the_end_it_is_given_is_left_alone(tmp_path: Path) -> None:
    recipe, run = small(tmp_path), tmp_path / "run"
    assert lsnn_neuro("train", recipe, "--out", run).exit_code == 0
    before = (run / "recipe.toml").read_bytes()
    shorter = ("--resume", "--set", "training.iterations=2")
    line = said("train", recipe, "--out", run, *shorter)
    assert "has come to iteration 4, beyond training.iterations = 2" in line
    assert (run / "recipe.toml").read_bytes() == before


def test_a_runs_own_recipe_goes_on_in_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert lsnn_neuro("train", small(tmp_path), "--out", "elsewhere").exit_code == 0
    result = lsnn_neuro(
        "train", "elsewhere/recipe.toml", "--resume", "--set", "training.iterations=6", "--json"
    )
    assert result.exit_code == 0, result.output
    assert not Path("runs").exists()
    assert len(Path("elsewhere/metrics.jsonl").read_text().splitlines()) == 6


def test_quantize_leaves_the_bits_that_are_set(tmp_path: Path) -> None:
    run = tmp_path / "run"
    bits = ("--quantize", "--set", "quantization.weight_bits=4")
    assert lsnn_neuro("train", small(tmp_path), "--out", run, *bits).exit_code == 0
    assert "weight_bits = 4" in (run / "recipe.toml").read_text()


def test_a_gradient_that_explodes_stops_the_run(tmp_path: Path) -> None:
    recipe = small(tmp_path, divergence_gradient=1e-9)
    line = said("train", recipe, "--out", tmp_path / "run")
    assert "the gradient explodes, its norm is" in line
    assert "above training.divergence_gradient = 1e-09" in line


def test_a_run_that_can_not_go_on_with_another_recipe_is_told_why(tmp_path: Path) -> None:
    recipe, run = small(tmp_path), tmp_path / "run"
    assert lsnn_neuro("train", recipe, "--out", run).exit_code == 0
    change = ("--set", "training.optimizer.name=AdamW", "--set", "training.iterations=6")
    line = said("train", recipe, "--out", run, "--resume", *change)
    assert "belongs to another recipe: training.optimizer.name was Adam, is AdamW; resume" in line


def test_fewer_iterations_than_a_recipe_with_restarts_has(tmp_path: Path) -> None:
    fewer = ("--set", "training.iterations=3")
    line = said("train", "teacher-networks", "--out", tmp_path / "run", *fewer)
    assert "restarts [8000] must rise and lie between 0 and iterations = 3" in line
    assert "set training.restarts too, [] for none" in line


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("training.optimizer.name=LBFGS", "training.optimizer.name: LBFGS needs a closure"),
        ("training.optimizer.name=Adamw", "(did you mean AdamW?)"),
        ("training.schedule.name=StepLR", "training.schedule: StepLR needs step_size"),
        ("training.schedule.name=ReduceLROnPlateau", "follows the scores of validations"),
    ],
)
def test_an_optimizer_or_schedule_that_can_not_be_leaves_no_run(
    change: str, told: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert told in said("train", small(tmp_path), "--out", out, "--set", change)
    assert not out.exists()


def test_misspelt_fields_are_answered_by_what_was_meant(tmp_path: Path) -> None:
    wrong = ("--set", "training.iteration=10", "--set", "network.tau_a=1e9")
    line = said("train", small(tmp_path), "--out", tmp_path / "run", *wrong)
    assert "training.iteration: there is no such field (did you mean iterations?), got 10" in line
    assert "network.tau_a: Input should be less than or equal to 1000000, got 1000000000.0" in line


@pytest.mark.parametrize("command", ["evaluate", "export", "parity", "report"])
def test_more_samples_than_there_are(command: str, tmp_path: Path) -> None:
    out: tuple[object, ...] = ()
    if command in ("export", "report"):
        out = ("--out", tmp_path / "a", "--target", "emulator")
    line = said(command, MODEL, "--samples", 100_000, *out)
    assert "--samples 100000: the test split of task 'delayed-xor' has 2048" in line


def test_a_rule_that_is_none_can_not_be_allowed(tmp_path: Path) -> None:
    options = ("--target", "emulator", "--allow", "nonsense")
    line = said("export", MODEL, "--out", tmp_path / "a", *options)
    assert (
        "--allow nonsense: there is no such design rule; there are accumulator, adaptation" in line
    )


def test_files_are_not_written_over(tmp_path: Path) -> None:
    out = tmp_path / "network.nir"
    out.write_text("mine")
    command = ("convert", MODEL, "--to", "nir", "--extended", "--out", out)
    assert "already exists; use --overwrite or another --out" in said(*command)
    assert out.read_text() == "mine"
    assert lsnn_neuro(*command, "--overwrite").exit_code == 0
    network = tmp_path / "network.safetensors"
    network.write_text("mine")
    command = ("import", "nir", out, "--out", network)
    assert "already exists" in said(*command)
    assert lsnn_neuro(*command, "--overwrite").exit_code == 0


def test_a_network_that_breaks_a_rule_of_the_chip_is_not_all_right(tmp_path: Path) -> None:
    good = lsnn_neuro("inspect", MODEL, "--json")
    assert (good.exit_code, json.loads(good.stdout)["violations"]) == (0, [])
    line = said("inspect", MODEL, "--chip", "loihi1")
    assert line.startswith("Error: design rule neuron-model: ")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact of a small model, for the emulator."""
    out = tmp_path_factory.mktemp("artifacts") / "a"
    options = ("--target", "emulator", "--out", out, "--samples", 4, "--weight-bits", 2)
    assert lsnn_neuro("export", MODEL, *options).exit_code == 0
    return out


def changed(artifact: Path, folder: Path) -> Path:
    copy = folder / "changed"
    shutil.copytree(artifact, copy)
    return copy


def test_an_artifact_is_evaluated_as_it_was_exported(artifact: Path) -> None:
    options = ("--samples", 64, "--json")
    as_exported = json.loads(lsnn_neuro("evaluate", artifact, *options).stdout)
    assert as_exported["target"] == "emulator"
    in_float = json.loads(lsnn_neuro("evaluate", artifact, "--target", "float", *options).stdout)
    assert in_float["accuracy"] > as_exported["accuracy"]  # of the network with 2-bit weights


def test_inspect_shows_the_network_of_the_artifact(artifact: Path) -> None:
    shown = json.loads(lsnn_neuro("inspect", artifact, "--json").stdout)
    whole = json.loads(lsnn_neuro("inspect", MODEL, "--json").stdout)
    assert shown["synapses"] < whole["synapses"]  # 2 bits round more of them to 0


@pytest.mark.parametrize("command", ["evaluate", "inspect", "parity"])
@pytest.mark.parametrize("what", ["truncated", "version", "manifest", "no manifest"])
def test_a_broken_artifact_is_refused(
    artifact: Path, tmp_path: Path, what: str, command: str
) -> None:
    broken = changed(artifact, tmp_path)
    manifest, network = broken / "manifest.json", broken / "network.safetensors"
    if what == "truncated":
        network.write_bytes(network.read_bytes()[:-8])
    elif what == "version":
        fields = json.loads(manifest.read_text()) | {"format_version": 99}
        manifest.write_text(json.dumps(fields))
    elif what == "manifest":
        manifest.write_text(manifest.read_text()[:-40])
    else:
        manifest.unlink()
    assert str(broken) in said(command, broken)


def test_parity_of_a_run_says_that_lava_is_left_out() -> None:
    result = lsnn_neuro("parity", MODEL, "--samples", 2)
    assert result.exit_code == 0
    assert "P2 left out: no --target" in result.output


def test_an_imported_network_whose_task_is_not_known_keeps_its_golden_spikes(
    artifact: Path, tmp_path: Path
) -> None:
    bare = changed(artifact, tmp_path)
    for name in ("best.safetensors", "recipe.toml"):
        (bare / name).unlink()
    manifest = json.loads((bare / "manifest.json").read_text())
    kept = {k: v for k, v in manifest["sha256"].items() if (bare / k).exists()}
    manifest |= {"sha256": kept, "format_version": 1}  # as release 0.1.0 wrote one
    del manifest[OWN_HASH]
    (bare / "manifest.json").write_text(json.dumps(manifest))
    levels = json.loads(lsnn_neuro("parity", bare, "--target", "emulator", "--json").stdout)
    assert {level for level, found in levels.items() if found["exact"]} == {"golden", "probe"}


def test_a_file_can_not_name_code_as_its_target(
    artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = tmp_path / "ran"
    Path("evil.py").write_text(f"open({str(ran)!r}, 'w')\nclass Target: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("evil.py:Target", "evil:Target"):
        bad = changed(artifact, tmp_path)
        network, golden = load_artifact(bad).network, load_artifact(bad)
        write_artifact(
            bad, network, target=name, inputs=golden.inputs, golden=golden.golden, about={},
            overwrite=True,
        )  # fmt: skip
        for command in ("evaluate", "parity", "report", "inspect"):
            result = lsnn_neuro(command, bad)
            assert command == "inspect" or result.exit_code == 1
            assert command == "inspect" or f"there is no target {name!r}" in result.output
        shutil.rmtree(bad)
    assert not ran.exists()


def test_what_a_user_names_has_to_be_a_target(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("class Mine: pass\ndef make(): pass\n")
    for thing in ("Mine", "make"):
        line = said("evaluate", MODEL, "--target", f"{file}:{thing}")
        assert "is no subclass of deploy.target.Target" in line
    assert "can't be imported" in said("evaluate", MODEL, "--target", f"{file}:Nothing")


def test_a_network_that_was_put_beside_an_artifact_is_not_part_of_it(
    artifact: Path, tmp_path: Path
) -> None:
    bare = changed(artifact, tmp_path)
    one = load_artifact(bare)
    write_artifact(
        bare, one.network, target="emulator", inputs=one.inputs, golden=one.golden, about={},
        overwrite=True,
    )  # fmt: skip
    shutil.copy(ROOT / "models" / "fsdd" / "best.safetensors", bare)
    levels = json.loads(lsnn_neuro("parity", bare, "--json").stdout)
    assert {level for level, found in levels.items() if found["exact"]} == {"golden"}


def test_a_chip_file_that_is_none_is_told_by_all_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "chip.toml"
    file.write_bytes(bytes(range(256)))
    assert f"chip {file}: can't be read" in said("inspect", MODEL, "--chip", file)
    text = (ROOT / "deploy" / "mapping" / "loihi2.toml").read_text()
    file.write_text(text.replace("cores = {", "kores = {", 1).replace("fan_in = {", "fan = {"))
    line = said("inspect", MODEL, "--chip", file)
    for field in ("limits.cores", "limits.kores", "limits.fan_in", "limits.fan"):
        assert f"{field}: " in line


def test_options_of_a_target_are_told(tmp_path: Path) -> None:
    parity = ("parity", MODEL, "--target", "loihi-sim", "--target-option")
    assert "option 'model', expected KEY=VALUE" in said(*parity, "model")
    assert "there is no option 'modell=fused'; it has model, lif" in said(*parity, "modell=fused")
    assert "target 'float' has none" in said("evaluate", MODEL, "--target-option", "model=fused")


def test_the_kernel_says_which_array_has_another_length() -> None:
    kernel = pytest.importorskip("lsnn_neuro._kernel")
    network = kernel.FloatNetwork(2)
    ends = {name: np.zeros(3, np.int64) for name in ("source", "target", "delay")}
    with pytest.raises(ValueError, match="kernel: target has 4 values, expected 3"):
        network.connect(
            **ends | {"target": np.zeros(4, np.int64)}, weight=np.zeros(3, np.float32), active=None
        )
