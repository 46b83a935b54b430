"""Rows of a file that cannot be used, written into a file for a person to correct."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cli.failures import note
from errors import InvalidInput
from services.common import wrong_rows


def write_wrong_rows(path: str, layout: Mapping[str, Any] | None, rows: Iterable[wrong_rows.Wrong]) -> None:
    """Write them in the format of the file they come from, each with the reason. Raises InvalidInput where that is not possible."""
    if layout is None:
        return
    try:
        with Path(path).open("xb") as file:
            for piece in wrong_rows.write(wrong_rows.from_kept(layout), rows):
                file.write(piece)
    except FileExistsError:
        raise InvalidInput(f"There is a file {path} already.", "Nothing was changed. Choose another name.") from None
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or "its name is not possible"
        raise InvalidInput(f"The file {path} cannot be written: {reason}.", "Nothing was changed.") from None
    note(f"The rows that cannot be used are in {path}. Correct them and import that file.")
