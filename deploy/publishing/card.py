"""The card of a published model: what it is, what it reached, and how to check that."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from lsnn_neuro import files, migrations
from lsnn_neuro.bounded import is_file, parse_table, read_text
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.tasks.score import METRICS, Metric

CARD, PAGE = "card.json", "card.md"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ParityCount(_Part):
    """Spikes and readout integers of two sides, counted over some test samples."""

    other: str
    samples: int
    spikes: int
    mismatches: int
    readout_mismatches: int

    @property
    def exact(self) -> bool:
        """Whether both sides gave the same."""
        return self.mismatches == 0 and self.readout_mismatches == 0


class Integers(_Part):
    """An LSNN on Loihi's integers.

    - weight_bits: the width it is meant for; score: the emulator's at this width
    - aware: score of the quantization-aware forward pass, which must be the same
    - by_weight_bits: the emulator's score for each width the weights were rounded to
    - synapses: active ones that did not round to nothing
    - rates_hz: mean firing rate of each population
    - operations: synaptic operations (one spike meets one synapse) per sample, inputs included;
      NeuroBench's effective accumulates
    - parity: P1 (quantization-aware forward pass) and P2 (Lava) against the emulator
    """

    weight_bits: int
    score: float
    aware: float
    by_weight_bits: dict[int, float]
    synapses: int
    rates_hz: dict[str, float]
    operations: float
    parity: dict[str, ParityCount]


class Card(_Part):
    """What is known of a model; scores are over all decisions of the test split.

    - metric: what the scores are; data: where the task's data were, if that has to be named
    - splits: how a user's data were split; beside: scores of the same readouts by other labels, by name
    - trained_bits: width of the weights in quantization-aware training, None after float training
    - initialized_from: whose network it started from, None for one drawn anew
    - iterations, max_iterations: how many were run, and how many the recipe asks for; best_iteration: the
      one that was kept, by validation score
    - seconds: time the training steps took
    - active_parameters, total_parameters: learnt numbers that are not 0 in float, and all there is room for
    - integers: None for what can't be quantized (an LSTM)
    - tool_version: the release that measured it
    - curves: of learning to learn, the mean squared error by example, of the network and its rivals
    - episodes: of navigation, goals and reward per episode, of the network and of a random walk
    - sha256: of the model's other files; a card belongs to exactly these
    """

    metric: str = "accuracy"
    recipe: str
    data: str | None = None
    splits: str | None = None
    seed: int
    trained_bits: int | None
    initialized_from: str | None = None
    iterations: int
    max_iterations: int
    best_iteration: int
    seconds: float
    validation_score: float
    test_samples: int
    score: float
    active_parameters: int
    total_parameters: int
    integers: Integers | None
    tool_version: str
    sha256: dict[str, str]
    curves: dict[str, list[float]] = {}
    episodes: dict[str, dict[str, float]] = {}
    beside: dict[str, float] = {}

    def save(self, folder: Path) -> None:
        """Write the card as JSON, and as a page to read."""
        text = json.dumps(self.model_dump(mode="json"), indent=2)
        files.write_text(folder / CARD, text + "\n")
        files.write_text(folder / PAGE, self.page(folder.name))

    @classmethod
    def load(cls, folder: Path) -> Card:
        """Read a folder's card."""
        file = folder / CARD
        if not file.is_file():
            raise FileFormatError(f"{file}: no such file; `make results` measures it")
        try:
            fields = parse_table(read_text(file, str(file), FileFormatError))
            return cls.model_validate(migrations.card(fields))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise FileFormatError(
                f"{file}: {where}: {first['msg']}; delete it, and `make results` measures it again"
            ) from error
        except ValueError as error:
            raise FileFormatError(
                f"{file}: not a readable card ({error}); delete it, and `make results` measures it again"
            ) from error

    def belongs_to(self, folder: Path) -> bool:
        """Whether the files beside it are still those that were measured."""
        return all(
            is_file(folder / name) and files.sha256(folder / name) == digest
            for name, digest in self.sha256.items()
        )

    def page(self, name: str) -> str:
        """The card as Markdown."""
        lines = [f"# {name}", "", *self._summary(), ""]
        lines += ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in self._rows())]
        lines += ["", "```", *self._commands(name), "```", ""]
        lines += ["| file | SHA-256 |", "|---|---|"]
        lines += [f"| `{file}` | `{digest}` |" for file, digest in self.sha256.items()]
        return "\n".join(lines) + "\n"

    def _summary(self) -> list[str]:
        how = (
            "in float"
            if self.trained_bits is None
            else f"with the integer model and {self.trained_bits}-bit weights as the forward pass"
        )
        unfinished = (
            f" The recipe asks for {self.max_iterations:,}: the run is not finished."
            if self.iterations < self.max_iterations
            else ""
        )
        start = f" from the network of `{self.initialized_from}`" if self.initialized_from else ""
        return [
            f"Recipe `{self.recipe}`, seed {self.seed}, trained {how}{start} for {self.iterations:,} "
            f"iterations ({self.seconds / 60:,.0f} min). Kept is iteration {self.best_iteration:,}, the best "
            f"on the validation split ({self.format(self.validation_score)}).{unfinished} Measured with "
            f"release {self.tool_version}.",
            *(["", f"Data: {self.splits}."] if self.splits else []),
        ]

    def format(self, score: float) -> str:
        """A score as people read it."""
        return METRICS.get(self.metric, Metric(self.metric)).format(score)

    def _rows(self) -> list[tuple[str, str]]:
        name = self.metric.replace("_", " ")
        rows = [
            (f"test {name} in float, {self.test_samples:,} samples", self.format(self.score)),
            (
                "active parameters in float",
                f"{self.active_parameters:,} of {self.total_parameters:,}",
            ),
        ]
        rows += [(f"test {what}", self.format(score)) for what, score in self.beside.items()]
        for who, found in self.episodes.items():
            named = ("goals", "goals_first_half", "goals_second_half", "reward")
            goals, first, second, reward = (found[name] for name in named)
            what = f"{goals:.2f} goals ({first:.2f} in the first half, {second:.2f} in the second)"
            rows.append((f"an episode, {who}", f"{what}, reward {reward:.2f}"))
        if (i := self.integers) is None:
            return [*rows, ("on Loihi's integers", "can't be quantized")]
        rows += [
            (f"test {name}, emulator, {i.weight_bits}-bit weights", self.format(i.score)),
            (f"test {name}, quantization-aware forward pass", self.format(i.aware)),
        ]
        if len(i.by_weight_bits) > 1:
            widths = ", ".join(
                f"{b} bits {self.format(s)}" for b, s in sorted(i.by_weight_bits.items())
            )
            rows.append((f"test {name}, emulator, rounded after training", widths))
        rates = ", ".join(f"{name} {rate:.1f} Hz" for name, rate in i.rates_hz.items())
        rows += [
            ("synapses on the chip, without those that round to 0", f"{i.synapses:,}"),
            ("firing rates", rates),
            ("synaptic operations per sample", f"{i.operations:,.0f}"),
        ]
        return rows + [
            (
                f"{level}: emulator against {p.other}, {p.samples:,} samples",
                f"{'exact' if p.exact else 'NOT EXACT'}: {p.mismatches:,} mismatches in "
                f"{p.spikes:,} spikes, {p.readout_mismatches:,} in the readout",
            )
            for level, p in i.parity.items()
        ]

    def _commands(self, name: str) -> list[str]:
        path = f"models/{name}"
        data = "" if self.data is None else f" --data {shlex.quote(self.data)}"
        if self.integers is None:
            return [f"lsnn-neuro evaluate {path}{data}"]
        return [
            f"lsnn-neuro evaluate {path} --target emulator{data}",
            f"lsnn-neuro parity {path} --target loihi-sim --samples 16{data}",
            f"lsnn-neuro export {path} --target loihi-sim --out artifacts/{name}{data}",
        ]
