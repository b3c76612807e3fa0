"""Networks of other frameworks with their own spikes, as they may lie beside the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

FOREIGN = Path(__file__).parents[3] / "shared" / "data" / "foreign"
PAPER = FOREIGN.parent / "nir-paper"
META: dict[str, Any] = json.loads((FOREIGN / "meta.json").read_text()) if FOREIGN.is_dir() else {}
needs_foreign = pytest.mark.skipif(not META, reason=f"no foreign networks in {FOREIGN}")
needs_paper = pytest.mark.skipif(not PAPER.is_dir(), reason=f"no files of the NIR paper in {PAPER}")

TOLD: dict[str, dict[str, Any]] = {
    "norse_box_reset_subtract": {"reset": "subtract"},
    "rp_lif_cuba": {"one_spike": True},
    "sinabs_lif_nonorm_li": {"one_spike": True, "reset": "zero", "put": {"1.norm_input": False}},
    "sinabs_lif_single_subtract_hetero": {"one_spike": True},
    "sinabs_lif_tau_syn": {"one_spike": True, "reset": "zero", "put": {"1.tau_syn": 5.0}},
    "snn_conv_zero": {"reset": "zero"},
    "snn_graded_readout_none": {"reset": "zero", "put": {"out.reset": "none"}},
}
"""What has to be told of those whose dialect leaves something open that is not the usual."""
SEVERAL = ("rp_lifneuron_default_raw", "sinabs_iaf_conv_multi")
"""Whose neurons send several spikes a step."""
EXACT = (
    "norse_box_dt1_bias_li", "norse_box_reset_subtract", "norse_lif_cuba", "rp_lif_cuba",
    "sinabs_lif_nonorm_li", "sinabs_lif_single_subtract_hetero", "sinabs_lif_tau_syn", "sj_if_ties",
    "sj_lif_no_decay_vreset_bias", "sj_skip_sum", "snn_conv_zero", "snn_ff_subtract_bias",
    "snn_graded_readout_none", "snn_rsynaptic_subtract",
)  # fmt: skip


def recorded(name: str) -> dict[str, npt.NDArray[Any]]:
    """What the framework computed: inputs, spikes_LAYER, readout, lost_ITEM."""
    with np.load(FOREIGN / f"{name}.npz") as found:
        return {key: found[key] for key in found.files}
