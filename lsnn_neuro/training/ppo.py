"""Reinforcement learning through time: proximal policy optimization of whole episodes.

A network plays a batch of episodes, its readout giving mean velocity and value; then the recorded input
spikes go through it again, backwards through time as well, and the readouts at the actions are judged.
The second run is the first one bit for bit (on the native kernel), so that the ratio of the first update
is exactly 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lsnn_neuro.evaluation import evaluate
from lsnn_neuro.player import FloatPlayer
from lsnn_neuro.tasks.navigation.episodes import (
    GOAL,
    VALUE,
    VELOCITY,
    Episodes,
    episodes_score,
    run_episodes,
)
from lsnn_neuro.tasks.navigation.task import Navigation
from lsnn_neuro.tasks.score import Score
from lsnn_neuro.training.config import ReinforcementConfig, TrainingConfig
from lsnn_neuro.training.objectives import Loss

FloatArray = npt.NDArray[np.float64]
_SEEDS = 2**62


def advantages(
    reward: FloatArray, value: FloatArray, discount: float, gae_lambda: float
) -> FloatArray:
    r"""Generalized advantage estimates, (action, sample).

    ::

        delta[k] = reward[k] + discount value[k+1] - value[k]
        A[k]     = delta[k] + discount gae_lambda A[k+1]

    After the last action, where time ends and not the world, value[k+1] is taken to be value[k].

    - reward, value: (action, sample); discount, gae_lambda: gamma and lambda, 0 to 1

    Source: Schulman et al. 2016 (arXiv 1506.02438), equations (11) to (16).
    """
    delta: FloatArray = reward + discount * np.concatenate([value[1:], value[-1:]]) - value
    for k in range(len(delta) - 2, -1, -1):
        delta[k] += discount * gae_lambda * delta[k + 1]
    return delta


def clipped_gain(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """What proximal policy optimization makes large, elementwise.

    ::

        min(ratio A, clip(ratio, 1 - clip, 1 + clip) A)

    Source: Schulman et al. 2017 (arXiv 1707.06347), equation (7).
    """
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rollout:
    """A batch of episodes with what does not change while it is learnt from; first axes (action, sample).

    - drift: the part of the action's noise that was known beforehand, (action, sample, 2)
    - log_policy: of the actions when they were taken; noise: its standard deviation, shape ()
    - goal_known: whether the goal has been reached before, (action, sample); goal: where it is, (sample, 2)
    """

    inputs: npt.NDArray[np.bool_]
    action: npt.NDArray[np.float32]
    drift: npt.NDArray[np.float32]
    moved: npt.NDArray[np.bool_]
    advantage: npt.NDArray[np.float32]
    returns: npt.NDArray[np.float32]
    log_policy: npt.NDArray[np.float32]
    goal_known: npt.NDArray[np.bool_]
    goal: npt.NDArray[np.float32]
    noise: npt.NDArray[np.float32]


class ActorCritic:
    """Actor and critic in one network, trained by proximal policy optimization.

    Every batch of episodes is learnt from ``epochs`` times, once per iteration.
    """

    def __init__(
        self,
        task: Navigation,
        training: TrainingConfig,
        config: ReinforcementConfig,
        device: torch.device,
    ):
        """Learn a task on a device."""
        self.task, self.training, self.config, self.device = task, training, config, device
        self.updates = 0
        self._rollout: _Rollout | None = None
        c = task.config
        self._action_steps = torch.arange(1, c.actions + 1) * c.steps_per_action - 1 - c.latency

    def loss(self, model: nn.Module, rng: np.random.Generator) -> Loss:
        """The loss of the episodes at hand; new ones are played when these have been used up."""
        metrics: dict[str, float] = {}
        if self.updates % self.config.epochs == 0 or self._rollout is None:
            episodes, noise = self._play(model, rng)
            played = episodes_score([episodes])
            metrics = {played.metric.name: played.value, **played.extra_each}
            self._rollout = self._prepare(episodes, noise)
        r = self._rollout
        output = model(torch.from_numpy(r.inputs).to(self.device))
        at_actions = output.readout[self._action_steps.to(self.device)]
        readout = at_actions.float()  # (action, sample, output)
        action_mask = self._tensor(r.moved).float()
        ratio = torch.exp(self._log_policy(readout, r) - self._tensor(r.log_policy))
        gain = clipped_gain(ratio, self._tensor(r.advantage), self.config.clip)
        actor = -(gain * action_mask).sum() / action_mask.sum()
        critic = nn.functional.mse_loss(readout[..., VALUE], self._tensor(r.returns))
        value = actor + self.config.value_weight * critic
        mean_velocity = readout[..., VELOCITY]
        excess = torch.relu(mean_velocity.square().sum(-1) - self.config.max_speed**2).mean()
        value = value + self.config.speed_penalty * excess
        if self.task.config.auxiliary_targets:
            error = (readout[..., GOAL] - self._tensor(r.goal)).square().sum(-1)
            auxiliary = (error * self._tensor(r.goal_known)).mean()
            value = value + self.config.auxiliary_weight * auxiliary
            metrics["hint"] = auxiliary.item()
        self.updates += 1
        metrics |= {
            "actor": actor.item(),
            "critic": critic.item(),
            "ratio": ratio.mean().item(),
            "entropy": self._entropy(r.noise.item()),
        }
        return Loss(value=value, output=output, metrics=metrics)

    def validate(self, model: nn.Module) -> Score:
        """Goals per episode of the validation split."""
        return evaluate(
            self.task, FloatPlayer(model, self.device), "validation",
            batch_size=self.training.batch_size, max_samples=self.training.validation_samples,
        )  # fmt: skip

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What a resumed run needs beside the network."""
        kept = {"updates": np.array(self.updates)}
        if self._rollout is None:
            return kept
        rollout = {f.name: getattr(self._rollout, f.name) for f in fields(_Rollout)}
        return kept | rollout

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go back to a state."""
        self.updates = int(state["updates"])
        names = {f.name for f in fields(_Rollout)}
        self._rollout = _Rollout(**{n: state[n] for n in names}) if names <= state.keys() else None

    def _play(self, model: nn.Module, rng: np.random.Generator) -> tuple[Episodes, float]:
        n, seeds = self.training.batch_size, _SEEDS
        draws = self.task.draw("train", [int(e) for e in rng.integers(seeds, size=n)])
        done = min(self.updates / self.config.noise_decay_iterations, 1.0)
        last = self.task.config.noise
        noise = self.config.noise + (last - self.config.noise) * done
        return run_episodes(self.task, model.session(n), draws, noise=noise), noise

    def _prepare(self, e: Episodes, noise: float) -> _Rollout:
        """Advantages, returns and what else is needed of the episodes."""
        value = e.readout[..., VALUE]
        gains = advantages(e.reward, value, self.config.discount, self.config.gae_lambda)
        # what all episodes have in common at a time is no one's merit
        relative = gains - gains.mean(axis=1, keepdims=True)
        scale = relative[e.moved].std() + 1e-8
        deviation = e.action - e.readout[..., VELOCITY]
        drift = np.zeros_like(deviation)
        drift[1:] = self.task.config.noise_correlation * deviation[:-1]
        arrays = {
            "action": e.action,
            "drift": drift,
            "advantage": relative / scale,
            "returns": gains + value,
            "goal": e.goal,
            "noise": np.array(noise),
        }
        rollout = _Rollout(
            inputs=e.inputs,
            moved=e.moved,
            goal_known=np.cumsum(e.reached, axis=0) > e.reached,  # before this action
            log_policy=np.zeros(0, np.float32),
            **{name: array.astype(np.float32) for name, array in arrays.items()},
        )
        readout = torch.from_numpy(e.readout).float().to(self.device)
        log_policy = self._log_policy(readout, rollout).cpu().numpy()
        return replace(rollout, log_policy=log_policy)

    def _log_policy(self, readout: Tensor, r: _Rollout) -> Tensor:
        """Logarithm of the policy's density at the actions, up to a constant; (action, sample).

        Given the noise before, an action is normal about mean plus drift.
        """
        fresh = r.noise.item() ** 2 * (1 - self.task.config.noise_correlation**2)
        error = self._tensor(r.action) - readout[..., VELOCITY] - self._tensor(r.drift)
        return -error.square().sum(-1) / (2 * fresh)

    def _entropy(self, noise: float) -> float:
        """Of an action given the one before, in nats: it follows from the noise, which is not learnt."""
        fresh = noise**2 * (1 - self.task.config.noise_correlation**2)
        return math.log(2 * math.pi * math.e * fresh)

    def _tensor(self, array: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)
