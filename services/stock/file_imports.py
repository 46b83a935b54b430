"""Files of quantities that are imported at once, by a command or a program in this process, without a person who looks at a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, sleep

from sqlalchemy import select

from errors import Conflict, InvalidInput
from extensions import db, reading
from models import StockFile
from services.stock import file_results, file_undo, files

MOST_NAMED = 5
LONGEST_IMPORT = 900.0
"""Seconds after which the rest is left to the workers."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file would do: how many stock items it would change (set to 0, raise, lower) and leave as they are, how many of its SKUs are no
    stock items, and how many rows cannot be used, with the first of them and how many have each cause."""

    file_id: int
    state: str
    changed: int
    zeroed: int
    raised: int
    lowered: int
    unchanged: int
    unknown: int
    wrong: int
    problems: list[str]
    causes: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Imported:
    """How many stock items changed and stayed as they were. ``added`` of them are new, ``left_out`` are rows that cannot be used."""

    changed: int
    unchanged: int
    added: int
    left_out: int = 0


def import_now(
    content: bytes, name: str, actor: str, *, add_unknown: bool = False, skip_wrong: bool = False, sheet: str = ""
) -> Imported:  # fmt: skip
    """Import a file: all rows, or with ``skip_wrong`` those that can be used. It is listed with the other files. Raises as ``check`` and
    ``apply``."""
    return apply(check(content, name, actor, sheet=sheet), add_unknown=add_unknown, skip_wrong=skip_wrong)


def check(content: bytes, name: str, actor: str, *, sheet: str = "") -> Checked:
    """Read a file and say what it would do. Nothing is changed until ``apply``; otherwise ``discard`` it. Raises InvalidInput for what is no
    such file, or has headings that are not known, and Conflict if a worker has taken it over and does not get to its end."""
    return _checked(files.upload(content, name, actor, sheet=sheet))


def check_undo(file_id: int, actor: str) -> Checked:
    """Make the file that takes an applied one back, and say what it would do; then as ``check``. Raises as ``file_undo.undo_file`` does, and as
    ``check``."""
    return _checked(file_undo.undo_file(file_id, actor))


def _checked(file_id: int) -> Checked:
    found = _worked_on(file_id)
    if found.state == "columns":
        files.drop(file_id)
        raise InvalidInput(
            "The columns of the file are not known.", "Import it once on the page Import stock and assign them there."
        )
    if found.state == "refused" and not found.wrong:
        raise InvalidInput(
            f"Nothing was changed. {_some(found.problems, len(found.problems), '; ')}", "Correct the file and import it again."
        )
    return found


def apply(found: Checked, *, add_unknown: bool = False, skip_wrong: bool = False) -> Imported:
    """Apply a checked file. Raises InvalidInput naming the first wrong lines, unless they are to be left out and others are good, or unknown SKUs
    unless they may be added: nothing is changed then. Raises Conflict if a worker has taken the file over and does not get to its end; it
    may still apply the file."""
    good = found.changed + found.unchanged + found.unknown
    if found.wrong and not (skip_wrong and good):
        discard(found)
        named = _some(found.problems[:MOST_NAMED], found.wrong, "; ")
        raise InvalidInput(f"Nothing was changed. {named}", "Correct the file and import it again.")
    if found.unknown and not add_unknown:
        with reading():
            unknown = [row.sku for row in file_results.preview_rows(found.file_id, file_results.UNKNOWN, limit=MOST_NAMED)]
        discard(found)
        raise InvalidInput(
            f"The file names SKUs that are not stock items: {_some(unknown, found.unknown, ', ')}.",
            "Nothing was changed. Take them out, or add them.",
        )
    files.accept(found.file_id, add_unknown)
    done = _worked_on(found.file_id)
    return Imported(done.changed, done.unchanged, found.unknown, found.wrong)


def discard(found: Checked) -> None:
    """Discard a checked file, whose wrong rows go too."""
    if found.state == "checked":
        files.drop(found.file_id)


def _worked_on(file_id: int) -> Checked:
    """The file's numbers once it waits for no worker. A worker that comes across it may do the work instead of this process."""
    columns = (getattr(StockFile, name) for name in Checked.__dataclass_fields__ if name != "file_id")
    query = select(*columns).where(StockFile.id == file_id)
    over = monotonic() + LONGEST_IMPORT
    while True:
        files.work(file_id)
        with reading():
            found = Checked(file_id, *db.session.execute(query).one())
        if found.state not in files.WAITING:
            return found
        if monotonic() > over:
            raise Conflict("The file has not been imported yet.", "A worker imports it. Look under Stock, Import stock.")
        sleep(0.2)


def _some(named: Sequence[str], whole: int, between: str) -> str:
    more = whole - len(named)
    return between.join(named) + (f" and {more} more" if more > 0 else "")
