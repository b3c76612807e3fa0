"""The command line, through click's runner and once as a real process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import lsnn_neuro, succeed, train_tiny

from deploy import api, console, model
from deploy.artifact import load_artifact, write_artifact
from lsnn_neuro.errors import NetworkError
from quantize.conversion_report import ConversionReport
from quantize.design_rules import Violation
from quantize.record import PopulationSpikes, SpikeRecord


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_tiny(tmp_path_factory.mktemp("cli") / "run")


@pytest.fixture(scope="module")
def artifact(run: Path) -> Path:
    out = run.parent / "artifact"
    succeed("export", run, "--target", "loihi-sim", "--out", out, "--samples", "4")
    return out


def test_train_leaves_recipe_checkpoints_and_metrics(run: Path) -> None:
    names = {file.name for file in run.iterdir()}
    assert names == {"recipe.toml", "best.safetensors", "last.safetensors", "metrics.jsonl",
                     "tensorboard"}  # fmt: skip
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [1, 2, 3]
    assert "validation_accuracy" in lines[1]


def test_resume_goes_on_to_more_iterations(tmp_path: Path) -> None:
    out = train_tiny(tmp_path / "run")
    succeed(
        "train", out / "recipe.toml", "--out", out, "--resume", "--set", "training.iterations=5"
    )
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 5


def test_quantize_switch_trains_with_the_integer_forward_pass(tmp_path: Path) -> None:
    out = train_tiny(tmp_path / "run", options=("--quantize",))
    assert "weight_bits = 8" in (out / "recipe.toml").read_text()


@pytest.mark.parametrize("target", ["float", "emulator"])
def test_evaluate_prints_target_samples_and_accuracy(run: Path, target: str) -> None:
    result = json.loads(
        succeed("evaluate", run, "--target", target, "--samples", 20, "--json").stdout
    )
    assert result["target"] == target
    assert result["samples"] == 20
    assert 20 * result["accuracy"] == pytest.approx(round(20 * result["accuracy"]))


def test_data_for_a_task_that_reads_none_are_refused(tmp_path: Path) -> None:
    model = Path(__file__).parents[1] / "models" / "delayed-xor"
    result = lsnn_neuro("evaluate", model, "--data", tmp_path)
    assert result.exit_code == 1
    assert "task 'delayed-xor' reads no data" in result.output


def test_evaluate_on_lava_scores_exactly_as_the_emulator(artifact: Path) -> None:
    scores = [
        json.loads(
            succeed("evaluate", artifact, "--target", target, "--samples", 12, "--json").stdout
        )["accuracy"]
        for target in ("emulator", "loihi-sim")
    ]
    assert scores[0] == scores[1]


def test_parity_is_exact_on_every_exact_level(artifact: Path) -> None:
    levels = json.loads(succeed("parity", artifact, "--json").stdout)
    assert set(levels) == {"golden", "P0", "P1", "P2", "probe", "P2 probe"}
    for level in ("probe", "P2 probe"):
        assert levels[level]["exact"]
    for level in ("golden", "P1", "P2"):
        assert levels[level]["exact"]
        assert levels[level]["mismatches"] == 0
        assert levels[level]["spikes"] > 0
        assert levels[level]["samples"] == 4
        assert levels[level]["first_divergence"] is None


def test_parity_table_names_populations_and_verdict(artifact: Path) -> None:
    output = succeed("parity", artifact, "--target", "emulator", "--samples", 2).output
    assert "adaptive" in output
    assert "P1: quantization-aware against emulator: exact" in output


def test_a_single_flipped_golden_spike_ends_with_exit_code_1(
    artifact: Path, tmp_path: Path
) -> None:
    loaded = load_artifact(artifact)
    first = loaded.golden.spikes[0]
    flipped = first.spikes.copy()
    flipped[7, 2, 3] ^= True
    changed = SpikeRecord(
        spikes=(PopulationSpikes(name=first.name, spikes=flipped), *loaded.golden.spikes[1:]),
        readout=loaded.golden.readout, target="golden", seconds=0,
    )  # fmt: skip
    write_artifact(
        tmp_path / "bad", loaded.network, target="emulator", inputs=loaded.inputs, golden=changed,
        about={}, files={"best.safetensors": (artifact / "best.safetensors").read_bytes()},
    )  # fmt: skip
    result = lsnn_neuro("parity", tmp_path / "bad", "--json")
    assert result.exit_code == 1
    where = json.loads(result.stdout)["golden"]["first_divergence"]
    assert (where["step"], where["sample"], where["neuron"]) == (7, 2, 3)
    assert where["population"] == first.name


def test_a_network_other_than_the_checkpoint_fails_P1_with_both_states(  # noqa: N802
    artifact: Path, tmp_path: Path
) -> None:
    other = train_tiny(tmp_path / "other", "seed=99")
    loaded = load_artifact(artifact)
    write_artifact(
        tmp_path / "mixed", loaded.network, target="emulator", inputs=loaded.inputs,
        golden=loaded.golden, about={},
        files={"best.safetensors": (other / "best.safetensors").read_bytes()},
    )  # fmt: skip
    result = lsnn_neuro("parity", tmp_path / "mixed", "--json")
    assert result.exit_code == 1
    where = json.loads(result.stdout)["P1"]["first_divergence"]
    assert where["reference_value"] != where["other_value"]
    assert where["reference"]["z"] != where["other"]["z"]


def test_inspect_reports_scales_and_time_constants(artifact: Path) -> None:
    result = json.loads(succeed("inspect", artifact, "--json").stdout)
    populations = {p["name"]: p for p in result["populations"]}
    assert list(populations) == ["regular", "adaptive", "readout"]
    assert populations["adaptive"]["tau_a"] == pytest.approx([60, 60], rel=0.01)
    assert populations["adaptive"]["scale"] > 0
    assert "tau_a" not in populations["regular"]
    assert result["violations"] == []


def test_inspect_system_says_why_a_target_is_missing() -> None:
    targets = json.loads(succeed("inspect", "--system", "--json").stdout)["targets"]
    assert targets["emulator"] == "ready"
    assert targets["loihi-sim"] == "ready"
    assert targets["loihi2"]


@pytest.fixture
def _flawed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network breaks a design rule and loses more than it should."""
    violation = Violation(
        rule="driven", object="population 'regular'", value=3, limit=2, remedy="try again"
    )
    for user in (api, console):
        monkeypatch.setattr(user, "check", lambda network, values=None: [violation])
    monkeypatch.setattr(ConversionReport, "flags", lambda report: ["lost a lot"])


RULE = "design rule driven: population 'regular' has 3, limit 2; try again"


@pytest.mark.usefixtures("_flawed")
@pytest.mark.parametrize(
    "command",
    [["evaluate", "--samples", "4"], ["evaluate", "--target", "emulator", "--samples", "4"],
     ["parity", "--samples", "4"], ["export", "--target", "emulator", "--allow", "driven"]],
    ids=" ".join,
)  # fmt: skip
def test_broken_design_rules_and_losses_are_warnings(
    run: Path, tmp_path: Path, command: list[str]
) -> None:
    options = ["--out", tmp_path / "a"] if command[0] == "export" else []
    result = succeed(command[0], run, *command[1:], *options, "--json")
    said = [
        line
        for line in result.stderr.splitlines()
        if "at their limit" not in line and "left out" not in line
    ]
    assert sorted(said) == [RULE, "quantization: lost a lot"]
    assert json.loads(result.stdout)


@pytest.mark.usefixtures("_flawed")
def test_training_ends_with_the_same_warnings(tmp_path: Path) -> None:
    train_tiny(tmp_path / "run")
    result = succeed("train", tmp_path / "run" / "recipe.toml", "--out", tmp_path / "run",
                     "--resume", "--json")  # fmt: skip
    assert result.stderr.splitlines() == [RULE, "quantization: lost a lot"]
    assert json.loads(result.stdout)["iterations"] == 3


@pytest.mark.usefixtures("_flawed")
def test_of_an_artifact_only_the_rules_are_checked_again(artifact: Path) -> None:
    result = succeed("parity", artifact, "--target", "emulator")
    assert result.stderr.splitlines() == [RULE, "P2 left out: no --target but the emulator"]


def test_a_network_that_can_not_be_quantized_is_evaluated_in_float_all_the_same(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NetworkError("population 'regular': too strong")

    monkeypatch.setattr(model, "convert", refuse)
    result = succeed("evaluate", run, "--samples", "4", "--json")
    assert result.stderr.splitlines() == ["quantization: population 'regular': too strong"]
    assert json.loads(result.stdout)["samples"] == 4
    failed = lsnn_neuro("evaluate", run, "--target", "emulator", "--samples", "4")
    assert failed.stderr.splitlines() == ["Error: population 'regular': too strong"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "no-such-recipe"], "no recipe 'no-such-recipe'"),
        (["train", "smnist-row"], "no recipe 'smnist-row' (did you mean smnist-rows?)"),
        (["train", "missing.toml"], "missing.toml: no such recipe file"),
        (["train", "smnist-rows", "--set", "training.lr=-1"], "training.lr"),
        (["train", "smnist-rows", "--set", "training.speed=1"], "training.speed"),
        (["train", "smnist-rows", "--set", "lr"], "expected section.field=value"),
        (["evaluate", "nowhere"], "nowhere: no such file or folder"),
        (["parity", "nowhere"], "nowhere: no such file or folder"),
        (["export", "nowhere", "--target", "emulator", "--out", "x"], "nowhere: no such file"),
    ],
)
def test_a_mistake_is_answered_in_one_line(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    result = lsnn_neuro(*arguments)
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.output


def test_a_misspelt_target_is_answered_with_the_one_it_is_close_to(run: Path) -> None:
    result = lsnn_neuro("evaluate", run, "--target", "emulatr")
    assert result.exit_code == 2
    assert "there is no target 'emulatr' (did you mean emulator?); there are float" in result.stderr


def test_integers_alone_are_evaluated_on_the_emulator(artifact: Path) -> None:
    arguments = ("--task", artifact / "recipe.toml", "--samples", 4, "--json")
    result = json.loads(succeed("evaluate", artifact / "network.safetensors", *arguments).stdout)
    assert result["target"] == "emulator"
    assert result["samples"] == 4


def test_an_artifact_is_not_published(artifact: Path, tmp_path: Path) -> None:
    result = lsnn_neuro("publish", artifact, "--out", tmp_path / "model")
    assert result.exit_code == 1
    assert "is an artifact; publish the run that it was exported from" in result.stderr


def test_a_run_in_the_way_is_kept(run: Path) -> None:
    before = (run / "best.safetensors").read_bytes()
    result = lsnn_neuro("train", "smnist-rows", "--out", run)
    assert result.exit_code == 1
    assert "already holds a run" in result.stderr
    assert (run / "best.safetensors").read_bytes() == before


def test_an_artifact_in_the_way_is_kept_unless_told(run: Path, artifact: Path) -> None:
    arguments = ("export", run, "--target", "emulator", "--out", artifact.parent / "twice")
    succeed(*arguments)
    result = lsnn_neuro(*arguments)
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    succeed(*arguments, "--overwrite")


def test_a_changed_artifact_file_is_refused(artifact: Path, run: Path) -> None:
    out = artifact.parent / "changed"
    succeed("export", run, "--target", "emulator", "--out", out)
    file = out / "network.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x07")
    result = lsnn_neuro("parity", out)
    assert result.exit_code == 1
    assert "network.safetensors: was changed since the export" in result.stderr


def test_export_for_a_missing_chip_works_and_parity_says_why_not(run: Path, tmp_path: Path) -> None:
    succeed("export", run, "--target", "loihi2", "--out", tmp_path / "a")
    result = lsnn_neuro("parity", tmp_path / "a")
    assert result.exit_code == 1
    assert "loihi2: lava-loihi is not installed" in result.stderr


def test_an_lstm_is_not_exported(tmp_path: Path) -> None:
    recipe = tmp_path / "lstm.toml"
    recipe.write_text(
        'name = "lstm"\n[task]\nname = "sequential-mnist"\nlayout = "rows"\ncoding = "level"\n'
        'thresholds = 1\ncue_steps = 4\ndecision_steps = 4\n[network]\nkind = "lstm"\nunits = 4\n'
        "[training]\niterations = 1\nbatch_size = 4\nvalidation_samples = 4\n"
    )
    succeed("train", recipe, "--out", tmp_path / "run")
    assert succeed("evaluate", tmp_path / "run", "--samples", 4).stderr == ""
    for command in (
        ["export", "--target", "emulator", "--out", tmp_path / "a"],
        ["parity"],
        ["evaluate", "--target", "emulator"],
        ["inspect"],
    ):
        result = lsnn_neuro(command[0], tmp_path / "run", *command[1:])
        assert result.exit_code == 1
        assert "an LSTM can't be quantized; only spiking networks run on Loihi" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_debug_keeps_the_traceback() -> None:
    result = lsnn_neuro("--debug", "train", "no-such-recipe")
    assert type(result.exception).__name__ == "RecipeError"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_shell_code(shell: str) -> None:
    assert "_LSNN_NEURO_COMPLETE" in succeed("completion", shell).output


def test_every_command_has_help_with_an_example() -> None:
    for command in ("train", "evaluate", "export", "parity", "publish", "inspect", "completion"):
        assert "  lsnn-neuro " in succeed(command, "--help").output


def test_the_installed_command_runs_as_a_process(run: Path, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("lsnn-neuro")
    done = subprocess.run(
        [command, "evaluate", run, "--target", "emulator", "--samples", "8", "--json"],
        capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] == 8
    failed = subprocess.run(
        [command, "evaluate", "nowhere"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("Error: nowhere: no such file")


def test_golden_files_survive_a_round_trip(artifact: Path) -> None:
    loaded = load_artifact(artifact)
    assert loaded.inputs.dtype == np.bool_
    assert loaded.golden.n_samples == 4
    assert loaded.network.provenance.recipe == "smnist-rows"
