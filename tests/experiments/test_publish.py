"""Publishing: a model's folder holds the run's best network, and its card tells the truth of it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from small_models import small_recipe, small_run

from cli import main
from deploy.artifact import load_artifact
from deploy.publishing.card import Card
from deploy.publishing.folder import publish
from deploy.publishing.log import read_metrics, write_thinned
from deploy.publishing.measurement import measure
from lsnn_neuro import files
from lsnn_neuro.checkpoint import BEST, Checkpoint
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.files import sha256
from lsnn_neuro.tasks import make_task
from quantize.conversion import convert
from quantize.emulator import emulate_reference

FILES = {"best.safetensors", "recipe.toml", "metrics.jsonl.gz", "card.json", "card.md"}


def network_of(folder):
    return Checkpoint.load(folder / BEST).network(folder / BEST)


def cli(*arguments):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return small_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def model(run):
    publish(run, run.parent / "model", lava_samples=0)
    return run.parent / "model"


@pytest.fixture(scope="module")
def card(model):
    return Card.load(model)


def test_a_model_holds_network_recipe_log_and_card(model):
    assert {file.name for file in model.iterdir()} == FILES


OLDER = sorted((Path(__file__).parents[1] / "frozen" / "files" / "older").glob("checkpoint-*"))


@pytest.mark.parametrize("old", OLDER, ids=lambda path: path.name)
def test_a_model_of_an_older_run_is_written_as_this_release_writes_it(old, tmp_path):
    publish(old, tmp_path / "model", lava_samples=0)
    file = tmp_path / "model" / BEST
    assert files.read(file, files.CHECKPOINT).version == files.CHECKPOINT.version
    found, network = Checkpoint.load(file), network_of(old)
    assert (found.n_inputs, found.n_outputs) == (network.spec.n_inputs, network.spec.n_outputs)
    x = torch.rand(20, 3, found.n_inputs) < 0.3
    assert torch.equal(network_of(tmp_path / "model")(x).readout, network(x).readout)


def test_the_network_is_the_runs_best(run, model):
    x = torch.rand(20, 3, network_of(run).spec.n_inputs) < 0.3
    assert torch.equal(network_of(model)(x).readout, network_of(run)(x).readout)
    assert (model / BEST).stat().st_size < (run / "last.safetensors").stat().st_size


@pytest.mark.parametrize(("target", "field"), [("float", "accuracy"), ("emulator", None)])
def test_evaluate_finds_the_accuracy_of_the_card(model, card, target, field):
    found = cli("evaluate", model, "--target", target, "--json")
    assert found["samples"] == card.test_samples == 1000
    expected = card.score if field else card.integers.score
    assert found["accuracy"] == expected


def test_the_card_counts_parameters_rates_and_operations_as_counting_by_hand_does(model, card):
    network = network_of(model)
    spec, n = network.spec, 10 + 8
    assert card.active_parameters == sum(np.count_nonzero(p.weight) for p in spec.projections) + 10
    assert card.total_parameters == spec.n_inputs * n + n * n + n * 10 + 10
    quantized, _ = convert(network.to_spec())
    inputs = next(make_task(small_recipe().task).batches("test", 1000)).inputs
    spikes, _ = emulate_reference(quantized, inputs)
    for population in spikes:
        steps, samples, neurons = population.spikes.shape
        rate = population.spikes.sum() / (steps * samples * neurons) * 1000
        assert card.integers.rates_hz[population.name] == pytest.approx(rate)
    trains = {p.name: p.spikes for p in spikes} | {"input": inputs}
    met = sum(
        int(trains[projection.source][:, :, source].sum())
        for projection in quantized.projections
        for source in projection.source_index  # each synapse by itself
    )
    assert met > 0
    assert card.integers.operations == pytest.approx(met / 1000)


def test_p1_is_exact_over_the_complete_test_set(card):
    p1 = card.integers.parity["P1"]
    assert p1.samples == 1000
    assert p1.spikes > 0
    assert p1.exact
    assert card.integers.aware == card.integers.score
    assert "P2" not in card.integers.parity


def test_p2_runs_on_lava(model):
    parity = measure(model, lava_samples=2).integers.parity["P2"]
    assert parity.other.startswith("loihi-sim")
    assert parity.samples == 2
    assert parity.spikes > 0
    assert parity.exact


def test_every_weight_width_is_measured_and_eight_bits_are_the_models_own(card):
    widths = card.integers.by_weight_bits
    assert sorted(widths) == [2, 3, 4, 5, 6, 7, 8]
    assert widths[8] == card.integers.score
    assert widths[2] != widths[8]


def test_progress_and_hashes_are_those_of_the_run(run, model, card):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert card.iterations == card.max_iterations == 4
    assert card.seconds == round(lines[-1]["seconds"], 1)
    assert card.validation_score == max(line.get("validation_accuracy", 0) for line in lines)
    assert card.best_iteration in (2, 4)
    assert card.sha256 == {name: sha256(model / name) for name in FILES if "card" not in name}
    assert card.belongs_to(model)


def test_the_page_says_what_the_card_says(model, card):
    text = (model / "card.md").read_text()
    for words in (f"{card.score:.2%}", f"{card.integers.score:.2%}", "P1: emulator against",
                  "exact: 0 mismatches", f"{card.active_parameters} of {card.total_parameters:,}",
                  "evaluate models/model --target emulator", card.sha256[BEST]):  # fmt: skip
        assert words in text, words


def test_publishing_again_gives_the_same_bytes(run, model, tmp_path):
    publish(run, tmp_path / "model", lava_samples=0)
    for name in FILES:
        assert (tmp_path / "model" / name).read_bytes() == (model / name).read_bytes(), name


def test_a_published_model_can_be_published_from(model, tmp_path):
    """A dense, unthinned run and what was made of it give the same."""
    publish(model, tmp_path / "model", lava_samples=0)
    assert (tmp_path / "model" / BEST).read_bytes() == (model / BEST).read_bytes()


def test_the_width_of_quantization_aware_training_travels_with_the_model(tmp_path):
    run = small_run(tmp_path / "run", "quantization.weight_bits=3")
    card = publish(run, tmp_path / "model", lava_samples=0)
    assert card.trained_bits == card.integers.weight_bits == 3
    assert card.integers.score == card.integers.by_weight_bits[3]
    found = cli("evaluate", tmp_path / "model", "--target", "emulator", "--json")
    assert found["accuracy"] == card.integers.score
    assert card.integers.parity["P1"].exact
    levels = cli("parity", tmp_path / "model", "--samples", 5, "--json")
    assert {level for level, found in levels.items() if "skipped" not in found} == {"P0", "P1"}
    assert levels["P1"]["exact"]
    assert levels["P1"]["samples"] == 5
    cli("export", tmp_path / "model", "--target", "emulator", "--out", tmp_path / "a", "--json")
    exported = load_artifact(tmp_path / "a").network
    assert exported.provenance.weight_bits == 3
    for projection in exported.projections:
        assert not (projection.weight_mant % 2**5).any()  # the grid of 3 bits


def test_the_card_says_whose_network_the_run_started_from(model, card, tmp_path):
    run = small_run(tmp_path / "run", f"training.start='{model}'")
    assert card.initialized_from is None
    assert publish(run, tmp_path / "model", lava_samples=0).initialized_from == str(model)
    assert f"from the network of `{model}` for" in (tmp_path / "model" / "card.md").read_text()


def test_parity_of_a_model_needs_no_artifact(model):
    levels = cli("parity", model, "--json")
    assert levels["P1"]["samples"] == 16
    assert levels["P1"]["exact"]
    assert levels["P1"]["spikes"] > 0


def test_an_lstm_has_a_card_without_integers(tmp_path):
    recipe = tmp_path / "lstm.toml"
    recipe.write_text(
        'name = "lstm"\n[task]\nname = "sequential-mnist"\nlayout = "rows"\ncoding = "level"\n'
        'thresholds = 1\ncue_steps = 4\ndecision_steps = 4\n[network]\nkind = "lstm"\nunits = 4\n'
        "[training]\niterations = 1\nbatch_size = 4\nvalidation_samples = 4\n"
    )
    cli("train", recipe, "--out", tmp_path / "run", "--json")
    card = publish(tmp_path / "run", tmp_path / "model")
    assert card.integers is None
    assert card.active_parameters == card.total_parameters == 4 * 4 * (29 + 4 + 2) + 4 * 10 + 10
    assert "can't be quantized" in (tmp_path / "model" / "card.md").read_text()
    assert Card.load(tmp_path / "model") == card


def test_what_is_in_the_way_is_kept(run, model, tmp_path):
    before = (model / "card.json").read_bytes()
    with pytest.raises(FileFormatError, match="already exists; use --overwrite"):
        publish(run, model, lava_samples=0)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    with pytest.raises(FileFormatError, match="is not a model and is not overwritten"):
        publish(run, tmp_path / "thesis", overwrite=True)
    assert (model / "card.json").read_bytes() == before


def test_a_run_that_can_not_be_published_leaves_nothing_behind(run, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / BEST).write_bytes((run / BEST).read_bytes())
    with pytest.raises(FileFormatError, match=r"holds neither metrics\.jsonl nor"):
        publish(tmp_path / "run", tmp_path / "models" / "m")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_the_command_publishes(run, tmp_path):
    arguments = ("publish", run, "--out", tmp_path / "m", "--lava-samples", 0, "--json")
    result = cli(*arguments)
    assert result["score"] == Card.load(tmp_path / "m").score
    again = CliRunner().invoke(main, [str(a) for a in arguments])
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    cli(*arguments, "--overwrite")


def log(n, validated):
    return [
        {"iteration": i, "seconds": i / 4, "loss": 1 / i}
        | ({"validation_accuracy": 0.5} if i in validated else {})
        for i in range(1, n + 1)
    ]


def test_a_thinned_log_keeps_validations_every_fiftieth_and_the_last(tmp_path):
    lines = log(217, {30, 60})
    write_thinned(lines, tmp_path / "metrics.jsonl.gz")
    kept = read_metrics(tmp_path)
    assert [line["iteration"] for line in kept] == [30, 50, 60, 100, 150, 200, 217]
    assert all(line in lines for line in kept)
    write_thinned(kept, tmp_path / "again.gz")
    assert (tmp_path / "again.gz").read_bytes() == (tmp_path / "metrics.jsonl.gz").read_bytes()
    assert (tmp_path / "again.gz").read_bytes()[4:8] == bytes(4)  # no time of day in it


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"{"), gzip.compress(b"3\n"), gzip.compress(b'{"loss": 1}\n')],
    ids=("no gzip", "cut", "a number", "no iteration"),
)
def test_an_unreadable_log_is_refused(tmp_path, content):
    (tmp_path / "metrics.jsonl.gz").write_bytes(content)
    with pytest.raises(FileFormatError, match=r"metrics\.jsonl\.gz: (not|can.t be read)"):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.pop("seed"), "card.json: seed: Field required"),
        (lambda card: card.update(luck=1), "card.json: luck: Extra inputs"),
        (lambda card: card["integers"].update(aware="good"), "card.json: integers.aware"),
    ],
)
def test_a_card_that_is_none_is_refused(model, tmp_path, change, message):
    card = json.loads((model / "card.json").read_text())
    change(card)
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(FileFormatError) as caught:
        Card.load(tmp_path)
    assert message in str(caught.value)
