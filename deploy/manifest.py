"""The manifest of an artifact: written with a hash of its own, and checked before any of it is believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lsnn_neuro.bounded import in_a_line, parse_json, parse_table, read_text
from lsnn_neuro.errors import FileFormatError
from lsnn_neuro.files import write_text
from lsnn_neuro.migrations import conversion_report
from quantize.conversion_report import ConversionReport
from quantize.design_rules import Violation

MANIFEST, NETWORK, GOLDEN = "manifest.json", "network.safetensors", "golden.safetensors"
FORMAT_VERSION, OLDEST_FORMAT = 3, 1
OWN_HASH = "manifest_sha256"
_PARTS = {"encoder": dict, "probe": dict, "class_names": list, "versions": dict}
"""What may be left out of a manifest, and what it is."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an artifact of a format that this release reads."""
    path = folder / MANIFEST
    try:
        manifest = parse_table(read_text(path, str(path), FileFormatError))
        found = _checked(manifest)
    except ValueError as error:
        raise FileFormatError(f"{path}: not a readable manifest ({in_a_line(error)})") from error
    if not OLDEST_FORMAT <= found <= FORMAT_VERSION:
        advice = "upgrade lsnn-neuro" if found > FORMAT_VERSION else "export it again"
        raise FileFormatError(
            f"{folder}: artifact version {found}, this release reads {OLDEST_FORMAT} to "
            f"{FORMAT_VERSION}; {advice}"
        )
    own = manifest.pop(OWN_HASH, None)  # format 1 had none
    if (found > 1 or own is not None) and own != hash_of(manifest):
        raise FileFormatError(f"{path}: was changed since the export (SHA-256); export it again")
    return manifest


def _checked(manifest: Mapping[str, Any]) -> int:
    """The format of a manifest whose parts have the types that they should have; else ValueError."""
    version, listed = manifest.get("format_version"), manifest.get("sha256")
    if type(version) is not int:
        raise ValueError(f"its format_version is {version!r}, expected a whole number")
    if version > FORMAT_VERSION:
        return version  # its parts may be others
    if type(manifest.get("target")) is not str:
        raise ValueError("it names no target")
    if not isinstance(listed, dict) or not {NETWORK, GOLDEN} <= listed.keys():
        raise ValueError(f"it lists no SHA-256 of {NETWORK} and {GOLDEN}")
    for name in listed:
        if name != Path(name).name:
            raise ValueError(f"it lists {name!r}, which lies in another folder")
    wrong = [
        part for part, kind in _PARTS.items() if not isinstance(manifest.get(part), kind | None)
    ]
    for part in wrong:
        raise ValueError(f"its {part} is a {type(manifest[part]).__name__}")
    return version


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of an artifact, with its own hash."""
    sealed = {**manifest, OWN_HASH: hash_of(manifest)}
    write_text(folder / MANIFEST, json.dumps(sealed, indent=2) + "\n")


def hash_of(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest without its hash, however it is laid out."""
    as_read = parse_json(json.dumps(manifest))
    return hashlib.sha256(json.dumps(as_read, sort_keys=True).encode()).hexdigest()


def conversion_of(manifest: Mapping[str, Any]) -> ConversionReport | None:
    """What the quantization lost, as the manifest of an artifact says it; None if it doesn't."""
    report: ConversionReport | None = _part_of(manifest, ConversionReport | None, conversion_report)
    return report


def violations_of(manifest: Mapping[str, Any]) -> list[Violation]:
    """The design rules that were broken at the export, as the manifest of an artifact says it."""
    found: list[Violation] = _part_of(manifest, list[Violation], lambda m: m.get("violations", []))
    return found


def _part_of(
    manifest: Mapping[str, Any], kind: Any, part: Callable[[Mapping[str, Any]], Any]
) -> Any:
    try:
        return TypeAdapter(kind).validate_python(part(manifest))
    except (ValidationError, KeyError, TypeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise FileFormatError(
            f"artifact: its manifest holds no readable conversion report ({reason}); export it again"
        ) from error
