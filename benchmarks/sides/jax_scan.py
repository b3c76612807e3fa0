"""The LSNN, dense and without delays, as a JAX scan over chunks of steps, checkpointed or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax_training import training_step
from paper import (
    ALPHA,
    B0,
    CLASSES,
    GAMMA,
    NEURONS,
    RHO,
    WINDOW,
    adaptation_steps,
    load,
    weights,
)  # fmt: skip


@jax.custom_vjp
def spike(distance: Any) -> Any:
    """Heaviside step forward, triangular pseudo-derivative backward."""
    return (distance > 0).astype(distance.dtype)


def _forward(distance: Any) -> tuple[Any, Any]:
    return spike(distance), distance


def _backward(distance: Any, grad: Any) -> tuple[Any]:
    return (grad * GAMMA * jnp.maximum(0, 1 - jnp.abs(distance)),)


spike.defvjp(_forward, _backward)


def scan(data: str, *, checkpointed: bool = True) -> Callable[[], float]:
    """Its training step; a chunk is as long as the window that is read, so that the last one is read."""
    batch = load(data)
    n_steps, n_samples, n_inputs = batch.x.shape
    parameters = {
        "input": jnp.asarray(weights(n_inputs, NEURONS, 0)),
        "recurrent": jnp.asarray(weights(NEURONS, NEURONS, 1)),
        "readout": jnp.asarray(weights(NEURONS, CLASSES, 2)),
        "offset": jnp.zeros(CLASSES),
    }
    step_a = jnp.asarray(adaptation_steps())

    def forward(p: Any, x: Any) -> tuple[Any, Any]:
        def one_step(state: Any, x: Any) -> tuple[Any, Any]:
            v, a, z, count = state
            a = RHO * a + step_a * z
            v = ALPHA * v + (1 - ALPHA) * (x @ p["input"] + z @ p["recurrent"])
            threshold = B0 + a
            z = spike((v - threshold) / B0)
            return (v - z * threshold, a, z, count + z), None

        def chunk(state: Any, x: Any) -> tuple[Any, Any]:
            begin = (*state, jnp.zeros_like(state[0]))
            (*state, count), _ = jax.lax.scan(one_step, begin, x)
            return tuple(state), count

        rest = (jnp.zeros((n_samples, NEURONS)),) * 3
        chunks = x.reshape(n_steps // WINDOW, WINDOW, n_samples, n_inputs)
        run = jax.checkpoint(chunk) if checkpointed else chunk
        _, counts = jax.lax.scan(run, rest, chunks)  # (chunk, sample, neuron)
        scores = counts[-1] / WINDOW @ p["readout"] + p["offset"]
        return scores, counts.sum(axis=(0, 1)) / (n_steps * n_samples)

    return training_step(parameters, forward, batch)
