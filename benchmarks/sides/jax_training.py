"""The training step that all JAX peers share: loss, gradients, Adam, compiled as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from paper import LEARNING_RATE, RATE, RATE_WEIGHT, Batch


def training_step(
    parameters: Any, forward: Callable[[Any, Any], tuple[Any, Any]], batch: Batch
) -> Callable[[], float]:
    """A step that gives the firing rate in Hz.

    ``forward(parameters, x)`` gives scores (sample, class) and rates (neuron,).
    """
    optimizer = optax.adam(LEARNING_RATE)
    x, target = jnp.asarray(batch.x), jnp.asarray(batch.target)

    def loss(parameters: Any, x: Any, target: Any) -> tuple[Any, Any]:
        scores, rate = forward(parameters, x)
        entropy = optax.softmax_cross_entropy_with_integer_labels(scores, target).mean()
        return entropy + RATE_WEIGHT * ((rate - RATE) ** 2).sum(), rate.mean()

    @jax.jit
    def update(parameters: Any, state: Any, x: Any, target: Any) -> tuple[Any, Any, Any]:
        (_, rate), gradients = jax.value_and_grad(loss, has_aux=True)(parameters, x, target)
        changes, state = optimizer.update(gradients, state, parameters)
        return optax.apply_updates(parameters, changes), state, rate

    # numbers whose type JAX may still choose would make it compile again when it has chosen
    settled = jax.tree.map(lambda array: jnp.array(np.asarray(array)), parameters)
    kept = [settled, optimizer.init(settled)]

    def step() -> float:
        kept[0], kept[1], rate = jax.block_until_ready(update(*kept, x, target))
        return float(rate) * 1000

    return step
