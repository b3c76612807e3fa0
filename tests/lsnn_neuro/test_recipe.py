"""Recipes: good ones load, bad ones say in one line which field holds which value."""

import subprocess
import sys
from pathlib import Path

import pytest
import tomli
import torch
from random_lsnns import tiny_recipe

from lsnn_neuro import migrations
from lsnn_neuro.errors import NetworkError, RecipeError
from lsnn_neuro.network.config import LSNNConfig, LSTMConfig
from lsnn_neuro.recipe import built_in, load_recipe, parse_recipe
from lsnn_neuro.registry import SECTIONS
from lsnn_neuro.section import Section
from lsnn_neuro.training.optimizers import Schedule

ROOT = Path(__file__).parents[2]
BUILT_IN = sorted((ROOT / "recipes").glob("*.toml"))
OLD_RECIPES = [
    *sorted((ROOT / "tests/frozen/files/recipes").glob("*.toml")),
    *sorted((ROOT / "models").glob("*/recipe.toml")),
]
MINIMAL = '[task]\nname = "store-recall"\n[training]\niterations = 3\n'


def write(folder, text):
    path = folder / "recipe.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("path", BUILT_IN, ids=lambda path: path.stem)
def test_every_built_in_recipe_loads_and_bears_its_files_name(path):
    assert load_recipe(str(path)).name == path.stem


def test_built_in_recipes_are_found_by_name():
    assert built_in() == tuple(sorted(path.stem for path in BUILT_IN))
    for name in built_in():
        assert load_recipe(name).name == name


@pytest.mark.parametrize("path", BUILT_IN, ids=lambda path: path.stem)
def test_toml_round_trip_gives_the_same_recipe(path, tmp_path):
    recipe = load_recipe(str(path))
    again = load_recipe(write(tmp_path, recipe.to_toml()))
    assert again == recipe
    assert again.to_toml() == recipe.to_toml()


def test_a_range_of_time_constants_survives_the_round_trip(tmp_path):
    recipe = tiny_recipe(network={"tau_a": [10.0, 20.0]})
    assert recipe.network.tau_a == (10.0, 20.0)
    assert load_recipe(write(tmp_path, recipe.to_toml())) == recipe


def test_only_name_task_and_iterations_are_needed(tmp_path):
    recipe = load_recipe(write(tmp_path, 'name = "x"\n' + MINIMAL))
    assert isinstance(recipe.network, LSNNConfig)
    assert recipe.section("deep_r") is None
    assert recipe.section("quantization") is None


@pytest.mark.parametrize(
    ("override", "section", "field", "value"),
    [
        ("training.lr=0.5", "training", "lr", 0.5),
        ("training.clip_gradient=2", "training", "clip_gradient", 2.0),
        ("network.reset=to", "network", "reset", "to"),
        ("network.reset=hold", "network", "reset", "hold"),
        ('network.reset="zero"', "network", "reset", "to"),
        ("network.tau_a=[10, 20]", "network", "tau_a", (10.0, 20.0)),
        ("task.symbols=9", "task", "symbols", 9),
        ("deep_r.l1=0.5", "deep_r", "l1", 0.5),
        ("quantization.weight_bits=4", "quantization", "weight_bits", 4),
    ],
)
def test_an_override_sets_one_field(tmp_path, override, section, field, value):
    path = write(
        tmp_path, 'name = "x"\n' + MINIMAL.replace("[training]", "symbols = 11\n[training]")
    )
    recipe = load_recipe(path, [override])
    found = recipe.section(section) or getattr(recipe, section)
    assert getattr(found, field) == value


def test_the_last_override_wins(tmp_path):
    path = write(tmp_path, 'name = "x"\n' + MINIMAL)
    assert load_recipe(path, ["seed=3", "seed=4"]).seed == 4


def test_an_override_can_choose_the_lstm(tmp_path):
    path = write(tmp_path, 'name = "x"\n' + MINIMAL)
    assert load_recipe(path, ["network.kind=lstm"]).network == LSTMConfig(kind="lstm")


BAD = [
    ("name=a b", "name", "'a b'"),
    ("name=..", "name", "'..'"),
    ("seed=-1", "seed", "-1"),
    ("seed=99999999999999999999", "seed", "99999999999999999999"),
    ("seed=1.5", "seed", "1.5"),
    ("sed=1", "sed", "1"),
    ("task.name=chess", "task", "'chess'"),
    ("task.symbols=2", "task.symbols", "2"),
    ("task.rate=nan", "task.rate", "nan"),
    ("task.speed=1", "task.speed", "1"),
    ("task=3", "task", "3"),
    ("network=3", "network", "3"),
    ("network.kind=gru", "network", "'gru'"),
    ("network.regular=-1", "network.regular", "-1"),
    ("network.adaptive=many", "network.adaptive", "'many'"),
    ("network.adaptve=4", "network.adaptve", "4"),
    ("network.tau_m=0", "network.tau_m", "0"),
    ("network.tau_m=inf", "network.tau_m", "inf"),
    ("network.tau_a=-7.5", "network.tau_a", "-7.5"),
    ("network.tau_out=-1", "network.tau_out", "-1"),
    ("network.b0=0", "network.b0", "0"),
    ("network.beta=-2", "network.beta", "-2"),
    ("network.beta=nan", "network.beta", "nan"),
    ("network.n_ref=-1", "network.n_ref", "-1"),
    ("network.reset=soft", "network.reset", "'soft'"),
    ("network.gamma=0", "network.gamma", "0"),
    ("network.n_delays=0", "network.n_delays", "0"),
    ("network.signs=both", "network.signs", "'both'"),
    ("network.excitatory=1.5", "network.excitatory", "1.5"),
    ("network.input_scale=0", "network.input_scale", "0"),
    ("network.recurrent_scale=-1", "network.recurrent_scale", "-1"),
    ("network.input_connectivity=0", "network.input_connectivity", "0"),
    ("network.recurrent_connectivity=12", "network.recurrent_connectivity", "12"),
    ("network.readout_connectivity=-0.1", "network.readout_connectivity", "-0.1"),
    ("deep_r.l1=-1", "deep_r.l1", "-1"),
    ("deep_r.temperature=-0.5", "deep_r.temperature", "-0.5"),
    ("deep_r=yes", "deep_r", "'yes'"),
    ("quantization.weight_bits=1", "quantization.weight_bits", "1"),
    ("quantization.weight_bits=9", "quantization.weight_bits", "9"),
    ("training.iterations=0", "training.iterations", "0"),
    ("training.batch_size=0", "training.batch_size", "0"),
    ("training.lr=0", "training.lr", "0"),
    ("training.lr=inf", "training.lr", "inf"),
    ("training.schedule=linear", "training.schedule", "'linear'"),
    ("training.schedule.name=3", "training.schedule.name", "3"),
    ("training.optimizer.name=[1]", "training.optimizer.name", "[1]"),
    ("training.optimizer.lr=0.1", "training.optimizer", "training.lr"),
    ("training.groups=[{lr = 0.1}]", "training.groups.0.parameters", "required"),
    ('training.groups=[{parameters = "*", lr = 0}]', "training.groups.0.lr", "0"),
    ("training.lr_dekay=0.5", "training.lr_dekay", "0.5"),
    ("training.logit_scale=0", "training.logit_scale", "0"),
    ("training.rate_cost=-1", "training.rate_cost", "-1"),
    ("training.rate_target=-1", "training.rate_target", "-1"),
    ("training.clip_gradient=0", "training.clip_gradient", "0"),
    ("training.validate_every=0", "training.validate_every", "0"),
    ("training.validation_samples=0", "training.validation_samples", "0"),
    ("training.stop_at_accuracy=95", "training.stop_at_accuracy", "95"),
    ("training.divergence_loss=0", "training.divergence_loss", "0"),
]


@pytest.mark.parametrize(("override", "field", "value"), BAD, ids=[bad[0] for bad in BAD])
def test_a_bad_value_is_named_in_one_line(tmp_path, override, field, value):
    path = write(tmp_path, 'name = "x"\n' + MINIMAL)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, [override])
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: {field}: ")
    assert value in text


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["network.regular=0", "network.adaptive=0"], "needs neurons"),
        (
            ["deep_r.l1=0.1", "network.signs=unconstrained"],
            "deep_r needs a spiking network with signs",
        ),
        (["deep_r.l1=0.1", "network.kind=lstm"], "deep_r needs a spiking network"),
        (
            ["quantization.weight_bits=8", "network.kind=lstm"],
            "quantization needs a spiking network",
        ),
        (["network.kind=lstm", "network.units=0"], "network.units"),
        (["seed"], "expected section.field=value"),
        (["=3"], "expected section.field=value"),
        (["name.first=3"], "'name' is a value, not a section"),
    ],
)
def test_fields_that_do_not_fit_together_are_refused_in_one_line(tmp_path, overrides, words):
    path = write(tmp_path, 'name = "x"\n' + MINIMAL)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "not valid TOML"),
        (MINIMAL, "name: Field required"),
        ('name = "x"\n[training]\niterations = 3\n', "task: Field required"),
        ('name = "x"\n[task]\nname = "store-recall"\n', "training: Field required"),
        (
            'name = "x"\n[task]\nname = "store-recall"\n[training]\n',
            "training.iterations: Field required",
        ),
    ],
)
def test_what_is_missing_is_named(tmp_path, text, words):
    with pytest.raises(RecipeError, match=words):
        load_recipe(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"nowhere\.toml: no such recipe file"):
        load_recipe(str(tmp_path / "nowhere.toml"))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="can't be read"):
        load_recipe(str(path))


def test_parsing_leaves_the_given_dictionary_alone():
    data = {
        "name": "x",
        "task": {"name": "store-recall"},
        "network": {"regular": 2},
        "training": {"iterations": 1},
    }
    parse_recipe(data, "here")
    assert data["network"] == {"regular": 2}


def test_only_the_end_of_a_run_may_change_for_resuming():
    recipe = tiny_recipe()
    longer = tiny_recipe(training={"iterations": 99, "stop_at_accuracy": 0.5})
    assert recipe.same_run(longer, iteration=9)
    assert not recipe.same_run(tiny_recipe(training={"lr": 0.02}), iteration=0)
    assert not recipe.same_run(tiny_recipe(network={"beta": 1.0}), iteration=0)
    assert not recipe.same_run(tiny_recipe(task={"symbols": 5}), iteration=0)


COSINE = {"schedule": {"name": "CosineAnnealingLR"}, "lr": 0.02, "iterations": 100}


def lr(recipe, iteration):
    return Schedule(recipe.training).at(iteration)[0]["lr"]


def test_the_cosine_schedule_falls_from_lr_to_zero_and_fixes_the_number_of_iterations():
    recipe = tiny_recipe(training=COSINE)
    assert lr(recipe, 0) == 0.02
    assert lr(recipe, 50) == pytest.approx(0.01)
    assert 0 < lr(recipe, 99) < 1e-5
    assert recipe.same_run(tiny_recipe(training=COSINE | {"stop_at_accuracy": 0.5}), iteration=99)
    assert not recipe.same_run(tiny_recipe(training=COSINE | {"iterations": 101}), iteration=2)


def test_a_warm_restart_prolongs_a_cosine_schedule_that_has_come_to_its_end():
    once = tiny_recipe(training=COSINE)
    twice = tiny_recipe(training=COSINE | {"iterations": 140, "restarts": [100]})
    assert lr(twice, 99) == lr(once, 99)
    assert lr(twice, 100) == 0.02
    assert lr(twice, 120) == pytest.approx(0.01)
    assert twice.same_run(once, iteration=100)
    elsewhere = tiny_recipe(training=COSINE | {"iterations": 140, "restarts": [80]})
    assert not elsewhere.same_run(once, iteration=100)


def test_what_keeps_a_run_from_going_on_is_said():
    recipe = tiny_recipe()
    other = tiny_recipe(training={"optimizer": {"name": "AdamW"}}, network={"beta": 1.0})
    assert other.change(recipe, 3) == (
        "network.beta was 1.8, is 1.0; training.optimizer.name was Adam, is AdamW"
    )
    constant = tiny_recipe(training={"schedule": None})
    assert "training.schedule.name was StepLR, is not set" in constant.change(recipe, 3)
    longer = tiny_recipe(training=COSINE | {"iterations": 101})
    said = longer.change(tiny_recipe(training=COSINE), 2)
    assert said.startswith("training.iterations was 100, is 101, which would change learning rates")
    assert "in iteration 2 it was 0.0199951, would be 0.0199952" in said


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"schedule": None, "restarts": [5]}, "restarts need a schedule"),
        (COSINE | {"iterations": 10, "restarts": [10]}, r"iterations = 10; set training\.restarts"),
        (COSINE | {"restarts": [5, 5]}, "must rise"),
        (COSINE | {"restarts": [0]}, "must rise"),
    ],
)
def test_restarts_that_can_not_be(training, said):
    with pytest.raises(RecipeError, match=said):
        tiny_recipe(training=training)


def test_recipes_can_not_be_changed():
    recipe = tiny_recipe()
    with pytest.raises(Exception, match="frozen"):
        recipe.seed = 3


def test_the_form_of_the_neurons_survives_the_way_through_toml(tmp_path):
    fields = 'adaptive_neuron = "atrlif"\ntau_i = 4.0\ntau_r = 9.0'
    recipe = load_recipe(write(tmp_path, f"name = 'x'\n{MINIMAL}[network]\n{fields}\n"))
    again = load_recipe(write(tmp_path, recipe.to_toml()))
    assert again == recipe
    assert (again.network.adaptive_neuron, again.network.tau_i, again.network.tau_r) == (
        "atrlif",
        4,
        9,
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"adaptive_neuron": "hh"}, "there is no neuron 'hh'; there are lif, if, li"),
        ({"neuron": "hh"}, "network.neuron"),
        ({"adaptation": "none"}, "network.adaptation"),
        ({"tau_r": 5.0}, r"tau_r belongs to none of the neurons here \(alif, lif\)"),
        ({"constants": {"colour": 1}}, "colour belongs to none"),
        (
            {"regular_neuron": "atrlif", "adaptive_neuron": "atrlif", "n_ref": 3},
            r"n_ref belongs to none of the neurons here \(atrlif\)",
        ),
        (
            {"learn": ["tau_r"]},
            "learn names 'tau_r', allowed are b0, beta, bias, tau_a, tau_m",
        ),
    ],
)
def test_neurons_are_not_asked_for_what_they_have_not_got(fields, words):
    with pytest.raises(RecipeError, match=words) as caught:
        tiny_recipe(network=fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"neuron": "lif", "adaptation": "threshold"}, {}),
        ({"adaptation": "current"}, {"adaptive_neuron": "ahp"}),
        (
            {"neuron": "atrlif", "n_ref": 0, "reset": "subtract", "adaptation": "threshold"},
            {"regular_neuron": "atrlif", "adaptive_neuron": "atrlif"},
        ),
        ({"reset": "zero"}, {"reset": "to"}),
    ],
)
def test_networks_of_release_0_1_0_come_in(old, new):
    data = {"name": "x", "task": {"name": "store-recall"}, "training": {"iterations": 1}}
    one, two = (parse_recipe(data | {"network": n}, "x") for n in (old, new))
    assert one == two


def test_deep_r_of_release_0_1_0_comes_in():
    data = {"name": "x", "task": {"name": "store-recall"}, "training": {"iterations": 1}}
    old = parse_recipe(data | {"deep_r": {"redraw_delays": True, "gradient_every": 3}}, "x")
    assert old.section("deep_r").rigl_every == 3


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("navigation", {"stay": 3, "persistence": 0.5, "hints": True},
         {"dwell_actions": 3, "noise_correlation": 0.5, "auxiliary_targets": True}),
        ("sequential-mnist", {"shift": 1, "turn": 5.0, "stretch": 0.1},
         {"translation": 1, "rotation": 5.0, "scaling": 0.1}),
        ("phones", {"data": "x", "drop": 0.5}, {"data": "x", "drop_spikes": 0.5}),
        ("spoken-digits", {"data": "x", "drop": 0.5}, {"data": "x", "drop_spikes": 0.5}),
        ("teacher-networks", {"hints": True}, {"auxiliary_targets": True}),
        ("sinusoids", {"hints": True}, {"auxiliary_targets": True}),
    ],
)  # fmt: skip
def test_old_names_of_a_tasks_fields_come_in(name, old, new):
    rest = {"name": "x", "training": {"iterations": 1}}
    rest |= {"reinforcement": {}} if name == "navigation" else {}
    one, two = (parse_recipe(rest | {"task": {"name": name, **f}}, "x") for f in (old, new))
    assert one == two


def test_a_field_under_its_old_and_its_new_name_is_refused():
    data = {"name": "x", "task": {"name": "sinusoids", "hints": True, "auxiliary_targets": False}}
    with pytest.raises(RecipeError, match=r"task\.hints: there is no such field"):
        parse_recipe(data | {"training": {"iterations": 1}}, "x")


def test_a_new_name_sets_a_field_of_an_old_file(tmp_path):
    text = (ROOT / "tests/frozen/files/recipes/navigation.toml").read_text()
    (tmp_path / "old.toml").write_text(text)
    recipe = load_recipe(str(tmp_path / "old.toml"), ["task.auxiliary_targets=false"])
    assert not recipe.task.auxiliary_targets


@pytest.mark.parametrize("path", OLD_RECIPES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_recipes_of_every_release_come_in_and_migrating_twice_changes_nothing(path):
    once = migrations.recipe(tomli.loads(path.read_text()))
    assert migrations.recipe(once) == once
    assert parse_recipe(once, str(path)) == load_recipe(str(path))


GRAPH = """
[network]
kind = "graph"
[[network.populations]]
name = "fast"
size = 12
constants = { tau_m = 10.0, n_ref = 2 }
[[network.populations]]
name = "slow"
neuron = "alif"
size = 8
tau_i = 5.0
constants = { tau_a = [50.0, 200.0], reset = "to" }
learn = ["tau_m", "bias"]
[[network.populations]]
name = "out"
neuron = "li"
[[network.projections]]
source = "input"
target = "fast"
connectivity = 0.5
[[network.projections]]
source = "fast"
target = "slow"
max_delay = 4
connectivity = 0.4
[[network.projections]]
source = "slow"
target = "fast"
signs = "dale"
group = "back"
[[network.projections]]
source = "slow"
target = "out"
"""


def test_a_graph_is_written_as_populations_and_projections(tmp_path):
    recipe = load_recipe(write(tmp_path, f"name = 'x'\n{MINIMAL}{GRAPH}[deep_r]\n[quantization]\n"))
    assert load_recipe(write(tmp_path, recipe.to_toml())) == recipe
    spec = recipe.network.draw(5, 3, 0)
    assert [(p.name, p.neuron.name, p.size) for p in spec.populations] == [
        ("fast", "lif", 12), ("slow", "alif", 8), ("out", "li", 3),
    ]  # fmt: skip
    slow = spec.population("slow")
    assert slow.has_current
    assert slow.learn == ("bias", "tau_m")
    assert slow.neuron.reset == "to"
    assert len(set(slow.neuron.rho)) == 8
    assert [p.name for p in spec.projections] == [
        "input->fast", "fast->slow", "slow->fast", "slow->out",
    ]  # fmt: skip
    assert spec.projections[1].max_delay == 4
    assert spec.projections[2].dale
    assert spec.groups[2] == "back"


def test_a_stack_has_a_short_form(tmp_path):
    network = (
        'kind = "stack"\nlayers = [9, 7]\nneuron = "alif"\nrecurrent = true\nskip = true\n'
        "feedback = true\nconstants = { tau_a = 100.0 }\nconnectivity = 0.5"
    )
    recipe = load_recipe(write(tmp_path, f"name = 'x'\n{MINIMAL}[network]\n{network}\n"))
    spec = recipe.network.draw(4, 2, 0)
    assert [p.name for p in spec.projections] == [
        "input->layer1", "layer1->layer2", "layer1->layer1", "layer2->layer2", "layer2->layer1",
        "layer1->readout", "layer2->readout",
    ]  # fmt: skip
    for p in spec.projections:
        assert p.n_synapses
        if p.source == p.target:
            assert (p.source_index != p.target_index).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('name = "out"', 'name = "fast"'), "there is no 'out'"),
        (('source = "input"', 'source = "there"'), "there is no 'there'"),
        (("connectivity = 0.5", "connectivity = 0.001"), "rounds to 0 synapses"),
    ],
)
def test_a_graph_that_can_not_be_is_refused_when_it_is_drawn(tmp_path, change, words):
    recipe = load_recipe(write(tmp_path, f"name = 'x'\n{MINIMAL}{GRAPH.replace(*change)}"))
    with pytest.raises(NetworkError, match=words):
        recipe.network.draw(5, 3, 0)


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        ({"tau_m": 0}, "tau_m is 0.0 ms, must be above 0"),
        ({"tau_m": -3.0}, "tau_m is -3.0 ms, must be above 0"),
        ({"tau_m": "x"}, "tau_m is 'x', expected a number or a range of two"),
        ({"b0": 0}, r"b0\[0\] is 0, must be above 0"),
        ({"b0": [2.0, 1.0]}, "a range that ends before it begins"),
        ({"reset": "soft"}, "reset is 'soft', allowed are 'subtract'"),
        ({"reset": [1.0, 2.0]}, r"reset is \(1.0, 2.0\), allowed are"),
        ({"n_ref": 2.5}, "n_ref is 2.5, expected a whole number"),
        ({"n_ref": 64}, r"n_ref\[0\] is 64, allowed are 0 to 63"),
        ({"alpha": 0.9}, "alpha belongs to none of the neurons here"),
    ],
)
def test_a_constant_that_can_not_be_is_refused_when_the_recipe_is_read(constants, words):
    data = {"name": "x", "task": {"name": "store-recall"}, "training": {"iterations": 1}}
    data["network"] = {"kind": "stack", "layers": [3], "constants": constants}
    with pytest.raises(RecipeError, match=words) as caught:
        parse_recipe(data, "x")
    assert "\n" not in str(caught.value)


def test_a_range_of_a_count_draws_whole_numbers_of_it():
    data = {"name": "x", "task": {"name": "store-recall"}, "training": {"iterations": 1}}
    data["network"] = {"kind": "stack", "layers": [60], "constants": {"n_ref": [1, 3]}}
    spec = parse_recipe(data, "x").network.draw(2, 2, 0)
    assert set(spec.populations[0].neuron.n_ref.tolist()) == {1, 2, 3}


@pytest.mark.parametrize("network", [{"kind": "stack", "layers": [3]}, {"kind": "lsnn"}])
@pytest.mark.parametrize("name", ["tau_q", "tau_i"])
def test_what_can_not_be_learnt_is_refused(network, name):
    data = {"name": "x", "task": {"name": "store-recall"}, "training": {"iterations": 1}}
    with pytest.raises(RecipeError, match=f"learn names '{name}', allowed are"):
        parse_recipe(data | {"network": network | {"learn": [name]}}, "x")


def test_an_error_in_a_list_names_number_and_field(tmp_path):
    wrong = GRAPH.replace("connectivity = 0.4", "conectivity = 0.4")
    with pytest.raises(RecipeError, match=r"network\.projections\.1\.conectivity: .* got 0\.4"):
        load_recipe(write(tmp_path, f"name = 'x'\n{MINIMAL}{wrong}"))


def test_two_projections_may_join_the_same_populations_if_they_have_names(tmp_path):
    twice = GRAPH + '[[network.projections]]\nsource = "input"\ntarget = "fast"\n'
    recipe = load_recipe(write(tmp_path, f"name = 'x'\n{MINIMAL}{twice}"))
    with pytest.raises(NetworkError, match="'input->fast' occurs twice"):
        recipe.network.draw(5, 3, 0)
    named = load_recipe(write(tmp_path, f"name = 'x'\n{MINIMAL}{twice}name = 'slow path'\n"))
    spec = named.network.draw(5, 3, 0)
    assert [p.name for p in spec.into("fast")] == ["input->fast", "slow->fast", "slow path"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ('neuron = "li"', 'neuron = "li"\nsize = 5'),
            r"\('out' of 5\) are 5 values, the task has 2",
        ),
        (('kind = "graph"', 'kind = "graph"\noutputs = ["slow"]'), r"\('slow' of 8\) are 8 values"),
    ],
)
def test_outputs_that_are_not_the_tasks_are_refused(tmp_path, change, words):
    recipe = load_recipe(write(tmp_path, f"name = 'x'\n{MINIMAL}{GRAPH.replace(*change)}"))
    with pytest.raises(NetworkError, match=words):
        recipe.network.build(5, 2, torch.Generator())


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    path = write(tmp_path, 'name = "x"\n' + MINIMAL)
    wrong = [
        "training.iteration=10",
        "network.tau_mm=3.0",
        "deepr.l1=0.1",
        "seed=-1",
        "training.lr=0",
    ]
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, wrong)
    assert str(caught.value) == (
        f"{path}: seed: Input should be greater than or equal to 0, got -1; "
        "network.tau_mm: there is no such field (did you mean tau_m?), got 3.0; "
        "training.lr: Input should be greater than 0, got 0; "
        "training.iteration: there is no such field (did you mean iterations?), got 10; "
        "deepr: there is no such section or field (did you mean deep_r?), got {'l1': 0.1}"
    )


def test_a_field_like_no_other_is_answered_by_all_there_are(tmp_path):
    path = write(tmp_path, 'name = "x"\n' + MINIMAL)
    with pytest.raises(RecipeError, match=r"\(there are l1, temperature, cap, rigl_every\), got 3"):
        load_recipe(path, ["deep_r.zzz=3"])


def test_a_section_that_is_asked_for_is_there_as_it_was_set(tmp_path):
    path = write(tmp_path, 'name = "x"\n' + MINIMAL)
    options = {"sections": ["quantization"]}
    assert load_recipe(path, **options).section("quantization").weight_bits == 8
    changed = load_recipe(path, ["quantization.weight_bits=4"], **options)
    assert changed.section("quantization").weight_bits == 4


class Shout(Section):
    """A section of another package."""

    words: int = 3

    def wrap(self, network):
        return (self.words, network)


def test_other_packages_add_sections(tmp_path):
    SECTIONS.add("shout", Shout)
    recipe = load_recipe(write(tmp_path, 'name = "x"\n' + MINIMAL), ["shout.words=5"])
    assert recipe.model("network") == (5, "network")
    assert load_recipe(write(tmp_path, recipe.to_toml())) == recipe
    with pytest.raises(RecipeError, match=r"shout\.word: .*did you mean words"):
        load_recipe(write(tmp_path, 'name = "x"\n' + MINIMAL), ["shout.word=5"])


def test_reading_a_recipe_imports_what_it_names_and_no_more(tmp_path):
    path = write(tmp_path, 'name = "x"\n[quantization]\n' + MINIMAL)
    code = (
        "import sys; from lsnn_neuro.recipe import load_recipe; "
        f"load_recipe({path!r}); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"lsnn_neuro.tasks.store_recall", "quantize.config"} <= loaded
    assert not loaded & {
        "lsnn_neuro.tasks.phones",
        "quantize.aware",
        "lsnn_neuro.training.loop",
        "deploy",
    }


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        ({"tau_m": (0.0, 30.0)}, "tau_m is 0.0 ms, must be above 0"),
        ({"tau_m": (20.0, 1e7)}, "tau_m is 10000000.0 ms, allowed are 1e"),
        ({"b0": (0.0, 0.1)}, "must be above 0"),
        ({"n_ref": (2, 64)}, "allowed are 0 to 63"),
    ],
)
def test_both_ends_of_a_range_must_be_possible(constants, words):
    data = {"name": "x", "task": {"name": "store-recall"}, "training": {"iterations": 1}}
    data["network"] = {"kind": "stack", "layers": [3], "constants": constants}
    with pytest.raises(RecipeError, match=words):
        parse_recipe(data, "x")


def test_a_recipe_is_read_from_a_path_too(tmp_path):
    (tmp_path / "own.toml").write_text(load_recipe("store-recall").to_toml())
    assert load_recipe(tmp_path / "own.toml") == load_recipe("store-recall")
