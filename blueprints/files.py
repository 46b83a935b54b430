"""Files in and out of pages: a CSV for the reader, and an upload with a cap that its page names."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from flask import Response, request

from errors import InvalidInput
from services import csv_files


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A CSV. A long one goes through a file, not through memory; it is whole before it is sent, so it never breaks off."""
    with ExitStack() as open_files:
        spool = open_files.enter_context(tempfile.SpooledTemporaryFile(max_size=1024 * 1024))
        for piece in csv_files.rows_out(header, rows):
            spool.write(piece.encode())
        spool.seek(0)
        response = Response(iter(lambda: spool.read(64 * 1024), b""), mimetype="text/csv")
        # From here on the file belongs to the response.
        response.call_on_close(open_files.pop_all().close)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.cache_control.no_store = True
    return response


def uploaded(field: str, most_bytes: int) -> tuple[bytes, str]:
    """The content and name of an uploaded file. Raises InvalidInput where there is none or it is over the cap."""
    file = request.files.get(field)
    if file is None or not file.filename:
        raise InvalidInput("No file was chosen.", "Choose a CSV file.", field=field)
    content = file.stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise InvalidInput(
            f"{file.filename} is larger than {most_bytes // (1024 * 1024)} MB.", "Split it into several files.", field=field
        )
    return content, file.filename


def numbers(values: Iterable[str]) -> list[int]:
    """The whole numbers among what a form sent; anything else is passed over."""
    return [int(value) for value in values if value.isascii() and value.isdigit() and len(value) < 16]
