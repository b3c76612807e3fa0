"""The page about mutants: docs/mutants.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from table import Mutant

TEXT = """\
# Mutants

A test that can't fail proves nothing. `make mutants` changes the arithmetic on purpose, one thing at a time, in
a copy of the project, and runs the quick tests that must notice: {caught} of {n} mutants are caught.

- **C++** is compiled for one instruction set, the one that every CPU has; that all give the same bits is a test
  of its own.
- **golden, probe**: what `lsnn-neuro parity` would say of an artifact that was exported before the change, if the
  target computed like the mutant: whether the golden samples notice it, and whether the probe does. One golden
  sample of `delayed-xor`, `smnist-1ms-current` and `smnist-1ms-atrlif` in `models/`, and two of networks that are
  drawn at random for what no model has (every reset, biases, negative exponents). "-": not a change of the
  integer model.
- Of {n_digits} changes of the integer model golden samples alone miss {missed}; the probe notices {saved} of
  these. What neither notices ({neither}) only the tests do: an artifact can't show what its network never does.

The table is written by `make mutants`, which judges again only what has changed (`.mutants/`).
"""


def page(mutants: Sequence[Mutant], results: Sequence[Any]) -> str:
    """The page of some mutants and what became of each."""
    digits = [r for r in results if r.golden is not None]
    missed = [r for r in digits if not r.golden]
    saved = sum(r.probe for r in missed)
    lines = [
        TEXT.format(
            n=len(mutants), caught=sum(bool(r.caught) for r in results), n_digits=len(digits),
            missed=len(missed), saved=saved, neither=len(missed) - saved,
        )
    ]  # fmt: skip
    file = ""
    for mutant, result in zip(mutants, results, strict=True):
        if mutant.file != file:
            file = mutant.file
            lines.append(f"\n## `{file}`\n\n| what is wrong | caught by | artifact | golden | probe |\n|---|---|---|---|---|")
        caught = f"`{result.caught}`" if result.caught.startswith("test_") else result.caught or "**survived**"
        seen = " | ".join(_word(noticed) for noticed in (result.golden, result.probe))
        lines.append(f"| {mutant.name} | {caught} | {mutant.artifact or '-'} | {seen} |")
    return "\n".join(lines) + "\n"


def _word(noticed: bool | None) -> str:
    return "-" if noticed is None else "notices" if noticed else "misses"
