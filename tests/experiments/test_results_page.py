"""The results page: what it says follows from the models, and from nothing else."""

from __future__ import annotations

import shutil
import statistics
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from small_models import small_run

from deploy.publishing.card import Card
from deploy.publishing.folder import publish
from experiments.__main__ import write_results
from experiments.families import Family, Model, Statistics, load_families
from experiments.figures import connectivity, learning_curves, navigation, weight_bits
from experiments.literature import CLAIMS, ROWS, Claim
from experiments.page import page
from lsnn_neuro import files
from lsnn_neuro.checkpoint import BEST, Checkpoint
from lsnn_neuro.errors import FileFormatError

SPARSER = (
    "network.input_connectivity=0.1", "network.recurrent_connectivity=0.1", "training.lr=0.02",
)  # fmt: skip
MODELS = {
    "smnist-1ms": (),
    "smnist-1ms-seed2": ("seed=2",),
    "smnist-sparser": SPARSER,
    "smnist-1ms-qat3": ("quantization.weight_bits=3",),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    for name, overrides in MODELS.items():
        run = small_run(root / "runs" / name, *overrides)
        publish(run, root / "models" / name, lava_samples=0)
    return root / "models"


@pytest.fixture(scope="module")
def families(models):
    return load_families(models)


@pytest.fixture(scope="module")
def written(models, tmp_path_factory):
    docs = tmp_path_factory.mktemp("docs")
    write_results(models, docs)
    return docs


def with_accuracy(families, **reached):
    """The family smnist-1ms under other names, with other accuracies, one or a tuple for each."""
    found = {}
    for name, values in reached.items():
        model = families["smnist-1ms"].first
        values = values if isinstance(values, tuple) else (values,)
        integers = model.card.integers
        found[name.replace("_", "-")] = Family(
            name=name,
            models=tuple(
                Model(
                    folder=model.folder,
                    recipe=model.recipe,
                    card=model.card.model_copy(
                        update={
                            "score": value,
                            "integers": integers.model_copy(update={"score": value - 0.002}),
                        }
                    ),
                )
                for value in values
            ),
        )
    return found


def verdicts(families):
    """Those of claims with a number, without what differs."""
    numbers = [replace(claim, differs="") for claim in CLAIMS if isinstance(claim, Claim)]
    return [claim.verdict(families) for claim in numbers]


def row_of(text, start):
    return next(line for line in text.splitlines() if start in line)


def test_without_models_everything_is_not_run(tmp_path):
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    (tmp_path / "docs" / "figures" / "old.svg").touch()
    written = write_results(tmp_path / "models", tmp_path / "docs")
    assert [path.name for path in written] == ["results.md"]
    assert not list((tmp_path / "docs" / "figures").iterdir())
    text = written[0].read_text()
    for row in ROWS:
        assert row_of(text, f"{row.network} | `{row.family}`").count("not run") == 2
    for claim in CLAIMS:
        assert "| not run" in row_of(text, claim.text)
    assert "holds" not in "".join(row_of(text, claim.text) for claim in CLAIMS)


def test_models_are_found_by_family_in_the_order_of_their_seeds(families):
    assert set(families) == {"smnist-1ms", "smnist-sparser", "smnist-1ms-qat3"}
    assert [m.name for m in families["smnist-1ms"].models] == ["smnist-1ms", "smnist-1ms-seed2"]


def test_the_spread_over_seeds_is_that_of_a_sample(families):
    family = families["smnist-1ms"]
    values = [m.card.score for m in family.models]
    assert family.in_float == Statistics(
        best=max(values), mean=sum(values) / 2, sd=statistics.stdev(values), n=2
    )
    assert Statistics.of([0.25]).sd is None


def test_what_counts_is_what_the_network_was_trained_on(families):
    floats, integers = families["smnist-1ms"], families["smnist-1ms-qat3"]
    assert floats.reached == floats.in_float
    assert integers.reached == integers.on_integers
    assert integers.reached.best == integers.first.card.integers.by_weight_bits[3]


def test_networks_that_differ_in_more_than_the_seed_are_no_family(families):
    one, other = families["smnist-1ms"].first, families["smnist-sparser"].first
    with pytest.raises(FileFormatError, match=r"differs from .* in \[network\]"):
        Family(name="x", models=(one, other))


def test_the_page_names_every_model_and_its_numbers(written, families):
    text = (written / "results.md").read_text()
    for family in families.values():
        for model in family.models:
            line = row_of(text, f"[{model.name}]")
            assert f"| {100 * model.card.score:.2f} |" in line
            assert f"| {100 * model.card.integers.score:.2f} |" in line
            assert "P1 exact on 1,000" in line
    line = row_of(text, "| `smnist-1ms` |")
    spread = families["smnist-1ms"].in_float
    assert f"({100 * spread.mean:.2f} ± {100 * spread.sd:.2f}, 2 runs)" in line
    assert "94.7 (94.2 ± 0.3)" in line


def test_a_claim_holds_from_its_number_on(families):
    best = replace(CLAIMS[0], differs="")
    assert best.verdict(with_accuracy(families, smnist_1ms=0.9466)) == ("94.66", "**holds**")
    assert best.verdict(with_accuracy(families, smnist_1ms=0.9464)) == (
        "94.64",
        "**does not hold**: 0.06 short",
    )


def test_a_lower_number_decides_nothing_where_more_differs_than_the_claim_is_about(families):
    best = replace(CLAIMS[0], differs="other delays")
    assert best.verdict(with_accuracy(families, smnist_1ms=0.9466))[1] == (
        "**holds**; but: other delays"
    )
    assert best.verdict(with_accuracy(families, smnist_1ms=0.9464))[1] == (
        "**not decided**: 0.06 short; but: other delays"
    )


def test_learning_to_learn_is_dated_by_means_of_ten_examples(families):
    claim = next(claim for claim in CLAIMS if claim.text.startswith("Learning to learn"))
    model = families["smnist-1ms"].first

    def verdict(net: list[float]) -> tuple[str, str]:
        curves = {"network, integers": net, "linear, fitted to the whole episode": [0.5] * len(net)}
        card = model.card.model_copy(update={"curves": curves})
        family = Family(name="teacher-networks", models=(replace(model, card=card),))
        return claim.verdict({"teacher-networks": family})

    assert verdict([1.0] * 20 + [0.4] * 30)[0] == "from 21"
    assert verdict([0.4] * 50)[0] == "from 1"
    assert verdict([0.4] * 40 + [0.6] * 10) == ("", "**does not hold**: it never is")
    assert claim.verdict({}) == ("", "not run")


def test_a_mean_is_judged_beside_the_best_run(families):
    best, papers_own, mean, *_ = verdicts(with_accuracy(families, smnist_1ms=(0.95, 0.93)))
    assert papers_own == ("", "not run")
    assert best == ("95.00", "**holds**")
    assert mean == ("94.00", "**does not hold**: 0.20 short")
    assert verdicts(with_accuracy(families, smnist_1ms=0.95))[1] == ("", "not run")


def test_comparisons_need_both_sides_and_know_their_direction(families):
    only = with_accuracy(families, smnist_1ms=0.95)
    both = with_accuracy(
        families, smnist_1ms=0.95, smnist_dense=0.96, smnist_lif=0.63, smnist_1ms_large=0.97
    )
    by_text = {claim.text.split(":")[0]: claim for claim in CLAIMS}
    for text, verdict in (
        ("Sparse beats dense", ("-1.00", "**does not hold**: 2.70 short")),
        ("Adaptation is what matters", ("32.00", "**holds**")),
        ("More neurons help", ("2.00", "**holds**")),
    ):
        assert by_text[text].verdict(only) == ("", "not run")
        assert replace(by_text[text], differs="").verdict(both) == verdict


def test_loihis_claim_is_judged_on_integers(families):
    assert verdicts(with_accuracy(families, smnist_1ms=0.942))[-1] == (
        "94.00",
        "**does not hold**: 0.10 short",
    )


def test_figures_are_svg_and_every_picture_of_the_page_is_there(written):
    text = (written / "results.md").read_text()
    names = {"learning-curves.svg", "connectivity.svg", "weight-bits.svg", "raster.svg"}
    assert {path.name for path in (written / "figures").iterdir()} == names
    for name in names:
        assert f"(figures/{name})" in text
        root = ET.parse(written / "figures" / name).getroot()
        assert root.tag.endswith("svg")
        assert (written / "figures" / name).stat().st_size < 1_000_000


def test_results_are_the_same_every_time(models, written, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in models.rglob("card.json")}
    write_results(models, tmp_path)
    for path in written.rglob("*.*"):
        assert (tmp_path / path.relative_to(written)).read_bytes() == path.read_bytes(), path.name
    assert before == {path: path.stat().st_mtime_ns for path in models.rglob("card.json")}


def test_learning_curves_are_the_logs_validations(models, families):
    (axes,) = learning_curves(families).axes
    logged = [line.get_xydata().tolist() for line in axes.lines]
    assert len(logged) == len(MODELS)
    assert all([x for x, _ in curve] == [2, 4] for curve in logged)
    card = families["smnist-sparser"].first.card
    assert any(max(y for _, y in curve) == 100 * card.validation_score for curve in logged)


def test_weight_bits_are_the_cards_and_the_trained_width_is_marked(families):
    (axes,) = weight_bits(families).axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    assert len(lines) == 3  # the sparser network is another one
    cards = [m.card.integers for m in families["smnist-1ms"].models]
    drawn = dict(lines["smnist-1ms, rounded afterwards"])
    assert sorted(drawn) == [2, 3, 4, 5, 6, 7, 8]
    for bits, value in drawn.items():
        assert value == pytest.approx(50 * sum(card.by_weight_bits[bits] for card in cards))
    ((x, y),) = lines["smnist-1ms-qat3, trained with 3 bits"]
    assert (x, y) == (3, pytest.approx(100 * families["smnist-1ms-qat3"].reached.mean))


def test_connectivity_joins_networks_that_differ_in_nothing_else(families):
    (axes,) = connectivity(families).axes
    (line,) = [container.lines[0] for container in axes.containers]
    shares = [100 * families[n].first.card.active_parameters / families[n].first.card.total_parameters
              for n in ("smnist-sparser", "smnist-1ms")]  # fmt: skip
    assert line.get_xdata() == pytest.approx(shares)
    assert line.get_ydata() == pytest.approx(
        [100 * families[n].in_float.mean for n in ("smnist-sparser", "smnist-1ms")]
    )


def test_a_model_that_changed_is_measured_again(models, tmp_path):
    root = tmp_path / "models"
    shutil.copytree(models / "smnist-sparser", root / "smnist-sparser")
    saved = Checkpoint.load(root / "smnist-sparser" / BEST)
    projections = tuple(
        replace(p, weight=-p.weight) if p.target == "readout" else p for p in saved.spec.projections
    )
    spec = replace(saved.spec, projections=projections)
    replace(saved, spec=spec).save(root / "smnist-sparser" / BEST)
    before = Card.load(root / "smnist-sparser")
    assert not before.belongs_to(root / "smnist-sparser")
    write_results(root, tmp_path / "docs", lava_samples=0)
    after = Card.load(root / "smnist-sparser")
    assert after.score != before.score
    assert after.belongs_to(root / "smnist-sparser")
    assert after.sha256[BEST] == files.sha256(root / "smnist-sparser" / BEST)


def test_a_model_without_a_card_is_measured(models, tmp_path):
    root = tmp_path / "models"
    shutil.copytree(models / "smnist-sparser", root / "smnist-sparser")
    card = root / "smnist-sparser" / "card.json"
    measured = card.read_bytes()
    card.unlink()
    with pytest.raises(FileFormatError, match="`make results` measures it"):
        load_families(root)
    write_results(root, tmp_path / "docs", lava_samples=0)
    assert card.read_bytes() == measured


def test_tables_have_as_many_cells_in_every_row(written, families):
    for text in ((written / "results.md").read_text(), page({}, ()), page(families, ())):
        widths = []
        for line in text.splitlines():
            if line.startswith("|"):
                widths.append(line.count("|"))
            elif widths:
                assert len(set(widths)) == 1, widths
                widths = []


def test_the_figure_of_navigation_shows_the_published_models_beside_a_random_walk():
    published = load_families(Path(__file__).parents[2] / "models")
    *arenas, trials = navigation(published).axes
    assert all(axes.lines for axes in arenas)
    length = {line.get_label(): line.get_ydata() for line in trials.lines}
    assert {"navigation", "navigation-lif", "navigation-lstm"} < length.keys()
    assert length["navigation"][1:].mean() < 0.5 * length["random walk"].mean()
