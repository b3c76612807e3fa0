"""The page about mutants: docs/mutants.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from table import Mutant

TEXT = """\
# Mutants

A test that can't fail proves nothing. `make mutants` changes the arithmetic on purpose, one thing at a
time, in a copy of the project, and runs the quick tests that must notice. Of {n} mutants {judged} have been
judged so far, and {caught} of these are caught.

- C++ is compiled for one instruction set, the one that every CPU has; that all of them give the same bits
  is a test of its own.
- **golden, probe**: what `lsnn-neuro parity` would say of an artifact that was exported before the change:
  whether its golden samples notice it, and whether its probe does. One golden sample each of the models
  `delayed-xor`, `smnist-1ms-current` and `smnist-1ms-atrlif`, two of networks that are drawn at random for
  what none of these has: every reset, biases, negative exponents. "-": no change of the integer model.
- Of {n_digits} changes of the integer model, golden samples alone miss {missed}; the probe notices {saved}
  of these. Of what neither notices ({neither}) an artifact of that network can't tell, only the tests do.

`make mutants` writes this page. It judges again what has changed since (`.mutants/` holds the rest).
"""


def page(mutants: Sequence[Mutant], results: Sequence[Any]) -> str:
    """The page of some mutants and what became of each, None of those that are not judged yet."""
    known = [r for r in results if r is not None]
    digits = [r for r in known if r.golden is not None]
    missed = [r for r in digits if not r.golden]
    saved = sum(r.probe for r in missed)
    lines = [
        TEXT.format(
            n=len(mutants), judged=len(known), caught=sum(bool(r.caught) for r in known),
            n_digits=len(digits), missed=len(missed), saved=saved, neither=len(missed) - saved,
        )
    ]  # fmt: skip
    file = ""
    for mutant, result in zip(mutants, results, strict=True):
        if mutant.file != file:
            file = mutant.file
            lines += [
                f"\n## `{file}`\n",
                "| what is wrong | caught by | artifact | golden | probe |",
            ]
            lines.append("|---|---|---|---|---|")
        if result is None:
            lines.append(f"| {mutant.name} | *not judged yet* | {mutant.artifact or '-'} | - | - |")
            continue
        test = result.caught.partition("::")[2].partition("[")[0]
        caught = f"`{test}`" if test else result.caught or "**survived**"
        seen = " | ".join(_word(noticed) for noticed in (result.golden, result.probe))
        lines.append(f"| {mutant.name} | {caught} | {mutant.artifact or '-'} | {seen} |")
    return "\n".join(lines) + "\n"


def _word(noticed: bool | None) -> str:
    return "-" if noticed is None else "notices" if noticed else "misses"
