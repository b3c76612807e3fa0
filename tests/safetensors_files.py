"""Files of ours taken apart and put together again, with a seal that is right all the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save

UNSEALED = "0" * 64


def about(path: Path) -> dict[str, Any]:
    """What the file says of itself."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    found: dict[str, Any] = json.loads(
        json.loads(data[8 : 8 + length])["__metadata__"]["lsnn-neuro"]
    )
    return found


def sealed(data: bytes, said: Mapping[str, Any]) -> bytes:
    """The bytes of a file with a seal that is right; where it has none, as they are."""
    seal = said.get("file_sha256")
    if not isinstance(seal, str) or len(seal) != len(UNSEALED):
        return data
    data = data.replace(seal.encode(), UNSEALED.encode(), 1)
    return data.replace(UNSEALED.encode(), hashlib.sha256(data).hexdigest().encode(), 1)


def put_together(
    path: Path, said: Mapping[str, Any], arrays: Mapping[str, Any] | None = None
) -> None:
    """Write a file anew; by default its arrays stay."""
    found = dict(load_file(path) if arrays is None else arrays)
    path.write_bytes(sealed(save(found, {"lsnn-neuro": json.dumps(said)}), said))
