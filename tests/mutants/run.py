"""Change the arithmetic on purpose, one thing at a time, and see which tests notice; ``make mutants``.

Every mutant (:mod:`table`) is judged in a copy of the project in a temporary folder, two at a time: its tests
run until the first fails; then the golden samples and the probe of an artifact, which the unchanged code has
exported, run on the engine that computes with the changed file. In the end, without a change, the tests that
failed must pass, and the digits must be equal. What is judged is kept in ``.mutants/`` for as long as the
code and the tests in question stay as they are; a second start goes on. The table is written to
``docs/mutants.md``. The exit code is 1 where a mutant survives.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import one_isa
from page import page
from table import ROOT, Mutant, all_mutants

KEPT = ROOT / ".mutants"
RESULTS = KEPT / "results.jsonl"
PAGE = ROOT / "docs" / "mutants.md"
FOLDERS = ("lsnn_neuro", "quantize", "deploy", "native", "recipes", "tests")
"""What a copy holds."""
SECONDS = 600
"""After this long a test run counts as one that hangs."""
UNCHANGED = "nothing is changed"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a mutant.

    - key: what it depends on, see :class:`Keys`
    - caught: see :meth:`Copy.first_failure`; empty: it survived
    - golden, probe: whether an artifact's notice it; None where none was run
    """

    key: str
    mutant: str
    caught: str
    seconds: float
    golden: bool | None = None
    probe: bool | None = None


class Copy:
    """A copy of the project, in which one mutant at a time stands.

    - artifacts: the folder of those that unchanged code has exported
    """

    def __init__(self, folder: Path, artifacts: Path):
        self.folder, self.artifacts = folder, artifacts
        for name in FOLDERS:
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.so", "__pycache__")
            )
        for name in ("cli.py", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)
        self.build()

    def build(self) -> None:
        """Build the kernel of what stands there now."""
        one_isa.build(self.folder, KEPT / "objects")

    @contextmanager
    def with_mutant(self, mutant: Mutant) -> Iterator[None]:
        """The copy with a change, and without it again."""
        path = self.folder / mutant.file
        text = path.read_text(encoding="utf-8")
        path.write_text(mutant.applied(text), encoding="utf-8")
        try:
            if mutant.native:
                self.build()
            yield
        finally:
            path.write_text(text, encoding="utf-8")
            if mutant.native:
                self.build()

    def run(self, *arguments: str | Path) -> tuple[int | None, str]:
        """Run Python in the copy: exit code, None if it hangs, and what it printed."""
        tests = self.folder / "tests"
        folders = (self.folder, tests, tests / "deploy", tests / "mutants")
        child = subprocess.Popen(
            [sys.executable, *map(str, arguments)], cwd=self.folder, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=os.environ | {
                "PYTHONPATH": os.pathsep.join(map(str, folders)), "LSNN_NEURO_ISA": "baseline",
                # compiled files are found by time and size, which two mutants may have in common
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        )  # fmt: skip
        try:
            printed, _ = child.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            _end(child)
        return child.returncode, printed

    def first_failure(self, tests: Sequence[str]) -> str:
        """The first test that fails, or what goes wrong before one ends; empty if all pass."""
        code, printed = self.run(
            "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider", "-p", "as_drawn",
            "--hypothesis-seed=0", "-m", "not slow", *tests,
        )  # fmt: skip
        if code is None or code <= 0:
            return {0: "", None: "it hangs"}.get(code, "it crashes")
        if code == 2:
            return "it can't be collected"
        failed = re.search(r"^FAILED (.+?)( - .*)?$", printed, re.MULTILINE)
        if code != 1 or failed is None:
            raise SystemExit(f"mutants: pytest did not run {' '.join(tests)}:\n{printed[-3000:]}")
        return failed[1]

    def digits(self, artifact: str, engine: str) -> dict[str, bool]:
        """Whether an artifact's golden samples and probe differ from what an engine computes now."""
        code, printed = self.run(
            "tests/mutants/digits.py", "check", self.artifacts / artifact, engine
        )
        if code == 0:
            return dict(json.loads(re.findall(r"^{.*}$", printed, re.MULTILINE)[-1]))
        return {"golden": True, "probe": True}  # it crashes or hangs

    def judge(self, mutant: Mutant, key: str) -> Result:
        """Let a mutant's tests and its artifact see it."""
        begin = time.monotonic()
        with self.with_mutant(mutant):
            caught = self.first_failure(mutant.tests) if mutant.tests else ""
            seen = self.digits(mutant.artifact, mutant.engine) if mutant.artifact else {}
        seconds = round(time.monotonic() - begin, 1)
        return Result(key=key, mutant=mutant.name, caught=caught, seconds=seconds, **seen)

    def export(self, name: str) -> None:
        """Export an artifact by the unchanged code."""
        code, printed = self.run(
            "tests/mutants/digits.py", "export", name, self.artifacts / name, ROOT / "models"
        )
        if code:
            raise SystemExit(f"mutants: can't export {name}:\n{printed}")


def _end(child: subprocess.Popen[str]) -> None:
    """End a child and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


class Keys:
    """Hashes of all that a result depends on: the code, what tests share, the mutant and its tests."""

    def __init__(self) -> None:
        shared = hashlib.sha256()
        for folder in FOLDERS:
            for file in sorted((ROOT / folder).rglob("*")):
                test = file.name.startswith("test_") or file.parent.name == "mutants"
                if file.suffix in (".py", ".hpp", ".cpp", ".toml") and not test:
                    shared.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
        self.digits = Path(__file__).with_name("digits.py").read_bytes()
        self.shared = shared.hexdigest()
        shared.update(self.digits)
        self.artifacts = shared.hexdigest()[:16]

    def of(self, mutant: Mutant) -> str:
        """The key of a mutant."""
        total = hashlib.sha256(f"{self.shared}{mutant}".encode())
        if mutant.artifact:
            total.update(self.digits)
        for file in sorted({test.partition("::")[0] for test in mutant.tests}):
            total.update((ROOT / file).read_bytes())
        return total.hexdigest()[:16]


def judged() -> dict[str, Result]:
    """What is known, by key."""
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    return {r.key: r for r in (Result(**json.loads(line)) for line in lines if line.endswith("}"))}


def unchanged(mutants: Sequence[Mutant], results: Sequence[Result]) -> list[Mutant]:
    """Mutants that change nothing: tests that have failed, some at a time, and artifacts on engines."""
    found = []
    failed = sorted({r.caught for r in results if "::" in r.caught})
    for some in (tuple(failed[i : i + 10]) for i in range(0, len(failed), 10)):
        found.append(replace(mutants[0], name=UNCHANGED, tests=some, artifact=""))
    for m in {(m.artifact, m.engine): m for m in mutants if m.artifact}.values():
        found.append(replace(m, name=f"{UNCHANGED}: {m.artifact} on {m.engine}", tests=()))
    return [replace(m, after=m.before) for m in found]


def judge_all(mutants: Sequence[Mutant], keys: Keys, jobs: int) -> None:
    """Judge mutants side by side, and keep what becomes of them."""
    known, begin, lock = judged(), time.monotonic(), threading.Lock()
    left = [m for m in mutants if keys.of(m) not in known]
    if not left:
        return
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies: queue.Queue[Copy] = queue.Queue()
        for number in range(jobs):
            copies.put(Copy(Path(folder, f"copy{number}"), KEPT / "artifacts" / keys.artifacts))
        first = copies.get()
        for name in sorted({m.artifact for m in left if m.artifact}):
            if not (first.artifacts / name).exists():
                first.export(name)
        copies.put(first)

        def judge(mutant: Mutant) -> None:
            copy = copies.get()
            try:
                result = copy.judge(mutant, keys.of(mutant))
            finally:
                copies.put(copy)
            with lock:
                keep(result)
                print(line_of(mutant, result), flush=True)

        pool = ThreadPoolExecutor(jobs)
        try:
            for done in [pool.submit(judge, mutant) for mutant in left]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)
    print(f"{len(left)} runs in {(time.monotonic() - begin) / 60:.1f} minutes")


def keep(result: Result) -> None:
    """Add a line to what is known."""
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result)) + "\n")


def line_of(mutant: Mutant, result: Result) -> str:
    """What became of a mutant, in a line."""
    seen = " ".join(
        f"{name}: {'notices' if noticed else 'misses'}"
        for name, noticed in (("golden", result.golden), ("probe", result.probe))
        if noticed is not None
    )
    outcome = result.caught or ("passes" if mutant.before == mutant.after else "SURVIVED")
    return f"{result.seconds:6.1f} s  {mutant.name}: {outcome}  {seen}"


def main() -> int:
    """Judge what is left, and say what became of all; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", default="", help="only mutants whose name or file holds this text"
    )
    parser.add_argument("--jobs", type=int, default=2, help="how many are judged at once")
    options = parser.parse_args()
    mutants, keys = all_mutants(), Keys()
    chosen = [m for m in mutants if options.only in m.name or options.only in m.file]
    (KEPT / "objects").mkdir(parents=True, exist_ok=True)
    judge_all(chosen, keys, options.jobs)
    known = judged()
    same = unchanged(chosen, [known[keys.of(m)] for m in chosen])
    judge_all(same, keys, options.jobs)
    known = judged()
    survivors = [m.name for m in chosen if not known[keys.of(m)].caught]
    wrong = [known[keys.of(m)] for m in same]
    wrong = [r for r in wrong if r.caught or r.golden or r.probe]
    for result in wrong:
        print(f"{result.mutant}, and it fails: {result.caught or 'other digits'}")
    for name in survivors:
        print(f"survived: {name}")
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants are caught")
    results = [known.get(keys.of(m)) for m in mutants]
    PAGE.write_text(page(mutants, results), encoding="utf-8")
    return int(bool(survivors or wrong))


if __name__ == "__main__":
    sys.exit(main())
