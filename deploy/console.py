"""What the commands share: names and options of the command line, and how results are printed."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

import click
from click.shell_completion import CompletionItem

from deploy.emulated import Emulator
from deploy.manifest import conversion_of
from deploy.model import Model
from deploy.samples import named_inputs
from deploy.target import Target
from deploy.targets import TARGETS, get_target, target_of_user, with_options
from deploy.tasks import task_of_user
from lsnn_neuro.arrays import Events
from lsnn_neuro.errors import LSNNError, RecipeError
from lsnn_neuro.registry import unknown
from lsnn_neuro.signals import REQUESTS, EndRequest, handled, sent_again_where_lost
from quantize.design_rules import check
from quantize.network import SPIKES, value_range

# how torch says it, on the CPU and on a GPU
_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|out of memory")

NONE = "none"
"""What stands for an empty list."""


FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
EXISTING = click.Path(path_type=Path)

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
overwrite = click.option("--overwrite", is_flag=True, help="Replace what is there.")
target_options = click.option(
    "--target-option", "options", multiple=True, metavar="KEY=VALUE",
    help="How the target runs, e.g. model=fused on loihi-sim.",
)  # fmt: skip
chip_option = click.option(
    "--chip", default="loihi2", show_default=True, metavar="NAME|FILE",
    help="Chip to place the network on: loihi2, loihi1, or a chip file (TOML).",
)  # fmt: skip
data_option = click.option(
    "--data",
    metavar="PATH",
    help="Folder or file where the task's data are, in place of the recipe's choice.",
)
task_option = click.option(
    "--task", metavar="RECIPE|NAME|FILE.py:Class",
    help="The task, in place of the network's own: that of a recipe, or one by name.",
)  # fmt: skip
inputs_option = click.option(
    "--inputs", metavar="FILE|random",
    help="Inputs in place of a task's: an .npy or .npz file (time, sample, input), or random spikes.",
)  # fmt: skip


@dataclass(frozen=True)
class Given:
    """What a network is to be run on, as users say it: ``--samples``, ``--task``, ``--data`` ..."""

    samples: int | None
    task: str | None
    data: str | None
    inputs: str | None

    def resolved(self, model: Model) -> dict[str, Any]:
        """The same as arguments of a verb."""
        if self.inputs is not None and (self.task or self.data or self.samples):
            raise click.UsageError("--inputs stands alone: leave --task, --data and --samples out")
        inputs = None if self.inputs is None else named_inputs(self.inputs, model.integers)
        task = task_of_user(model, self.task, self.data)
        return {"max_samples": self.samples, "inputs": inputs, "task": task}


def given_options(samples: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options of :class:`Given`, handed over as ``given``; ``samples``: the help of --samples."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def gathered(
            *, samples: int | None, task: str | None, data: str | None, inputs: str | None, **others: Any
        ) -> None:  # fmt: skip
            command(given=Given(samples, task, data, inputs), **others)

        number = click.option("--samples", type=click.IntRange(min=1), help=samples)
        return number(task_option(data_option(inputs_option(gathered))))

    return decorate


class TargetName(click.ParamType):  # type: ignore[type-arg]  # older clicks can't be subscripted
    """The name of a target: built in, installed, ``module:Class`` or ``FILE.py:Class``."""

    name = "target"

    def __init__(self, *further: str):
        self._further = further

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name itself; a usage error if there is no such target."""
        if ":" not in value and value not in self._names():
            self.fail(f"there is no target {unknown(value, self._names())}")
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin so."""
        return [CompletionItem(n) for n in self._names() if n.startswith(incomplete)]

    def _names(self) -> list[str]:
        return [*self._further, *TARGETS]


class Commands(click.Group):
    """Shows users' errors as one line; everything else is a bug and keeps its traceback.

    Signals that ask for the end are errors too, with the exit code that shells give them.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        requests: list[int] = []

        def request_end(signum: int, frame: FrameType | None) -> None:
            requests.append(signum)
            raise EndRequest(signum)

        try:
            with handled(REQUESTS, request_end), sent_again_where_lost(), _quiet_writers():
                return super().invoke(ctx)
        except EndRequest as request:
            raise _ended(request.signum) from None
        except KeyboardInterrupt:  # no 1, which says that spikes differ
            raise _ended(signal.SIGINT) from None
        except BrokenPipeError:  # who reads has read enough
            raise
        except Exception as error:
            if requests:  # a library in C has made an error of its own of it
                raise _ended(requests[0]) from error
            line = _line_of(error)
            if line is None or ctx.params.get("debug"):
                raise
            raise click.ClickException(line) from error


@contextmanager
def _quiet_writers() -> Iterator[None]:
    """A thread of TensorBoard's that can't write prints nothing: whoever gives it more raises its error."""
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        if not isinstance(args.exc_value, OSError):
            before(args)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


def _ended(signum: int) -> click.exceptions.Exit:
    """The end that a signal asks for, told."""
    click.echo(f"Error: {EndRequest(signum)}", err=True)
    return click.exceptions.Exit(128 + signum)


def _line_of(error: Exception) -> str | None:
    """What is told of an error in one line; None of a bug."""
    if isinstance(error, LSNNError):
        return str(error)
    if isinstance(error, OSError):  # a full disk, no permission ...
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    said = str(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and _NO_MEMORY.search(said)
    ):
        reason = f" ({said.splitlines()[0]})" if said else ""
        return f"out of memory{reason}; take a smaller batch or network, fewer samples, or a larger machine"
    return None


def chosen_target(named: str | None, options: Iterable[str], model: Model) -> Target:
    """The target that a user names, else that of an artifact, else the emulator; ready to run.

    A name in a file stands for what is in the table and nothing else.
    """
    if named is not None:
        target = target_of_user(named)
    else:
        target = get_target(model.artifact.target) if model.artifact else Emulator()
    target = with_options(target, options)
    if reason := target.unavailable():
        raise LSNNError(f"{target.name}: {reason}")
    return target


def check_new(path: Path, overwrite: bool) -> None:
    """Refuse to write over a file."""
    if path.exists() and not overwrite:
        raise RecipeError(f"{path}: already exists; use --overwrite or another --out")


def tell(lines: Iterable[object]) -> None:
    """Lines that are not results, on stderr."""
    for line in lines:
        click.echo(line, err=True)


def warn(model: Model, inputs: Events | None = None) -> None:
    """Say which design rules a network breaks, and what was lost, or why it can't be quantized.

    - inputs: what it is run on, where that is known; else an artifact's golden samples, else spikes
    """
    tell(model.notes)
    if model.network is None:
        if model.spec is not None:  # an LSTM has no integers anyway
            tell([f"quantization: {model.why_not}"])
        return
    if inputs is None and model.artifact is not None:
        inputs = model.artifact.inputs
    values = SPIKES if inputs is None else value_range(inputs)
    tell(f"design rule {violation}" for violation in check(model.network, values))
    if model.report is not None:
        tell(f"quantization: {flag}" for flag in model.report.flags())


def show(result: Mapping[str, Any], as_json: bool) -> None:
    """Print a result as JSON, or one field a line."""
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    for key, value in result.items():
        if isinstance(value, Mapping):
            click.echo(f"{key}:")
            _show_fields(value, "  ")
        elif isinstance(value, list | tuple) and any(isinstance(v, Mapping | str) for v in value):
            click.echo(f"{key}:")
            for item in value:
                click.echo(f"  {_on_a_line(item) if isinstance(item, Mapping) else item}")
        else:
            click.echo(f"{key}: {as_text(value)}")


def _show_fields(fields: Mapping[str, Any], indent: str) -> None:
    for key, value in fields.items():
        if isinstance(value, Mapping) and value:
            click.echo(f"{indent}{key}:")
            _show_fields(value, indent + "  ")
        else:
            click.echo(f"{indent}{key}: {as_text(value)}")


def _on_a_line(fields: Mapping[str, Any]) -> str:
    """Fields side by side, a name first and by itself; what is empty is left out."""
    said = [
        as_text(value) if key == "name" else f"{key} {as_text(value)}"
        for key, value in fields.items()
        if value not in ((), [], "", {})
    ]
    return "  ".join(said)


def as_text(value: Any) -> str:
    """A value as people read it: numbers with six digits at most."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {as_text(v)}" for key, v in value.items()) or NONE
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value)) or NONE
    return str(value)


def described(model: Model) -> dict[str, Any]:
    """What a network is, and what became of it where it was quantized now."""
    found: dict[str, Any] = {}
    if model.network is not None:
        found["recipe"] = model.network.provenance.recipe
    if model.checkpoint is not None:
        progress = model.checkpoint.progress
        found["recipe"] = model.recipe.to_dict("json")
        found["progress"] = {k: v for k, v in progress.items() if k != "rng"}
    if model.imported is not None:
        found["read as"] = dict(model.imported.reading)
        found["layers"] = [
            vars(layer)
            | {"delays": f"{min(layer.delays)} to {max(layer.delays)}" if layer.delays else ""}
            for layer in model.imported.layers
        ]
    if model.class_names:
        found["classes"] = list(model.class_names)
    if (network := model.network) is None:
        return found
    found["synapses"] = network.n_synapses
    report = model.report
    if report is None and model.artifact is not None:
        report = conversion_of(model.artifact.manifest)
    if report is not None:
        losses = asdict(report)
        return found | {
            "populations": [_population_losses(p) for p in losses["populations"]],
            "projections": losses["projections"],
        }
    return found | {
        "populations": [
            {"name": p.name, "neurons": p.size, "neuron": p.neuron.name}
            for p in network.populations
        ],
        "projections": [
            {"name": p.name, "synapses": p.n_synapses, "weight_exp": p.weight_exp}
            for p in network.projections
        ],
    }


def _population_losses(losses: Mapping[str, Any]) -> dict[str, Any]:
    """What became of a population; a time constant is a pair, wanted and got, in ms."""
    values = {k: v for k, v in losses.items() if k != "time_constants" and v is not None}
    return values | {t["name"]: (t["wanted"], t["got"]) for t in losses["time_constants"]}
