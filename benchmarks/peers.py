"""The libraries that a training step is compared with, and their environments in ``.bench/``.

    python benchmarks/peers.py

makes the environments: one for what runs on PyTorch, one for what runs on JAX, pinned in
``requirements-*.txt``. What can't be set up leaves its reason there, and the benchmark prints it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCH = HERE.parent / ".bench"
PYTHONS = ("3.11", "3.12", "3.13")
"""Looked for in this order; where there is none, the Python that runs here must do."""
DENSE = "dense, no delays, no refractory period, no rewiring"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment: ``requirements-NAME.txt`` and, on top, those of each peer in it."""

    name: str

    @property
    def folder(self) -> Path:
        """Where it is."""
        return BENCH / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def obstacle(self, library: str) -> str | None:
        """Why a library can't be used here, with what all in here need; None if it can."""
        for name in dict.fromkeys((self.name, library)):
            if self.has(name):
                continue
            reason = self.folder / f"{name}.failed"
            if reason.exists():
                return f"{name} could not be set up: {reason.read_text().strip()}"
            return f"{name} is not set up; `python benchmarks/peers.py` does it"
        return None

    def has(self, name: str) -> bool:
        """Whether these requirements are installed as they stand now."""
        done = self.folder / f"{name}.installed"
        return done.exists() and done.read_text() == requirements(name).read_text()

    def make(self, libraries: Sequence[str]) -> Iterator[str]:
        """Install what is missing; gives what fails."""
        if not self.python.exists():
            try:
                run([a_python(), "-m", "venv", "--clear", str(self.folder)])
            except SetupError as error:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._fail(self.name, error)
                yield f"{self.name}: {error}"
                return
        for name in dict.fromkeys((self.name, *libraries)):
            if self.has(name):
                continue
            # a library's own list is complete: some ask for more than they use
            alone = [] if name == self.name else ["--no-deps"]
            pip = [str(self.python), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
            try:
                run([*pip, *alone, "-r", str(requirements(name))])
            except SetupError as error:
                self._fail(name, error)
                yield f"{name}: {error}"
                if name == self.name:
                    return  # nothing stands on what is not there
            else:
                (self.folder / f"{name}.failed").unlink(missing_ok=True)
                text = requirements(name).read_text()
                (self.folder / f"{name}.installed").write_text(text)

    def _fail(self, name: str, error: Exception) -> None:
        (self.folder / f"{name}.installed").unlink(missing_ok=True)
        (self.folder / f"{name}.failed").write_text(f"{error}\n")


TORCH, JAX = Environment(name="torch"), Environment(name="jax")


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A side that is not ours.

    - library: whose requirements it needs; module, function, options: what makes its step, in ``sides/``
    - less: what it does less than ours
    """

    name: str
    environment: Environment
    library: str
    module: str
    function: str
    options: Mapping[str, bool] = field(default_factory=dict)
    less: str

    @property
    def obstacle(self) -> str | None:
        """Why it can't be run; None if it can."""
        return self.environment.obstacle(self.library)


PEERS = (
    Peer(
        name="norse LSNNRecurrent", environment=TORCH, library="norse", module="norse_lsnn",
        function="lsnn", less=f"{DENSE}; adaptation and reset detached",
    ),
    Peer(
        name="norse, step compiled", environment=TORCH, library="norse", module="norse_lsnn",
        function="lsnn", options={"compiled": True}, less=f"{DENSE}; adaptation and reset detached",
    ),
    Peer(
        name="snnTorch RLeaky", environment=TORCH, library="snntorch", module="snntorch_rleaky",
        function="rleaky", less=f"{DENSE}; no adaptation, reset detached",
    ),
    Peer(
        name="snnTorch, step compiled", environment=TORCH, library="snntorch",
        module="snntorch_rleaky", function="rleaky", options={"compiled": True},
        less=f"{DENSE}; no adaptation, reset detached",
    ),
    Peer(
        name="PyTorch loop, ten steps compiled", environment=TORCH, library="torch",
        module="torch_loop", function="loop", less=DENSE,
    ),
    Peer(
        name="JAX scan, checkpointed", environment=JAX, library="jax", module="jax_scan",
        function="scan", less=DENSE,
    ),
    Peer(
        name="JAX scan", environment=JAX, library="jax", module="jax_scan", function="scan",
        options={"checkpointed": False}, less=DENSE,
    ),
    Peer(
        name="spyx RLIF", environment=JAX, library="spyx", module="spyx_recurrent",
        function="rlif", less=f"{DENSE}; no adaptation",
    ),
    Peer(
        name="spyx ALIF, recurrent matrix", environment=JAX, library="spyx",
        module="spyx_recurrent", function="alif", less=DENSE,
    ),
)  # fmt: skip


class SetupError(Exception):
    """A command that failed; the message is the reason in one line."""


def requirements(name: str) -> Path:
    """The file that pins a library."""
    return HERE / f"requirements-{name}.txt"


def run(command: Sequence[str]) -> None:
    """Run a command; its first line that names an error is the reason if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        named = [line for line in lines if line.lower().startswith("error")]
        raise SetupError((named or lines[-1:] or [f"exit code {done.returncode}"])[0])


def a_python() -> str:
    """A Python that the peers run on."""
    for version in PYTHONS:
        for place in candidates(version):
            asked = "import ensurepip, sys; print('%d.%d' % sys.version_info[:2])"
            try:
                done = subprocess.run(
                    [place, "-c", asked], capture_output=True, text=True, check=False
                )
            except OSError:
                continue
            if done.stdout.strip() == version:
                return place
    return sys.executable


def candidates(version: str) -> Iterator[str]:
    """Where a Python of this version may be."""
    if found := shutil.which(f"python{version}"):
        yield found
    home = Path.home()
    for folder in (home / ".pyenv" / "versions", home / ".local" / "share" / "uv" / "python"):
        yield from map(str, sorted(folder.glob(f"*{version}*/bin/python{version}")))


def main() -> int:
    """Make all environments."""
    failed = 0
    for environment in dict.fromkeys(peer.environment for peer in PEERS):
        libraries = [peer.library for peer in PEERS if peer.environment == environment]
        for failure in environment.make(libraries):
            print(f"set-up of {failure}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
