"""The frameworks whose networks are read, and their environments in ``.interchange/``.

    PYTHONPATH=. python tests/interchange/environments.py

makes them: one virtual environment with PyTorch, which they share, and a folder of packages for each
framework on top, as their pins of nir and nirtorch differ. What can't be set up leaves its reason there,
and the tests print it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import SetupError, a_python, run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1] / ".interchange"
PYTHON = ROOT / "torch" / "bin" / "python"
SHARED = ("torch==2.13.0", "numpy==2.2.6", "scipy==1.17.1", "h5py==3.16.0", "matplotlib==3.11.2")
"""What all of them need; torch without CUDA where pip finds such a wheel."""
SHARED_FOLDER = ROOT / "torch"


@dataclass(frozen=True, kw_only=True)
class Framework:
    """A framework and what stands on SHARED to use it.

    - packages: complete; what a framework says it needs and does not use here is left out
    """

    name: str
    packages: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where its packages are."""
        return ROOT / self.name

    def obstacle(self) -> str | None:
        """Why it can't be used; None if it can."""
        for folder, packages in ((SHARED_FOLDER, SHARED), (self.folder, self.packages)):
            if is_made(folder, packages):
                continue
            reason = folder / "failed"
            if reason.exists():
                return f"{folder.name} could not be set up: {reason.read_text().strip()}"
            return f"{folder.name} is not set up; `make interchange` does it"
        return None

    def run(
        self, script: str, *arguments: str | Path, timeout: float = 600, with_ours: bool = False
    ) -> str:
        """Run a script of this folder in its environment; gives what it prints.

        - with_ours: whether this project can be imported there, too; what the framework brings comes first

        Raises RuntimeError with the end of what it printed if it fails.
        """
        command = [str(PYTHON), str(HERE / script), *map(str, arguments)]
        folders = [self.folder, *((OURS.folder, ROOT.parent) if with_ours else ())]
        path = os.pathsep.join(map(str, folders))
        environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{script} in {self.name}: {done.stderr.strip()[-2000:]}")
        return done.stdout


FRAMEWORKS = {
    framework.name: framework
    for framework in (
        Framework(name="snntorch", packages=("snntorch==1.0.0", "nir==1.0.8", "nirtorch==2.6")),
        Framework(name="norse", packages=("norse==1.1.0", "nir==1.0.8", "nirtorch==2.6")),
        Framework(name="rockpool", packages=("rockpool==3.1.0", "nir==1.0.8", "nirtorch==2.6")),
        Framework(  # says nir<=1.0.4, which nirtorch stopped to support after 2.0.2
            name="sinabs", packages=("sinabs==3.1.3", "nir==1.0.4", "nirtorch==2.0.2", "pbr==7.1.3")
        ),
        Framework(
            name="spikingjelly",
            packages=("spikingjelly==2.0.0", "nir==1.0.8", "nirtorch==2.6", "loguru==0.7.3"),
        ),
    )
}

OURS = Framework(
    name="ours",
    packages=(
        "safetensors==0.8.0", "pydantic==2.14.3", "pydantic_core==2.50.4", "annotated-types==0.8.0",
        "typing-inspection==0.4.5", "rapidfuzz==3.14.1", "tomli==2.5.0", "tomli_w==1.2.0",
    ),
)  # fmt: skip
"""What this project needs beside PyTorch and nir to read a network and compare it with a live module."""


def is_made(folder: Path, packages: Sequence[str]) -> bool:
    """Whether these packages are in a folder."""
    done = folder / "installed"
    return done.exists() and done.read_text().split() == list(packages)


def install(folder: Path, packages: Sequence[str], *options: str) -> None:
    """Install packages; what made a failure stays in the folder."""
    (folder / "installed").unlink(missing_ok=True)
    try:
        if not PYTHON.exists():
            run([a_python(), "-m", "venv", "--clear", str(SHARED_FOLDER)])
        pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "-q"]
        run([*pip, *options, *packages])
    except SetupError as error:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "failed").write_text(f"{error}\n")
        raise
    (folder / "failed").unlink(missing_ok=True)
    (folder / "installed").write_text("\n".join(packages))


def main() -> int:
    """Make what is missing."""
    failed = 0
    wanted: list[tuple[Path, Sequence[str], Sequence[str]]] = [(SHARED_FOLDER, SHARED, ())]
    for framework in (*FRAMEWORKS.values(), OURS):
        options = ("--no-deps", "--upgrade", "--target", str(framework.folder))
        wanted.append((framework.folder, framework.packages, options))
    for folder, packages, options in wanted:
        if is_made(folder, packages):
            continue
        print(f"setting up {folder.name}: {', '.join(packages)}")
        try:
            install(folder, packages, *options)
        except SetupError as error:
            print(f"set-up of {folder.name}: {error}", file=sys.stderr)
            failed += 1
            if folder == SHARED_FOLDER:
                return 1  # nothing stands on what is not there
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
