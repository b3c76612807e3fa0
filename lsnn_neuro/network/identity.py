"""The part of a network that does not learn: two networks must agree in it to share parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lsnn_neuro.network.spec import NetworkSpec, Population, Projection


def identify(spec: NetworkSpec) -> str:
    """All that training leaves unchanged, as JSON."""
    return json.dumps(_about(spec), sort_keys=True)


def differing(theirs: Mapping[str, Any], spec: NetworkSpec) -> Iterator[str]:
    """In what a network, given by its identity, differs from a spec: object, field and both values."""
    ours = json.loads(identify(spec))
    for key in ("n_inputs", "dt", "outputs", "random_feedback"):
        if theirs.get(key) != ours[key]:
            yield f"{key} is {theirs.get(key)}, here {ours[key]}"
    for part in ("population", "projection"):
        one, two = theirs[f"{part}s"], ours[f"{part}s"]
        if list(one) != list(two):
            yield f"{part}s are {', '.join(one)}, here {', '.join(two)}"
            continue
        for name in two:
            for field, value in two[name].items():
                if (found := one[name].get(field)) != value:
                    yield f"{field} of {part} {name!r} is {_short(found)}, here {_short(value)}"


def _about(spec: NetworkSpec) -> dict[str, Any]:
    return {
        "n_inputs": spec.n_inputs,
        "dt": spec.dt,
        "outputs": list(spec.outputs),
        "random_feedback": spec.feedback is not None,
        "populations": {p.name: _population(p) for p in spec.populations},
        "projections": {p.name: _projection(p) for p in spec.projections},
    }


def _population(p: Population) -> dict[str, Any]:
    fixed = {
        name: np.asarray(getattr(p.neuron, name)).tolist()
        for name, parameter in p.neuron.parameters().items()
        if parameter.kind in ("count", "option")
    }
    return fixed | {
        "neuron": p.neuron.name,
        "size": p.size,
        "learn": list(p.learn),
        "synaptic current": p.has_current,
        "bias": bool(p.bias.any()) or "bias" in p.learn,
        "scale": p.scale,
    }


def _projection(p: Projection) -> dict[str, Any]:
    fields = ("source", "target", "max_delay", "autapses", "excitatory", "plastic", "group")
    signs = p.signs if isinstance(p.signs, str) else p.signs.tolist()
    return {name: getattr(p, name) for name in fields} | {
        "signs": signs,
        "weight_exp": p.weight_exp,
    }


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
