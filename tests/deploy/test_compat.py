"""Lava on later versions of Python: what fails without the shim, and that it changes nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LATER = sys.version_info >= (3, 11)


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.mark.skipif(not LATER, reason="Lava can be imported on Python 3.10 as it is")
def test_without_the_shim_lava_can_not_be_imported():
    done = python("import lava.magma.compiler.var_model")
    assert "mutable default" in done.stderr


def test_with_the_shim_lava_is_imported_and_dataclasses_are_as_before():
    done = python(
        "import dataclasses; before = dataclasses.dataclass\n"
        "import deploy.lava\n"
        "from lava.magma.compiler import var_model\n"
        "assert dataclasses.dataclass is before\n"
        "assert var_model.AxonEncoder().hi == var_model.ByteEncoder(0, 0, 0)\n"
        "assert var_model.Region.__hash__ is None, 'only the one class gets a hash'\n"
    )
    assert done.returncode == 0, done.stderr


def test_the_shim_is_there_once_and_only_where_it_is_needed():
    done = python(
        "import sys, deploy.lava\n"
        "from deploy.lava.compat import patch_lava_import\n"
        "patch_lava_import()\n"
        "print(sum(type(f).__module__ == 'deploy.lava.compat' for f in sys.meta_path))\n"
        "assert 'lava' not in sys.modules"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(int(LATER))
