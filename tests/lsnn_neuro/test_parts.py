"""What is being written is hidden and locked; what a killed process left is removed by the next one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from lsnn_neuro import files
from lsnn_neuro.parts import SUFFIX, owned, part_file, part_folder, put_in_place, remove_abandoned


def killed(write: Callable[[], None]) -> None:
    """Let a process of its own write, and kill it while it does."""
    pid = os.fork()
    if pid == 0:
        try:
            write()
        finally:
            os._exit(1)  # not reached
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def kill_here() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_file(folder: Path) -> None:
    with part_file(folder, "a") as (handle, _):
        os.write(handle, b"half")
        kill_here()


def half_a_folder(folder: Path) -> None:
    with files.new_folder(folder / "a", "mark", "a thing") as new:
        (new / "mark").write_text("half")
        kill_here()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("write", [half_a_file, half_a_folder])
def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_there(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    killed(lambda: write(tmp_path))
    (left,) = names(tmp_path)
    assert left.startswith(".a.")
    assert left.endswith(SUFFIX)
    files.write_text(tmp_path / "b", "whole")
    assert names(tmp_path) == ["b"]


def test_what_is_being_written_and_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".b.settings").write_text("a user's")
    (tmp_path / ".b.abcdefgh").mkdir()
    with part_file(tmp_path, "a"), part_folder(tmp_path, "c"):
        before = names(tmp_path)
        files.write_text(tmp_path / "b", "whole")
        assert names(tmp_path) == sorted([*before, "b"])
    assert names(tmp_path) == [".b.abcdefgh", ".b.settings", "b"]


def test_a_folder_whose_replacement_was_killed_between_two_moves_is_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "a"
    old.mkdir()
    (old / "mark").write_text("old")

    def replace() -> None:
        with part_folder(tmp_path, "a") as part:
            (part / "a").mkdir()
            (part / "a" / "mark").write_text("new")
            original, moves = Path.replace, []

            def second_kills(path: Path, target: Path) -> Path:
                moves.append(path)
                if len(moves) == 2:
                    kill_here()
                return original(path, target)

            monkeypatch.setattr(Path, "replace", second_kills)
            put_in_place(part, old)

    killed(replace)
    assert not old.exists()
    remove_abandoned(tmp_path)
    assert (old / "mark").read_text() == "new"
    assert names(tmp_path) == ["a"]


def test_a_folder_has_one_owner_until_that_ends(tmp_path: Path) -> None:
    with owned(tmp_path) as first, owned(tmp_path) as second:
        assert first
        assert not second

    def own() -> None:
        with owned(tmp_path):
            kill_here()

    killed(own)
    with owned(tmp_path) as third:
        assert third


def test_a_mount_point_can_not_become_an_artifact(tmp_path: Path) -> None:
    mount = next((p for p in map(Path, ("/dev/shm", "/proc")) if p.is_mount()), None)
    if mount is None:
        pytest.skip("no mount point here")
    for overwrite in (False, True):
        with pytest.raises(
            files.FileFormatError, match="is a mount point, which can't be replaced"
        ):
            files.check_new_folder(mount, "mark", "a thing", overwrite=overwrite)
