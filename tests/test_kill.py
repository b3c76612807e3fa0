"""Commands that are ended at random moments leave nothing running and nothing half written.

Killed, asked to end, on a full disk, without open files: what is there is whole, and the next run of the same
command makes what an undisturbed one makes. How often each is disturbed: LSNN_NEURO_KILLS, from which seed:
LSNN_NEURO_SEED; ``pytest tests/test_kill.py -s`` prints what came of it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from command_server import Commands, commands
from leftovers import memory_left, orphaned_memory, parts
from test_faults import small

import deploy
from deploy.artifact import load_artifact
from deploy.publishing.card import Card
from lsnn_neuro.checkpoint import BEST, LAST, Checkpoint

KILLS = int(os.environ.get("LSNN_NEURO_KILLS", "1"))
SEED = int(os.environ.get("LSNN_NEURO_SEED", "0"))
SIGNALS = {f"SIG{name}": getattr(signal, f"SIG{name}") for name in ("KILL", "TERM", "HUP", "USR1")}
WAYS = (*SIGNALS, "full disk", "no files")
QUICK = ("SIGKILL", "full disk")

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="looks at /proc")


@dataclass
class Case:
    """A command, and what must hold of what it writes to ``out``.

    - again: how it is run after it was disturbed; whole: raises if what is there is half written
    """

    command: Callable[[Path], list[object]]
    again: Callable[[Path], list[object]]
    whole: Callable[[Path], object]
    same: Callable[[Path, Path], None]
    size: int


def same_run(one: Path, two: Path) -> None:
    for name in (LAST, BEST):
        a, b = (Checkpoint.load(folder / name) for folder in (one, two))
        assert a.arrays.keys() == b.arrays.keys()
        for key, array in a.arrays.items():
            np.testing.assert_array_equal(array, b.arrays[key], err_msg=f"{name} {key}")
        assert a.progress["iteration"] == b.progress["iteration"]
    logs = [
        [
            {k: v for k, v in json.loads(line).items() if k != "seconds"}
            for line in (folder / "metrics.jsonl").read_text().splitlines()
        ]
        for folder in (one, two)
    ]
    assert logs[0] == logs[1]


def same_files(one: Path, two: Path) -> None:
    a, b = (
        {f.relative_to(p): f.read_bytes() for f in [p, *p.rglob("*")] if f.is_file()}
        for p in (one, two)
    )
    assert a.keys() == b.keys()
    assert [name for name in a if a[name] != b[name]] == []


def whole_run(out: Path) -> None:
    for name in (LAST, BEST):
        if (out / name).exists():
            Checkpoint.load(out / name)


def whole_model(out: Path) -> None:
    Card.load(out)
    Checkpoint.load(out / BEST)


def whole_page(out: Path) -> None:
    assert out.read_text().rstrip().endswith("</html>")


@dataclass
class Bench:
    """A server of commands, cases, and what each makes undisturbed."""

    server: Commands
    cases: dict[str, Case]
    expected: dict[str, Path]
    seconds: dict[str, float]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("kill")
    recipe = small(folder, iterations=8)
    run, nir = folder / "expected" / "train", folder / "run.nir"
    with commands(folder) as server:
        cases = {
            "train": Case(
                lambda out: ["train", recipe, "--out", out],
                lambda out: ["train", out, "--resume"]
                if (out / LAST).exists()
                else ["train", recipe, "--out", out],
                whole_run, same_run, 20_000,
            ),
            "export": Case(
                lambda out: ["export", run, "--target", "emulator", "--samples", 4, "--out", out],
                lambda out: ["export", run, "--target", "emulator", "--samples", 4, "--overwrite",
                             "--out", out],
                load_artifact, same_files, 20_000,
            ),
            "publish": Case(
                lambda out: ["publish", run, "--lava-samples", 0, "--out", out],
                lambda out: ["publish", run, "--lava-samples", 0, "--overwrite", "--out", out],
                whole_model, same_files, 8_000,
            ),
            "import": Case(
                lambda out: ["import", "nir", nir, "--out", out],
                lambda out: ["import", "nir", nir, "--overwrite", "--out", out],
                deploy.load, same_files, 8_000,
            ),
            "report": Case(
                lambda out: ["report", run, "--samples", 4, "--out", out],
                lambda out: ["report", run, "--samples", 4, "--out", out],
                whole_page, lambda one, two: whole_page(one), 40_000,
            ),
        }  # fmt: skip
        expected, seconds = {}, {}
        for name, case in cases.items():
            out = folder / "expected" / name
            if name == "import":
                out = out.with_suffix(".safetensors")
                write = ["convert", run, "--to", "nir", "--extended", "--out", nir]
                assert server.wait(server.start(*write)) == 0, server.said()
            start = time.monotonic()
            assert server.wait(server.start(*case.command(out))) == 0, server.said()
            expected[name], seconds[name] = out, time.monotonic() - start
        yield Bench(server, cases, expected, seconds)


def disturb(bench: Bench, name: str, way: str, rng: np.random.Generator, out: Path) -> int:
    """Run a command and end it at a random moment; gives its exit code."""
    server, command = bench.server, bench.cases[name].command(out)
    if way == "full disk":
        return server.wait(
            server.start(*command, size=int(rng.integers(2000, bench.cases[name].size)))
        )
    if way == "no files":
        return server.wait(server.start(*command, files=int(rng.integers(0, 14))))
    pid = server.start(*command)
    time.sleep(rng.uniform(0, bench.seconds[name]))
    os.kill(pid, SIGNALS[way])
    return server.wait(pid)


@pytest.mark.parametrize("way", [
    way if way in QUICK else pytest.param(way, marks=pytest.mark.slow) for way in WAYS
])  # fmt: skip
@pytest.mark.parametrize("name", ["train", "export", "publish", "import", "report"])
def test_a_command_that_is_ended_at_any_moment_leaves_all_whole_and_can_be_run_again(
    bench: Bench, tmp_path: Path, name: str, way: str
) -> None:
    rng = np.random.default_rng([SEED, *f"{name} {way}".encode()])
    case, codes, half = bench.cases[name], Counter[int](), 0
    for _ in range(KILLS):
        out = tmp_path / bench.expected[name].name
        code = disturb(bench, name, way, rng, out)
        codes[code] += 1
        said = bench.server.said()
        assert "Traceback" not in said, said
        if code > 0:  # a signal may come before the command has begun
            assert said.splitlines()[-1].startswith("Error: "), said
        half += len(parts(tmp_path))
        if out.exists():
            case.whole(out)
        assert bench.server.wait(bench.server.start(*case.again(out))) == 0, bench.server.said()
        case.same(out, bench.expected[name])
        assert parts(tmp_path) == parts(bench.server.folder) == []
        (shutil.rmtree if out.is_dir() else Path.unlink)(out)
    print(
        f"\n{name}, {way}: ended {KILLS} times, exit codes {dict(codes)}, half written parts {half}, "
        "after the next command 0"
    )


def test_two_runs_that_start_at_once_do_not_share_a_folder(bench: Bench, tmp_path: Path) -> None:
    out, recipe = tmp_path / "run", small(tmp_path, iterations=60)
    rates = (0.01, 0.02)
    pids = [
        bench.server.start("train", recipe, "--out", out, "--set", f"training.lr={rate}")
        for rate in rates
    ]
    codes = [bench.server.wait(pid) for pid in pids]
    assert sorted(codes) == [0, 1]
    kept = rates[codes.index(0)]
    assert Checkpoint.load(out / LAST).recipe.training.lr == kept
    assert f"lr = {kept}\n" in (out / "recipe.toml").read_text()
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 60


@pytest.mark.slow
@pytest.mark.parametrize("way", SIGNALS)
def test_a_command_that_runs_lava_leaves_no_process_memory_or_folder(
    bench: Bench, tmp_path: Path, way: str
) -> None:
    rng = np.random.default_rng([SEED, *way.encode()])
    before = orphaned_memory()
    command = ["parity", bench.expected["train"], "--target", "loihi-sim", "--samples", 2]
    start = time.monotonic()
    assert bench.server.wait(bench.server.start(*command)) == 0, bench.server.said()
    whole = time.monotonic() - start
    for _ in range(max(KILLS, 5)):
        pid = bench.server.start(*command)
        time.sleep(rng.uniform(0, whole))
        os.kill(pid, SIGNALS[way])
        assert bench.server.wait(pid) != 0 or "P2" in bench.server.said()
        give_up = time.monotonic() + 60
        while (running := of_lava(bench.server.folder)) and time.monotonic() < give_up:
            time.sleep(0.1)
        assert not running
    assert bench.server.wait(bench.server.start(*command)) == 0, bench.server.said()
    assert parts(bench.server.folder) == []
    assert not memory_left(before)
    print(f"\nparity on Lava, {way}: ended {max(KILLS, 5)} times, left behind 0")


def of_lava(folder: Path) -> list[str]:
    """Processes that run a job in a folder below this one."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = file.read_bytes().decode()
        except OSError:
            continue
        if "deploy.lava.runner" in command and str(folder) in command:
            found.append(command)
    return found
