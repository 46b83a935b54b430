"""Files of pages: downloads, and uploads with a size limit."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from flask import Response, request, stream_with_context

from blueprints import in_progress
from blueprints.htmx import toast
from errors import InvalidInput, NotFound
from services.common import csv_files, letters, whole_numbers, wrong_rows


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A CSV that is sent while it is read from the database. Reading stops when sending stops. For a view with ``download``.

    The first rows are read before anything is sent, so a query that fails still gets an error page. A later failure ends the
    transfer, which a browser shows as a failed download."""
    return sent_file(name, "text/csv", (piece.encode() for piece in csv_files.rows_out(header, rows)))


def sent_file(name: str, media_type: str, pieces: Generator[bytes]) -> Response:
    """A file that is sent while it is made, as ``csv_file`` has it."""
    first = next(pieces)

    def sent() -> Iterator[bytes]:
        with closing(pieces):
            piece: bytes | None = first
            while piece is not None:
                yield piece
                in_progress.let_pages_go_first()
                piece = next(pieces, None)

    response = Response(stream_with_context(sent()), mimetype=media_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.cache_control.no_store = True
    return response


def wrong_rows_file(layout: Mapping[str, Any] | None, rows: Iterable[wrong_rows.Wrong]) -> Response:
    """Rows of a file that cannot be used, in its format, each with the reason. For a view with ``download``. Raises NotFound where nothing is
    kept of them any more."""
    if layout is None:
        raise NotFound("The rows of that file are not kept any more.", "Choose the file again.")
    shape = wrong_rows.from_kept(layout)
    return sent_file(f"rows-with-problems.{shape.kind}", wrong_rows.TYPES[shape.kind], wrong_rows.write(shape, rows))


def uploaded(field: str, most_bytes: int) -> tuple[bytes, str]:
    """The content and name of an uploaded file. Raises InvalidInput if there is none or if it is too large."""
    file = request.files.get(field)
    if file is None or not file.filename:
        raise InvalidInput("No file was chosen.", "Choose a CSV or Excel file.", field=field)
    content = file.stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise InvalidInput(
            f"{file.filename} is larger than {most_bytes // (1024 * 1024)} MB.", "Split it into several files.", field=field
        )
    return content, file.filename


def uploaded_text(field: str, most_bytes: int) -> tuple[bytes, str]:
    """The same of a table, its text in UTF-8. How the letters were read is said on the next page, where that was not clear."""
    content, name = uploaded(field, most_bytes)
    text = letters.as_utf8(content, request.form.get("letters", ""))
    if text.read_as:
        toast(f"{letters.sentence(text.read_as)} If they look wrong, upload it again and choose others under ‘Letters’.", "info")
    return text.content, name


def chosen_sheet() -> str:
    """The name of the sheet that is read of a workbook; empty for the first one."""
    return request.form.get("sheet", "").strip()[:100]


def uploaded_image(field: str, most_bytes: int) -> bytes:
    """The content of an uploaded image, at most a byte more than ``most_bytes``; empty if none was chosen."""
    file = request.files.get(field)
    return b"" if file is None or not file.filename else file.stream.read(most_bytes + 1)


def numbers(values: Iterable[str]) -> list[int]:
    """The whole numbers among the values of a form; other values are ignored."""
    return [number for number in map(whole_numbers.parse, values) if number is not None]
