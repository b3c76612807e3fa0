"""What is changed on purpose, one thing at a time, and which quick tests must notice it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A change of the arithmetic.

    - name: what is wrong; file: where, from the root; before, after: a text that stands there once, and what
      takes its place
    - tests: pytest's names of what must fail
    - artifact: the one whose golden samples and probe are run under it, see :mod:`digits`; empty where the
      change is not one of the integer model
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]
    artifact: str = ""

    @property
    def native(self) -> bool:
        """Whether the kernel must be compiled anew."""
        return self.file.startswith("native/")

    @property
    def engine(self) -> str:
        """What computes with the changed file: the time loop, the kernel or Lava."""
        if self.file.startswith("deploy/lava/"):
            return "fused" if self.file.endswith("fused.py") else "lava"
        return "kernel" if self.native or self.file.endswith("emulator_kernel.py") else "loop"

    def applied(self, text: str) -> str:
        """The file's text with the change; ValueError where it does not fit any more."""
        if text.count(self.before) != 1:
            raise ValueError(
                f"{self.file}: the text of {self.name!r} stands there {text.count(self.before)} times, "
                f"must be once; bring tests/mutants/ up to date: {self.before!r}"
            )
        return text.replace(self.before, self.after)


def within(
    file: str, artifact: str, tests: tuple[str, ...], changes: dict[str, tuple[str, ...]]
) -> list[Mutant]:
    """The mutants of a file: name -> text before, text after and, where they are others, the tests."""
    return [
        Mutant(name=name, file=file, before=before, after=after, tests=own or tests, artifact=artifact)
        for name, (before, after, *rest) in changes.items()
        for own in [tuple(rest)]
    ]  # fmt: skip


def all_mutants() -> list[Mutant]:
    """All of them, in the order of the table; ValueError where one does not fit its file."""
    from in_cpp import CPP
    from in_lava import LAVA
    from in_python import PYTHON

    mutants = [*PYTHON, *CPP, *LAVA]
    for mutant in mutants:
        mutant.applied((ROOT / mutant.file).read_text(encoding="utf-8"))
    return mutants
