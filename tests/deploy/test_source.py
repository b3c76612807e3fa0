"""What a framework did, as a file: which numbers are taken, and what of them is compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from nir_graphs import each, graph_of, linear

from deploy.interchange.nir import read
from deploy.model import Model
from deploy.parity_report import ParityReport
from deploy.source import SourceRun
from lsnn_neuro.errors import DataError
from lsnn_neuro.network.double import run_in_double

STEPS = 12


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """Two inputs, a neuron each, and a readout."""
    graph = graph_of(
        input=2, w=linear([4.0, 0.0], [0.0, 4.0]), lif=nir.LIF(*each(2, 3e-3, 1, 0, 1)),
        v=linear([1.0, 0.5]), out=nir.LI(*each(1, 4e-3, 1, 0)), output=1,
    )  # fmt: skip
    nir.write(tmp_path / "a.nir", graph)
    return Model(imported=(found := read(tmp_path / "a.nir", "nir", dt=1.0)), network=found.network)


@pytest.fixture
def ran(model: Model) -> SourceRun:
    """What a framework that computes as we do would have recorded."""
    assert model.imported is not None
    assert model.spec is not None
    inputs = (np.random.default_rng(1).random((STEPS, 1, 2)) < 0.6).astype(float)
    late = {layer.population: layer.lag for layer in model.imported.layers}
    end = np.zeros((max(late.values()), 1, 2))
    spikes, readout = run_in_double(model.spec, np.concatenate([inputs, end]))
    first = late[model.spec.outputs[0]]
    return SourceRun(
        name="r.npz", inputs=inputs, readout=readout[first : first + STEPS],
        spikes={"lif": spikes["lif"][late["lif"] : late["lif"] + STEPS].astype(np.float32)},
    )  # fmt: skip


def level(model: Model, ran: SourceRun) -> Any:
    report = ParityReport(levels={}, sides={}, inputs=ran.events(model))
    return ran.compared(model, report).levels["source"]


def changed(array: Any, value: float) -> Any:
    other = np.array(array, np.float64)
    other[4, 0, 0] = value
    return other


def test_what_was_recorded_of_the_same_network_is_exact(model: Model, ran: SourceRun) -> None:
    assert ran.spikes["lif"].any()
    found = level(model, ran)
    assert (found.exact, found.readout_compared, found.not_recorded) == (True, STEPS, ())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_readout_that_is_not_finite_is_refused_by_index(ran: SourceRun, value: float) -> None:
    with pytest.raises(DataError, match=r"r.npz: readout\[\(4, 0, 0\)\] is -?(nan|inf), must be"):
        replace(ran, readout=changed(ran.readout, value))


@pytest.mark.parametrize("off", [1e-3, 1.0, 1e6, 1e300])
def test_a_readout_is_compared_however_far_it_is_off(
    model: Model, ran: SourceRun, off: float
) -> None:
    """Neither side is rounded to 32 bits, and one far value makes itself differ."""
    assert ran.readout is not None
    found = level(model, replace(ran, readout=changed(ran.readout, ran.readout[4, 0, 0] + off)))
    assert not found.exact
    assert found.first_divergence.readout
    assert found.first_divergence.reference_value != found.first_divergence.other_value


def test_readouts_agree_within_a_share_of_the_largest(model: Model, ran: SourceRun) -> None:
    assert ran.readout is not None
    largest = np.abs(ran.readout).max()
    for share, differ in ((0.5e-4, 0), (2e-4, 1)):
        readout = changed(ran.readout, ran.readout[4, 0, 0] + share * largest)
        assert level(model, replace(ran, readout=readout)).readout_mismatches == differ
    nothing = replace(ran, readout=np.zeros_like(ran.readout))
    assert level(model, nothing).readout_mismatches > 0


@pytest.mark.parametrize("value", [0.3, -1, 1 + 1e-6, np.nan, np.inf])
def test_spikes_are_counted_in_whole_numbers(ran: SourceRun, value: float) -> None:
    with pytest.raises(
        DataError, match=r"r.npz: spikes_lif\[\(4, 0, 0\)\] is .*, expected the number"
    ):
        replace(ran, spikes={"lif": changed(ran.spikes["lif"], value)})


def test_several_spikes_in_a_step_are_refused_where_the_framework_sends_one(
    model: Model, ran: SourceRun
) -> None:
    several = replace(ran, spikes={"lif": changed(ran.spikes["lif"], 7)})
    with pytest.raises(DataError, match=r"spikes_lif\[\(4, 0, 0\)\] is 7.*, allowed are 0 and 1"):
        level(model, several)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16, np.float64])
def test_spikes_may_have_any_type_of_number(model: Model, ran: SourceRun, dtype: Any) -> None:
    assert level(model, replace(ran, spikes={"lif": ran.spikes["lif"].astype(dtype)})).exact


def test_arrays_that_are_no_real_numbers_are_refused(ran: SourceRun) -> None:
    for change, said in (
        ({"readout": np.asarray(ran.readout) + 1j}, "readout is complex128, expected numbers"),
        ({"spikes": {"lif": ran.spikes["lif"].astype(str)}}, "spikes_lif is <U32, expected numbers"),
        ({"readout": np.zeros(3)}, "readout has shape"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=said):
            replace(ran, **change)


def test_what_was_not_recorded_is_named(model: Model, ran: SourceRun) -> None:
    found = level(model, replace(ran, spikes={}))
    assert (found.exact, found.not_recorded) == (True, ("lif",))
    assert "not recorded: lif" in found.beyond_spikes
    assert level(model, replace(ran, readout=None)).not_recorded == ("readout",)


def test_a_file_is_refused_as_the_arrays_are(tmp_path: Path, model: Model, ran: SourceRun) -> None:
    assert ran.readout is not None
    np.savez(tmp_path / "r.npz", inputs=ran.inputs, readout=ran.readout)
    assert level(model, SourceRun.read(tmp_path / "r.npz")).exact
    np.savez(tmp_path / "r.npz", inputs=ran.inputs, readout=changed(ran.readout, np.nan))
    with pytest.raises(DataError, match=r"r.npz: readout\[\(4, 0, 0\)\] is nan"):
        SourceRun.read(tmp_path / "r.npz")
