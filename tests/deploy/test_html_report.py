"""What the HTML report says and draws is what the records hold."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import random_graph
from random_networks import random_events, random_inputs, random_network
from report_evidence import (
    N_STEPS,
    READING,
    SPIKING,
    changed_at,
    evidence,
    evidence_of,
    network,
    side,
)

from deploy.comparison import Side, compare_levels
from deploy.reporting.distances import TAU, distances
from deploy.reporting.figures import NEURONS_MAX, SPIKES_MAX, Figure, Panel, raster, scatter
from deploy.reporting.html import parity_page
from deploy.reporting.neuron import ASKED_AFTER, ASKED_BEFORE, representative, trace_neuron
from deploy.reporting.page import Page, Section, number, render
from deploy.reporting.report import Report
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.neurons.ahp import AHP
from lsnn_neuro.neurons.alif import ALIF
from quantize.record import PopulationSpikes


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return evidence(tmp_path_factory.mktemp("exact") / "a", network())


@pytest.fixture(scope="module")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return evidence(tmp_path_factory.mktemp("parted") / "a", changed_at(SPIKING))


def section(page: Page, key: str) -> Section:
    return next(s for s in page.sections if s.key == key)


def rasters(figure: Figure, given: Report) -> dict[str, Panel]:
    names = [p.name for p in given.network.spiking]
    return {panel.title: panel for panel in figure.panels if panel.title in names}


def drawn(panel: Panel) -> dict[str, set[tuple[int, int]]]:
    """(step, row) of every mark, by style; read back from the SVG paths."""
    return {
        layer.style: {
            (int(t), int(float(row))) for t, row in re.findall(r"M(\d+) ([\d.]+)[hv]", layer.path)
        }
        for layer in panel.layers
    }


def places(spikes) -> set[tuple[int, int]]:
    return {(int(t), int(j)) for t, j in np.argwhere(spikes)}


def test_an_exact_report_says_so_and_draws_no_mismatch(exact: Report) -> None:
    page = parity_page(exact)
    assert page.passed
    assert "quantization-aware, emulator and loihi-sim agree" in page.lead
    assert f"{exact.levels['P2'].spikes:,} spikes" in page.lead
    for figure in section(page, "spikes").figures:
        for panel in figure.panels:
            assert not {"missing", "extra", "other"} & {layer.style for layer in panel.layers}


def test_a_changed_weight_is_reported_where_the_comparison_finds_it(parted: Report) -> None:
    where = parted.levels["P2"].first_divergence
    assert where is not None
    page = parity_page(parted)
    assert not page.passed
    assert f"step {where.step} of sample {where.sample}" in page.lead
    assert f"{where.population} neuron {where.neuron}" in page.lead
    table = section(page, "levels").tables[1]
    values = {row[0]: row[1:] for row in table.rows}
    assert where.reference is not None
    assert where.other is not None
    assert values["membrane v"] == (number(where.reference["v"]), number(where.other["v"]))
    assert values["spike"] == (str(where.reference_value), str(where.other_value))


def test_every_spike_is_drawn_once_in_the_colour_of_its_kind(parted: Report) -> None:
    whole = section(parity_page(parted), "spikes").figures[1]
    reference, other = (s.record for s in parted.sides["P2"])
    mismatches = 0
    for one, two in zip(reference.spikes, other.spikes, strict=True):
        a, b = one.spikes[:, parted.sample], two.spikes[:, parted.sample]
        marks = drawn(rasters(whole, parted)[one.name])
        assert marks.get("match", set()) == places(a & b)
        assert marks.get("missing", set()) == places(a & ~b)
        assert marks.get("extra", set()) == places(~a & b)
        mismatches += int((a != b).sum())
    assert mismatches > 1


def test_the_first_figure_is_the_neighbourhood_of_the_divergence(parted: Report) -> None:
    where = parted.levels["P2"].first_divergence
    assert where is not None
    figure = section(parity_page(parted), "spikes").figures[0]
    assert f"step {where.step}" in figure.caption
    panel = rasters(figure, parted)[where.population]
    here = next(layer.path for layer in panel.layers if layer.style == "here")
    assert here.startswith(f"M{min(where.step, 40)} ")


def test_a_readout_that_differs_alone_is_drawn_and_named(tmp_path: Path) -> None:
    given = evidence(tmp_path / "a", changed_at(READING))
    page = parity_page(given)
    assert "readout integers. They part at step" in page.lead
    assert ", output " in page.lead
    panel = section(page, "spikes").figures[0].panels[-1]
    assert "other" in {layer.style for layer in panel.layers}
    assert section(page, "neuron").figures  # a representative one


def test_a_followed_neuron_shows_the_states_of_both_sides(parted: Report) -> None:
    where = parted.levels["P2"].first_divergence
    assert where is not None
    own, sides = parted.network, parted.sides["P2"]
    trace = trace_neuron(own, sides, where.sample, where.population, where.neuron, near=where.step)
    assert trace.other is not None
    low = max(where.step - ASKED_BEFORE, 0)
    assert list(trace.other.steps) == list(range(low, min(where.step + ASKED_AFTER, N_STEPS) + 1))
    at_one = list(trace.one.steps).index(where.step)
    at_other = list(trace.other.steps).index(where.step)
    assert where.reference is not None
    assert where.other is not None
    for side_, at, states in (
        (trace.one, at_one, where.reference), (trace.other, at_other, where.other)
    ):  # fmt: skip
        found = {name: values[at] for name, values in side_.variables.items()}
        assert found == {name: value for name, value in states.items() if name != "z"}
    vth = own.population(where.population).vth[where.neuron]
    assert (trace.threshold - trace.one.variables.get("a", 0) == vth).all()


@pytest.mark.parametrize(
    ("kind", "moves"), [(ALIF, True), (AHP, False)], ids=lambda kind: getattr(kind, "name", "")
)
def test_the_threshold_moves_only_where_the_adaptation_moves_it(
    exact: Report, kind: type[ALIF], moves: bool
) -> None:
    own = exact.network
    name, neuron = representative(own, exact.emulator, 0)
    populations = tuple(replace(p, neuron=kind) if p.name == name else p for p in own.populations)
    other = replace(own, populations=populations)
    ran = side(other, exact.inputs, "emulator")
    trace = trace_neuron(other, (ran, ran), 0, name, neuron)
    assert trace.one.variables["a"].any()
    assert (np.ptp(trace.threshold) > 0) == moves


@pytest.mark.parametrize("seed", range(4))
def test_a_membrane_that_is_not_reset_spikes_where_it_reaches_the_threshold(seed: int) -> None:
    own = random_network(seed, forms=("atrlif",))
    inputs = random_inputs(seed, own, n_steps=60, n_samples=1)
    ran = side(own, inputs, "emulator")
    for population in own.spiking:
        for neuron in range(population.size):
            trace = trace_neuron(own, (ran, ran), 0, population.name, neuron)
            at = np.flatnonzero(trace.one.variables["v"] >= trace.threshold)
            np.testing.assert_array_equal(at, trace.one.spike_steps)


@pytest.mark.parametrize("seed", range(6))
def test_any_network_is_reported(tmp_path: Path, seed: int) -> None:
    own = random_graph(seed, graded=True)
    given = evidence_of(tmp_path / "a", own, random_events(seed, own, n_steps=20, n_samples=2))
    page = parity_page(given)
    assert page.passed
    about = section(page, "network")
    assert f"{own.n_neurons} neurons, {own.n_outputs} outputs, " in about.lead
    assert about.lead.endswith(f"steps of {own.dt:g} ms.")
    assert [row[:2] for row in about.tables[0].rows] == [
        (p.name, p.neuron.name) for p in own.populations
    ]
    readout = section(page, "spikes").figures[0].panels[-1]
    assert f"all {own.n_outputs} outputs" in readout.text
    shown = section(page, "neuron").figures[0].panels[0]
    assert shown.title == "membrane v and threshold"
    assert "in 2 of 2 steps compared" in shown.text
    assert len(render(page)) < 2_000_000


def test_an_artifact_without_a_float_network_is_reported_by_its_golden_spikes(
    exact: Report,
) -> None:
    golden = Side(record=replace(exact.emulator, target="golden"))
    sides = {"golden": (golden, exact.sides["P2"][0])}
    page = parity_page(replace(exact, sides=sides, levels=compare_levels(sides)))
    assert page.passed
    assert "golden and emulator agree" in page.lead
    assert "float" not in [s.key for s in page.sections]


def test_the_representative_neuron_spikes_and_adapts(exact: Report) -> None:
    record = exact.emulator
    population, neuron = representative(exact.network, record, 0)
    assert exact.network.population(population).adaptive
    counts = next(p for p in record.spikes if p.name == population).spikes[:, 0].sum(axis=0)
    assert 0 < counts[neuron] <= counts.max()


def test_a_failure_in_a_later_batch_is_shown_with_its_number_in_the_whole(
    parted: Report,
) -> None:
    level = parted.levels["P2"]
    assert level.first_divergence is not None
    where = replace(level.first_divergence, sample=level.first_divergence.sample + 128)
    later = replace(
        parted,
        first_sample=128,
        levels={**parted.levels, "P2": replace(level, first_divergence=where)},
    )
    assert later.sample == parted.sample
    assert f"Sample {where.sample}:" in section(parity_page(later), "spikes").figures[1].caption


@given(st.data())
def test_rasters_hold_exactly_the_spikes(data: st.DataObject) -> None:
    n_steps, n = data.draw(st.integers(2, 30)), data.draw(st.integers(1, 12))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    one, two = (rng.random((n_steps, n)) < rng.random() for _ in range(2))
    marks = drawn(raster("cells", one, two))
    assert marks.get("match", set()) == places(one & two)
    assert marks.get("missing", set()) == places(one & ~two)
    assert marks.get("extra", set()) == places(~one & two)


def test_a_large_population_is_thinned_out_but_keeps_what_differs() -> None:
    one = np.random.default_rng(0).random((400, 5000)) < 0.05
    two = one.copy()
    two[200, 4321] ^= True
    panel = raster("cells", one, two, here=(200, 4321))
    assert panel.view[3] <= NEURONS_MAX
    assert sum(len(layer.path) for layer in panel.layers) < 20 * SPIKES_MAX
    assert "of its 5,000 neurons shown" in panel.title
    marks = drawn(panel)
    assert len(marks.get("missing", set()) | marks.get("extra", set())) == 1


def test_a_scatter_puts_equal_values_on_the_diagonal() -> None:
    rates = np.array([0.0, 3.0, 10.0])
    panel = scatter("other", "", [("line", rates, rates)])
    points = re.findall(r"M(\d+) (\d+)h0", panel.layers[1].path)
    assert [int(x) + int(y) for x, y in points] == [1000] * 3


def trains(*spike_steps: list[int]) -> PopulationSpikes:
    """One sample, one neuron for each list of steps."""
    spikes = np.zeros((100, 1, len(spike_steps)), bool)
    for neuron, steps in enumerate(spike_steps):
        spikes[steps, 0, neuron] = True
    return PopulationSpikes(name="cells", spikes=spikes)


def test_distances_of_equal_trains_are_zero() -> None:
    same = trains([3, 50], [], [7])
    found = distances(same, same, dt=1.0)
    assert (found.van_rossum, found.victor_purpura, found.rate_difference) == (0, 0, 0)
    assert (found.coincident, found.first_spike, found.one_sided) == (1, 0, 0)


def test_distances_of_a_moved_a_missing_and_an_extra_spike() -> None:
    found = distances(trains([10, 40], [20], []), trains([14, 40], [], [60]), dt=1.0)
    shift, delete, insert = 4 / TAU, 1, 1
    assert found.victor_purpura == pytest.approx((shift + delete + insert) / 6)
    assert found.first_spike == 4
    assert found.one_sided == 2
    assert found.coincident == pytest.approx(1 / 3)
    assert found.rate == pytest.approx(3 / 3 / 0.1)  # spikes, neurons, seconds
    assert found.rate_difference == pytest.approx((0 + 10 + 10) / 3)


def test_a_shift_never_costs_more_than_delete_and_insert() -> None:
    assert distances(trains([0]), trains([99]), dt=1.0).victor_purpura == pytest.approx(1)


class Reader(HTMLParser):
    """Collects tags with their attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_file_needs_nothing_from_outside_and_no_script(parted: Report) -> None:
    text = render(parity_page(parted))
    reader = Reader(text)
    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in reader.tags}
    for _, attributes in reader.tags:
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert not re.search(r"@import|url\((?!#)", text)
    assert len(text) < 2_000_000


def test_pictures_have_words_and_tables_have_headers(parted: Report) -> None:
    reader = Reader(render(parity_page(parted)))
    for tag, attributes in reader.tags:
        if tag == "svg":
            assert attributes.get("aria-hidden") == "true" or attributes.get("aria-label")
        if tag == "th":
            assert attributes.get("scope") in ("col", "row")
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("table") == tags.count("caption") > 8
    ids = [a["id"] for _, a in reader.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_sections_come_with_the_verdict_first(exact: Report) -> None:
    page = parity_page(exact)
    assert [s.key for s in page.sections] == [
        "levels", "spikes", "neuron", "float", "network", "conversion", "chip", "provenance",
    ]  # fmt: skip
    text = render(page)
    assert text.index("The same network, spike by spike") < text.index("<main")
    assert "66.7%" in text


def test_names_are_escaped(tmp_path: Path) -> None:
    given = evidence(tmp_path / "a", network(), recipe="<script>alert(1)</script>")
    text = render(parity_page(given))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_manifest_without_a_conversion_report_leaves_the_section_out(exact: Report) -> None:
    without = replace(exact, manifest={"target": "loihi-sim"})
    page = parity_page(without)
    assert "conversion" not in [s.key for s in page.sections]


def test_an_unreadable_conversion_report_is_one_line(exact: Report) -> None:
    unreadable = replace(exact, manifest={"conversion": {"populations": 3}})
    with pytest.raises(FileFormatError, match="no readable conversion report") as error:
        parity_page(unreadable)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1,234,567"), (0.03125, "0.0312"), (1234.5, "1,234"), (16777216.0, "16,777,216")],
)  # fmt: skip
def test_numbers_in_tables(value: float, text: str) -> None:
    assert number(value) == text
