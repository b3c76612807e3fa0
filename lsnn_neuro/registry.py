"""Names that files and commands may hold, and what they stand for.

A registry maps a name to ``module:attribute``, imported when it is asked for. What is built in stands in
the same table as what installed packages add by an entry point. A name from a *file* is looked up here
and nowhere else, so that no file can make the program import code; :meth:`Registry.named_by_user` also
takes ``module:Class`` and ``FILE.py:Class``, for the command line.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from lsnn_neuro.errors import RecipeError


class Registry:
    """A table of names.

    - kind: what is in it, for messages; group: of the entry points that add to it
    """

    def __init__(self, kind: str, group: str, built_in: Mapping[str, str]):
        self.kind, self.group = kind, group
        self._built_in = dict(built_in)
        self._added: dict[str, Any] = {}

    def __iter__(self) -> Iterator[str]:
        """All names, the built-in ones first."""
        yield from dict.fromkeys([*self._built_in, *self._added, *self._installed()])

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __getitem__(self, name: str) -> Any:
        """What a name stands for; RecipeError with the known names if it is none."""
        if name in self._added:
            return self._added[name]
        if name in self._built_in:
            return _imported(self._built_in[name])
        installed = self._installed()
        if name not in installed:
            raise RecipeError(f"there is no {self.kind} {unknown(name, self)}")
        return self._load(name, installed[name])

    def add(self, name: str, thing: Any) -> None:
        """Make something known by a name in this process; a name that is taken is refused."""
        if name in self and self[name] is not thing:
            raise RecipeError(f"there already is a {self.kind} {name!r}; choose another name")
        self._added[name] = thing

    def named_by_user(self, text: str) -> Any:
        """What a user names on the command line: a name, ``module:Class`` or ``FILE.py:Class``."""
        module, colon, attribute = text.rpartition(":")
        if not colon and text.endswith(".py"):
            raise RecipeError(f"{self.kind} {text!r}: name the class too, {text}:CLASS")
        if not colon:
            return self[text]
        if not module or not attribute:
            raise RecipeError(f"{self.kind} {text!r}: expected module:Class or FILE.py:Class")
        try:
            if module.endswith(".py"):
                return getattr(_module_of_file(Path(module)), attribute)
            return _imported(text)
        except Exception as error:  # whatever a user's file does when it is imported
            reason = f"{type(error).__name__}: {error}"
            raise RecipeError(f"{self.kind} {text!r} can't be imported ({reason})") from error

    def _installed(self) -> dict[str, str]:
        return {point.name: point.value for point in entry_points(group=self.group)}

    def _load(self, name: str, value: str) -> Any:
        try:
            return _imported(value)
        except (ImportError, AttributeError) as error:
            raise RecipeError(
                f"{self.kind} {name!r} is installed as {value}, which can't be imported ({error})"
            ) from error


def unknown(name: str, known: Iterable[str]) -> str:
    """What a message says of a name that is not known: the name, the one it is close to, all there are."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    mean = f" (did you mean {close[0]}?)" if close else ""
    return f"{name!r}{mean}; there are {', '.join(names)}"


def _imported(path: str) -> Any:
    """The object that ``module:attribute`` names."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _module_of_file(path: Path) -> Any:
    """A Python file as a module, imported once."""
    name = f"lsnn_neuro_user_{path.resolve().as_posix().replace('/', '_')}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ImportError(f"{path}: no such Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


NEURONS = Registry(
    "neuron",
    "lsnn_neuro.neurons",
    {
        "lif": "lsnn_neuro.neurons.lif:LIF",
        "if": "lsnn_neuro.neurons.integrate_and_fire:IF",
        "li": "lsnn_neuro.neurons.li:LI",
        "resetting-li": "lsnn_neuro.neurons.resetting_li:ResettingLI",
        "alif": "lsnn_neuro.neurons.alif:ALIF",
        "ahp": "lsnn_neuro.neurons.ahp:AHP",
        "atrlif": "lsnn_neuro.neurons.atrlif:ATRLIF",
    },
)


TASKS = Registry(
    "task",
    "lsnn_neuro.tasks",
    {
        "arrays": "lsnn_neuro.tasks.arrays:Arrays",
        "delayed-xor": "lsnn_neuro.tasks.delayed_xor:DelayedXOR",
        "events": "lsnn_neuro.tasks.events:EventStreams",
        "navigation": "lsnn_neuro.tasks.navigation.task:Navigation",
        "phones": "lsnn_neuro.tasks.phones:Phones",
        "sequential-mnist": "lsnn_neuro.tasks.sequential_mnist:SequentialMNIST",
        "sinusoids": "lsnn_neuro.tasks.learning_to_learn:LearningToLearn",
        "spoken-digits": "lsnn_neuro.tasks.spoken_digits:SpokenDigits",
        "store-recall": "lsnn_neuro.tasks.store_recall:StoreRecall",
        "teacher-networks": "lsnn_neuro.tasks.learning_to_learn:LearningToLearn",
    },
)
"""Tasks: classes that are made of their ``Config``, the section task of a recipe."""

NETWORKS = Registry(
    "network",
    "lsnn_neuro.networks",
    {
        "lsnn": "lsnn_neuro.network.config:LSNNConfig",
        "stack": "lsnn_neuro.network.config:StackConfig",
        "graph": "lsnn_neuro.network.config:GraphConfig",
        "imported": "quantize.imported:ImportedConfig",
        "lstm": "lsnn_neuro.network.config:LSTMConfig",
    },
)
"""Kinds of networks: the section network of a recipe."""

SECTIONS = Registry(
    "section",
    "lsnn_neuro.sections",
    {
        "deep_r": "lsnn_neuro.training.config:DeepRConfig",
        "quantization": "quantize.config:QuantizationConfig",
        "training": "lsnn_neuro.training.config:TrainingConfig",
        "reinforcement": "lsnn_neuro.training.config:ReinforcementConfig",
    },
)
"""The other sections of a recipe, in the order in which it is written."""

ENCODERS = Registry(
    "encoder",
    "lsnn_neuro.encoders",
    {
        "graded": "lsnn_neuro.tasks.codings:Graded",
        "level": "lsnn_neuro.tasks.codings:Level",
        "delta": "lsnn_neuro.tasks.codings:Delta",
        "poisson": "lsnn_neuro.tasks.range_codings:Poisson",
        "latency": "lsnn_neuro.tasks.range_codings:Latency",
        "events": "lsnn_neuro.tasks.event_encoder:EventEncoder",
        "image-sequence": "lsnn_neuro.tasks.sequential_mnist:ImageEncoder",
        "phones": "lsnn_neuro.tasks.phones_encoder:PhonesEncoder",
        "spoken-digits": "lsnn_neuro.tasks.spoken_digits:DigitsEncoder",
    },
)
"""How raw data become inputs, as artifacts keep it."""
