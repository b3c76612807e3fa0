"""spyx's recurrent LIF neurons, and its ALIF neurons with a recurrent matrix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from flax import nnx
from jax_training import training_step
from paper import ALPHA, CLASSES, NEURONS, RHO, WINDOW, load, weights
from spyx.nn import ALIF, RLIF, run

DRIVE = 6.0
"""Its thresholds are 1: the inputs' weights must be larger for the neurons to fire as often as the others."""


class RecurrentALIF(nnx.Module):
    """ALIF neurons that hear each other's spikes of the step before."""

    def __init__(self) -> None:
        self.neurons = ALIF((NEURONS,), beta=ALPHA, gamma=RHO, rngs=nnx.Rngs(0))
        self.recurrent = nnx.Param(jnp.asarray(weights(NEURONS, NEURONS, 1)))

    def __call__(self, x: Any, state: Any) -> tuple[Any, Any]:
        """One step: spikes, and the state after it."""
        vt, z = state
        z, vt = self.neurons(x + z @ self.recurrent[...], vt)
        return z, (vt, z)

    def initial_state(self, batch_size: int) -> Any:
        """Rest."""
        return self.neurons.initial_state(batch_size), jnp.zeros((batch_size, NEURONS))


class Driven(nnx.Module):
    """A layer and the weights of its inputs; all at once for all steps would take longer."""

    def __init__(self, layer: Any, n_inputs: int) -> None:
        self.layer = layer
        self.weights = nnx.Param(jnp.asarray(DRIVE * weights(n_inputs, NEURONS, 0)))

    def __call__(self, x: Any, state: Any) -> tuple[Any, Any]:
        """One step: spikes, and the state after it."""
        return self.layer(x @ self.weights[...], state)

    def initial_state(self, batch_size: int) -> Any:
        """Rest."""
        return self.layer.initial_state(batch_size)


def rlif(data: str) -> Callable[[], float]:
    """The training step of recurrent LIF neurons."""
    layer = RLIF((NEURONS,), beta=ALPHA, rngs=nnx.Rngs(0))
    layer.recurrent_w[...] = jnp.asarray(weights(NEURONS, NEURONS, 1))
    return _training(layer, data)


def alif(data: str) -> Callable[[], float]:
    """The training step of recurrent ALIF neurons."""
    return _training(RecurrentALIF(), data)


def _training(layer: Any, data: str) -> Callable[[], float]:
    batch = load(data)
    graph, learnt, rest = nnx.split(Driven(layer, batch.x.shape[2]), nnx.Param, ...)
    parameters = {
        "layer": learnt,
        "readout": jnp.asarray(weights(NEURONS, CLASSES, 2)),
        "offset": jnp.zeros(CLASSES),
    }

    def forward(p: Any, x: Any) -> tuple[Any, Any]:
        z, _ = run(nnx.merge(graph, p["layer"], rest), x)
        return z[-WINDOW:].mean(axis=0) @ p["readout"] + p["offset"], z.mean(axis=(0, 1))

    return training_step(parameters, forward, batch)
