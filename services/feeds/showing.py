"""What is shown of a feed's keys and columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels.remote_files import HostKey
from services.common import letters
from services.stock import file_columns

OPTIONS = {"decimal": "Decimal sign", "pack": "Pack size", "buffer": "Buffer", "cap": "Maximum"}
"""The options of quantities, as the form calls them."""


def fingerprint(host_key: str) -> str:
    """Of a host key that is pinned, as OpenSSH prints it; empty where there is none."""
    return HostKey.parse(host_key).fingerprint if host_key else ""


def quantity_words(options: Mapping[str, Any]) -> str:
    """The words that stand for quantities, as ``sold out = 0``; empty without any."""
    return ", ".join(f"{word} = {quantity}" for word, quantity in (options.get("words") or {}).items())


def columns(assigned: Mapping[str, Any] | None) -> str | None:
    """The columns that are assigned, with the options that differ from the usual ones, on one line; None where there are none."""
    if not assigned:
        return None
    options = assigned.get("options") or {}
    words = quantity_words(options)
    labels = {field.name: field.label for field in file_columns.FIELDS}
    said = [f"{labels.get(name, name)}: {heading}" for name, heading in assigned["columns"].items() if heading]
    said += [f"Words: {words}"] if words else []
    usual: dict[str, Any] = {"decimal": "", "pack": 1, "buffer": 0, "cap": None}
    said += [f"{OPTIONS[name]}: {options[name]}" for name, value in usual.items() if options.get(name, value) != value]
    said += [f"Letters: {letters.NAMES[assigned['letters']]}"] if assigned.get("letters") else []
    return "; ".join(said)
