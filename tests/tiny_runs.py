"""The command line as users call it, and a network that it trains in a moment on real digits, row by row."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from cli import main

TINY = (
    "task.downsample=4", "task.ms_per_pixel=2", "task.cue_steps=4", "task.decision_steps=4",
    "network.regular=10", "network.adaptive=8", "training.iterations=3", "training.batch_size=8",
    "training.validate_every=2", "training.validation_samples=8",
)  # fmt: skip


def lsnn_neuro(*arguments: object) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, [str(a) for a in arguments])


def succeed(*arguments: object) -> Result:
    """Run a command that must succeed."""
    result = lsnn_neuro(*arguments)
    assert result.exit_code == 0, result.output
    return result


def said(*arguments: object) -> str:
    """The one line of a command that fails."""
    result = lsnn_neuro(*arguments)
    assert result.exit_code == 1, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    lines = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1
    return lines[0]


def train_tiny(out: Path, *extra: str, options: tuple[str, ...] = ()) -> Path:
    """Train the small network; ``extra`` are further overrides."""
    overrides = [part for field in (*TINY, *extra) for part in ("--set", field)]
    succeed("train", "smnist-rows", "--out", out, *options, *overrides)
    return out
