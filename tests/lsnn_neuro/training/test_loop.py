"""The training loop: reproducible, resumable bit for bit, and never losing a run."""

import json
import math
import os
import shlex
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from random_lsnns import tiny_recipe
from same import differences
from torch import nn

from lsnn_neuro.checkpoint import BEST, LAST, Checkpoint
from lsnn_neuro.errors import FileFormatError, TrainingError
from lsnn_neuro.network import kernel
from lsnn_neuro.network.module import NetworkOutput
from lsnn_neuro.parts import owned
from lsnn_neuro.recipe import Recipe, load_recipe, parse_recipe
from lsnn_neuro.tasks.labels import ClassLabels
from lsnn_neuro.training import Trainer, summary, train
from quantize.aware import QuantizationAware


def run(recipe, folder, *, wrap=None, **options):
    """Train; ``wrap`` puts something around the network that the recipe does not know of."""
    with pytest.MonkeyPatch.context() as patch:
        if wrap is not None:
            patch.setattr(Recipe, "model", lambda self, network: wrap(network))
        return train(recipe, folder, progress=False, **options)


class Disturbed(nn.Module):
    """A network around which something happens in the n-th training pass."""

    def __init__(self, network, n, act):
        super().__init__()
        self.network, self.n, self.act = network, n, act

    def forward(self, x):
        output = self.network(x)
        if torch.is_grad_enabled():
            self.n -= 1
            if self.n == 0:
                return self.act(output)
        return output


def disturb(n, act):
    return lambda network: Disturbed(network, n, act)


def interrupt(output):
    os.kill(os.getpid(), signal.SIGINT)
    return output


def terminate(output):
    os.kill(os.getpid(), signal.SIGTERM)
    return output


def hang_up(output):
    os.kill(os.getpid(), signal.SIGHUP)
    return output


def time_is_up(output):
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGTERM)  # a scheduler's second word: the iteration still ends
    return output


class PowerCutError(Exception):
    pass


def power_cut(_):
    raise PowerCutError


def metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def assert_same_run(one, two):
    for name in (LAST, BEST):
        a, b = Checkpoint.load(one / name), Checkpoint.load(two / name)
        assert a.recipe == b.recipe
        assert dict(a.progress, seconds=0) == dict(b.progress, seconds=0)
        assert differences(a.spec, b.spec) == []
        assert a.arrays.keys() == b.arrays.keys()
        for key in a.arrays:
            assert a.arrays[key].dtype == b.arrays[key].dtype, key
            assert a.arrays[key].shape == b.arrays[key].shape, key
            np.testing.assert_array_equal(a.arrays[key], b.arrays[key], err_msg=key)
    assert metrics(one) == metrics(two)


def with_network(name, network):
    """A tiny recipe with another network."""
    data = tiny_recipe().to_dict() | {"name": name, "network": network}
    return parse_recipe(data, name)


LAYERS = {"kind": "stack", "layers": (4, 3), "neuron": "alif", "recurrent": True, "skip": True,
          "tau_i": 4.0, "connectivity": 0.6, "readout_connectivity": 0.7, "max_delay": 3,
          "learn": ("tau_m", "tau_i", "bias")}  # fmt: skip
GRAPH = {
    "kind": "graph",
    "populations": (
        {"name": "a", "neuron": "if", "size": 4, "constants": {"b0": 0.1, "at_threshold": True}},
        {"name": "b", "neuron": "ahp", "size": 3, "constants": {"tau_a": (20.0, 60.0), "n_ref": 2}},
        {"name": "out", "neuron": "li", "tau_i": 3.0, "learn": ("offset", "tau_out")},
    ),
    "projections": (
        {"source": "input", "target": "a", "connectivity": 0.6},
        {"source": "a", "target": "b", "connectivity": 0.6, "max_delay": 2},
        {"source": "b", "target": "a", "connectivity": 0.6, "signs": "dale"},
        {"source": "b", "target": "out"},
        {"source": "input", "target": "out", "connectivity": 0.5},
    ),
}  # fmt: skip
RECIPES = {
    "lsnn": tiny_recipe(),
    "stack": with_network("stack", LAYERS),
    "graph": with_network("graph", GRAPH),
    "lif-only": tiny_recipe(network={"adaptive": 0}),
    "without-rewiring": tiny_recipe(deep_r=None),
    "dense": tiny_recipe(network={"signs": "unconstrained"}, deep_r=None),
    "lstm": parse_recipe(
        tiny_recipe(deep_r=None).to_dict() | {"network": {"kind": "lstm", "units": 4}},
        "lstm",
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Folders of uninterrupted runs."""
    folders = {}
    for name in ("lsnn", "stack", "graph", "lstm"):
        folders[name] = tmp_path_factory.mktemp(name)
        run(RECIPES[name], folders[name])
    return folders


@pytest.mark.parametrize("name", RECIPES)
def test_every_kind_of_network_trains_in_the_same_loop(tmp_path, name):
    recipe = RECIPES[name]
    trainer = run(recipe, tmp_path / "run")
    assert trainer.finished
    assert trainer.iteration == 7
    assert summary(trainer)["iterations"] == 7
    lines = metrics(tmp_path / "run")
    assert [line["iteration"] for line in lines] == [1, 2, 3, 4, 5, 6, 7]
    assert [line["iteration"] for line in lines if "validation_accuracy" in line] == [3, 6, 7]
    assert all(math.isfinite(value) for line in lines for value in line.values())
    assert [line["lr"] for line in lines] == [0.01] * 4 + [0.005] * 3
    if name == "lsnn":
        assert {line["active_synapses"] for line in lines} == {trainer.deep_r.cap}
    assert (tmp_path / "run" / "recipe.toml").read_text() == recipe.to_toml()
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_the_same_recipe_and_seed_give_the_same_run(tmp_path, whole):
    run(tiny_recipe(), tmp_path / "again")
    assert_same_run(whole["lsnn"], tmp_path / "again")


def test_another_seed_gives_another_run(tmp_path):
    a = Trainer(tiny_recipe())
    b = Trainer(tiny_recipe().model_copy(update={"seed": 6}))
    assert differences(a.network.to_spec(), b.network.to_spec())


@pytest.mark.parametrize(
    ("name", "iteration", "act"),
    [
        ("lsnn", 1, interrupt),
        ("lsnn", 3, interrupt),
        ("lsnn", 5, interrupt),
        ("lsnn", 5, terminate),
        ("lsnn", 5, hang_up),
        ("lsnn", 5, time_is_up),
        ("stack", 4, interrupt),
        ("graph", 5, interrupt),
        ("lstm", 5, interrupt),
    ],
)
def test_an_interrupted_and_resumed_run_equals_an_uninterrupted_one(
    tmp_path, whole, name, iteration, act
):
    recipe = RECIPES[name]
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(TrainingError, match=f"after iteration {iteration}; nothing is lost"):
        run(recipe, tmp_path / "parts", wrap=disturb(iteration, act))
    assert signal.getsignal(signal.SIGINT) is before
    assert Checkpoint.load(tmp_path / "parts" / LAST).progress["iteration"] == iteration
    run(recipe, tmp_path / "parts", resume=True)
    assert_same_run(whole[name], tmp_path / "parts")


def test_an_interrupted_run_gives_the_command_that_goes_on_as_a_shell_takes_it(tmp_path):
    folder = tmp_path / "a run's folder"
    with pytest.raises(TrainingError, match="interrupted by SIGTERM after iteration 2") as caught:
        run(tiny_recipe(), folder, wrap=disturb(2, terminate))
    command = shlex.split(str(caught.value).split("go on with: ")[1])
    assert command == ["lsnn-neuro", "train", str(folder), "--resume"]


def test_a_signal_that_is_ignored_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert run(tiny_recipe(), tmp_path, wrap=disturb(2, hang_up)).finished
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_folder_in_which_another_trains_is_refused(tmp_path):
    run(tiny_recipe(), tmp_path / "run")
    with (
        owned(tmp_path / "run"),
        pytest.raises(TrainingError, match="run: another process is training in it"),
    ):
        run(tiny_recipe(), tmp_path / "run", resume=True)
    run(tiny_recipe(), tmp_path / "run", resume=True)


def test_rewiring_by_gradient_resumes_like_anything_else(tmp_path):
    recipe = tiny_recipe(deep_r={"l1": 0.5, "rigl_every": 2})
    trainer = run(recipe, tmp_path / "whole")
    active = [line["active_synapses"] for line in metrics(tmp_path / "whole")]
    assert active[1::2] == [trainer.deep_r.cap] * 3  # iterations 2, 4, 6
    assert active[0] < trainer.deep_r.cap
    with pytest.raises(TrainingError, match="nothing is lost"):
        run(recipe, tmp_path / "parts", wrap=disturb(3, interrupt))
    run(recipe, tmp_path / "parts", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_finished_run_goes_on_after_a_warm_restart(tmp_path):
    cosine = {"schedule": {"name": "CosineAnnealingLR"}, "validate_every": 2}
    once = tiny_recipe(training=cosine | {"iterations": 4})
    longer = tiny_recipe(training=cosine | {"iterations": 6, "restarts": [4]})
    run(longer, tmp_path / "whole")
    run(once, tmp_path / "parts")
    trainer = run(longer, tmp_path / "parts", resume=True)
    assert trainer.iteration == 6
    one, two = (Checkpoint.load(tmp_path / folder / LAST) for folder in ("whole", "parts"))
    assert one.recipe == two.recipe
    for name in one.arrays:
        np.testing.assert_array_equal(one.arrays[name], two.arrays[name], err_msg=name)


@pytest.mark.parametrize("iteration", [1, 5, 7])
def test_a_crashed_run_resumes_from_its_last_checkpoint_and_ends_the_same(
    tmp_path, whole, iteration
):
    recipe = tiny_recipe()
    with pytest.raises(PowerCutError):
        run(recipe, tmp_path / "parts", wrap=disturb(iteration, power_cut))
    with (tmp_path / "parts" / "metrics.jsonl").open("a") as log:
        log.write('{"iteration": 4, "lo')  # the line that was being written
    run(recipe, tmp_path / "parts", resume=True)
    assert_same_run(whole["lsnn"], tmp_path / "parts")


def test_a_run_can_be_interrupted_again_and_again(tmp_path, whole):
    recipe = tiny_recipe()
    for resume in (False, True, True):
        with pytest.raises(TrainingError, match="nothing is lost"):
            run(recipe, tmp_path / "parts", wrap=disturb(2, interrupt), resume=resume)
    run(recipe, tmp_path / "parts", resume=True)
    assert_same_run(whole["lsnn"], tmp_path / "parts")


def test_an_interruption_in_the_last_iteration_finishes_the_run(tmp_path):
    assert run(tiny_recipe(), tmp_path / "run", wrap=disturb(7, interrupt)).finished


def test_a_finished_run_can_be_made_longer(tmp_path):
    longer = tiny_recipe(training={"iterations": 9})
    run(tiny_recipe(), tmp_path / "parts")
    run(longer, tmp_path / "parts", resume=True)
    run(longer, tmp_path / "whole")
    whole, parts = (Trainer(longer) for _ in range(2))
    whole.restore(Checkpoint.load(tmp_path / "whole" / LAST))
    parts.restore(Checkpoint.load(tmp_path / "parts" / LAST))
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, parts.network.state_dict()[name]), name


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    run(tiny_recipe(), tmp_path)
    before = (tmp_path / LAST).read_bytes()
    run(tiny_recipe(), tmp_path, resume=True)
    assert (tmp_path / LAST).read_bytes() == before
    assert len(metrics(tmp_path)) == 7


def with_readout(change):
    return lambda output: replace(output, readout=change(output.readout))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: y * math.nan, "loss is nan"),
        (lambda y: y * math.inf, "loss is nan"),
        (lambda y: (y - y.detach() + 1) * 1e9 * torch.tensor([1, -1]), "diverges, loss is"),
    ],
)
def test_a_broken_loss_stops_the_run_and_leaves_the_checkpoint(tmp_path, whole, change, words):
    recipe = tiny_recipe()
    with pytest.raises(TrainingError, match=words) as caught:
        run(recipe, tmp_path / "broken", wrap=disturb(5, with_readout(change)))
    assert "training.lr" in str(caught.value)
    assert Checkpoint.load(tmp_path / "broken" / LAST).progress["iteration"] == 3
    assert (tmp_path / "broken" / BEST).is_file()
    run(recipe, tmp_path / "broken", resume=True)
    assert_same_run(whole["lsnn"], tmp_path / "broken")


def test_an_existing_run_is_not_overwritten(tmp_path):
    run(tiny_recipe(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    with pytest.raises(TrainingError, match="already holds a run"):
        run(tiny_recipe(training={"lr": 0.5}), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_resuming_with_another_recipe_is_refused(tmp_path):
    run(tiny_recipe(), tmp_path)
    with pytest.raises(TrainingError, match="belongs to another recipe"):
        run(tiny_recipe(training={"lr": 0.5}), tmp_path, resume=True)
    assert Checkpoint.load(tmp_path / LAST).recipe == tiny_recipe()


def test_resuming_without_a_run_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        run(tiny_recipe(), tmp_path / "nothing", resume=True)
    assert not (tmp_path / "nothing").exists()


def test_resuming_from_a_copy_of_the_best_network_is_refused(tmp_path):
    run(tiny_recipe(), tmp_path)
    (tmp_path / LAST).write_bytes((tmp_path / BEST).read_bytes())
    with pytest.raises(TrainingError, match="without the state to go on from"):
        run(tiny_recipe(), tmp_path, resume=True)


def test_a_run_may_start_from_the_network_of_another_one(tmp_path):
    run(tiny_recipe(), tmp_path / "first")
    trainer = Trainer(tiny_recipe(task={"symbols": 6}))
    trainer.start_from(tmp_path / "first")
    expected = Checkpoint.load(tmp_path / "first" / BEST).spec
    assert differences(trainer.checkpoint(resumable=False).spec, expected) == []
    assert trainer.iteration == 0


def test_resuming_does_without_the_network_it_started_from(tmp_path):
    run(tiny_recipe(), tmp_path / "first")
    recipe = tiny_recipe(training={"start": str(tmp_path / "first" / LAST)})
    run(recipe, tmp_path / "whole")
    with pytest.raises(TrainingError, match="after iteration 5; nothing is lost"):
        run(recipe, tmp_path / "parts", wrap=disturb(5, interrupt))
    (tmp_path / "first" / LAST).unlink()
    run(recipe, tmp_path / "parts", resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_run_can_t_start_from_a_network_of_another_kind(tmp_path):
    run(tiny_recipe(), tmp_path / "first")
    recipe = tiny_recipe(network={"n_ref": 9}, training={"start": str(tmp_path / "first")})
    with pytest.raises(
        TrainingError, match=r"first/best\.safetensors: its section network differs"
    ):
        run(recipe, tmp_path / "second")
    assert not (tmp_path / "second" / LAST).exists()


@pytest.mark.parametrize("task", [{"group_size": 3}, {"group_size": 1}])
def test_a_run_can_t_start_from_a_network_with_other_inputs(tmp_path, task):
    run(tiny_recipe(), tmp_path / "first")
    trainer = Trainer(tiny_recipe(task=task))
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    with pytest.raises(
        TrainingError, match=r"best\.safetensors: a network of 8 inputs and 2 outputs"
    ):
        trainer.start_from(tmp_path / "first")
    after = trainer.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_start_that_is_not_there_is_named(tmp_path):
    recipe = tiny_recipe(training={"start": str(tmp_path / "nothing")})
    with pytest.raises(FileFormatError, match="nothing: no such file or folder"):
        run(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / LAST).exists()


def test_training_stops_at_the_accuracy_asked_for(tmp_path):
    recipe = tiny_recipe(training={"stop_at_accuracy": 0.01, "iterations": 50})
    assert run(recipe, tmp_path).iteration == 3


def test_a_clipped_gradient_changes_the_step_and_not_the_metric():
    free, clipped = Trainer(tiny_recipe()), Trainer(tiny_recipe(training={"clip_gradient": 1e-6}))
    one, two = free.train_step(), clipped.train_step()
    assert one["gradient_norm"] == two["gradient_norm"] > 1e-6


def test_the_rate_cost_pulls_rates_to_their_target():
    trainer = Trainer(tiny_recipe(training={"rate_cost": 0.5, "rate_target": 100.0}))
    spikes = torch.zeros(10, 2, 6)
    spikes[:5] = 1  # 500 Hz
    output = NetworkOutput(readout=torch.zeros(10, 2, 2), rate=spikes.mean(dim=(0, 1)))
    assert trainer._rate_cost(output).item() == pytest.approx(0.5 * 6 * 0.4**2)


def test_window_means_are_means_over_windows():
    rng = np.random.default_rng(0)
    readout = rng.normal(size=(12, 3, 2))
    decisions = ClassLabels(
        sample=np.array([0, 2, 2]), start=np.array([0, 3, 7]), stop=np.array([12, 4, 10]),
        target=np.array([0, 1, 1]),
    )  # fmt: skip
    means = decisions.means(torch.from_numpy(readout))
    lengths = (decisions.stop - decisions.start)[:, None]
    np.testing.assert_allclose(means, decisions.sums(readout) / lengths)
    assert means[1].tolist() == pytest.approx(readout[3, 2].tolist())


def test_a_few_iterations_on_digits_lower_the_loss(tmp_path):
    data = tiny_recipe().to_dict()
    data["task"] = {
        "name": "sequential-mnist", "layout": "rows", "downsample": 4, "coding": "level",
        "thresholds": 1, "cue_steps": 2, "decision_steps": 2,
    }  # fmt: skip
    data["network"] |= {"regular": 20, "adaptive": 20}
    data["training"] |= {"iterations": 30, "batch_size": 32, "validate_every": 30, "schedule": None}
    recipe = parse_recipe(data, "digits")
    run(recipe, tmp_path)
    losses = [line["loss"] for line in metrics(tmp_path)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_training_from_python_is_on_the_integers_that_the_recipe_asks_for(tmp_path):
    recipe = tiny_recipe(quantization={"weight_bits": 4})
    trainer = train(recipe, tmp_path, progress=False)
    assert isinstance(trainer.model, QuantizationAware)
    assert trainer.model.weight_bits == 4


@pytest.mark.skipif(not kernel.available(), reason="native kernel not built; PyTorch's sums differ")
@pytest.mark.parametrize("sections", [(), ("quantization",)])
def test_one_thread_and_two_give_identical_checkpoints(tmp_path, sections):
    changes = ["training.batch_size=40", "training.iterations=4", "training.validate_every=2",
               "training.validation_samples=20", "training.clip_gradient=0.5"]  # fmt: skip
    recipe = load_recipe("smnist-rows", changes, sections=sections)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            out = tmp_path / str(threads)
            train(recipe, out, progress=False)
            found.append(Checkpoint.load(out / LAST))
    finally:
        torch.set_num_threads(before)
    assert differences(found[0].spec, found[1].spec) == []
    assert set(found[0].arrays) == set(found[1].arrays)
    for name, one in found[0].arrays.items():
        np.testing.assert_array_equal(one, found[1].arrays[name], err_msg=name)
