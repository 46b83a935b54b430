"""Remembered columns of other people's files: found again by a file's headings, renamed, exported, imported and removed by people."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from errors import Conflict, InvalidInput, NotFound
from extensions import db, writing
from models import FilePreset
from services.common import whole_numbers
from services.common.text import one_line
from services.presets import columns as column_choice
from services.security import audit
from services.security.audit import About, record_change

REMEMBERED = audit.kind("file_preset.changed", "Columns of a kind of file remembered")
RENAMED = audit.kind("file_preset.renamed", "File preset renamed")
REMOVED = audit.kind("file_preset.removed", "File preset removed")
IMPORTED = audit.kind("file_preset.imported", "File preset imported")
KINDS = ("stock", "shipments")
FORMAT = "cartlink-file-preset-1"
MOST, MOST_NAME, MOST_BYTES, MOST_HEADING = 200, 100, 100_000, 300


Check = Callable[[Sequence[str], Mapping[str, str], Mapping[str, Any]], dict[str, Any]]
"""Returns the options of a kind as they are kept. Raises InvalidInput for columns and options that cannot be used."""


def find_preset(kind: str, headings: Sequence[str]) -> FilePreset | None:
    """The one for files with these headings, in any order."""
    return db.session.scalar(
        select(FilePreset).where(FilePreset.kind == kind, FilePreset.digest == column_choice.digest(headings))
    )


def list_presets() -> list[FilePreset]:
    return list(db.session.scalars(select(FilePreset).order_by(FilePreset.kind, FilePreset.name, FilePreset.id)))


def get_preset(preset_id: int) -> FilePreset:
    """Raises NotFound."""
    preset = db.session.get(FilePreset, preset_id)
    if preset is None:
        raise NotFound("There is no such preset.")
    return preset


def find_by_name(name: str) -> FilePreset:
    """By its name, without regard to case, or its id. Raises NotFound, or InvalidInput where several have the name."""
    found = [each for each in list_presets() if each.name.casefold() == name.strip().casefold()]
    if len(found) > 1:
        ids = ", ".join(str(each.id) for each in found)
        raise InvalidInput(f"Several presets are called {name!r}.", f"Give one of their ids: {ids}.")
    if found:
        return found[0]
    number = whole_numbers.parse(name)
    preset = None if number is None else db.session.get(FilePreset, number)
    if preset is None:
        raise NotFound(f"There is no preset {name!r}.")
    return preset


def version_of(preset: FilePreset) -> str:
    """A digest of what can be changed of a preset."""
    said = json.dumps([preset.id, preset.name, preset.columns, preset.options], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def remember(
    kind: str, headings: Sequence[str], columns: Mapping[str, str], options: Mapping[str, Any], *, name: str, actor: str
) -> None:  # fmt: skip
    """Keep what was assigned for files with these headings, in the place of what was kept before; a preset keeps its name. Raises
    InvalidInput."""
    name = one_line(name, MOST_NAME, "name", "name") or "File"
    with writing() as session:
        preset = find_preset(kind, headings)
        if preset is None:
            if len(list_presets()) >= MOST:
                raise InvalidInput(f"There are {MOST} presets already.", "Remove those that you do not use.")
            preset = FilePreset(kind=kind, name=name, digest=column_choice.digest(headings), headings=list(headings))
            session.add(preset)
        before = (preset.columns, preset.options)
        preset.columns, preset.options, preset.changed_by = dict(columns), dict(options), actor
        session.flush()
        changes = {"columns": (before[0], dict(columns)), "options": (before[1], dict(options))}
        record_change(REMEMBERED, About(preset.id, preset.name), changes, actor)


def rename(preset_id: int, name: str, actor: str) -> None:
    """Raises NotFound, or InvalidInput."""
    name = one_line(name, MOST_NAME, "name", "name")
    if not name:
        raise InvalidInput("Enter a name.", field="name")
    with writing():
        preset = get_preset(preset_id)
        record_change(RENAMED, About(preset.id, name), {"name": (preset.name, name)}, actor)
        preset.name, preset.changed_by = name, actor


def remove(preset_id: int, actor: str) -> None:
    """The next file with these headings is asked about again. Raises NotFound."""
    with writing() as session:
        preset = get_preset(preset_id)
        record_change(REMOVED, About(preset.id, preset.name), actor=actor)
        session.delete(preset)


def export(preset_id: int) -> str:
    """As JSON for ``import_preset``. Raises NotFound."""
    preset = get_preset(preset_id)
    kept = {
        "format": FORMAT, "kind": preset.kind, "name": preset.name, "headings": preset.headings, "columns": preset.columns,
        "options": preset.options,
    }  # fmt: skip
    return json.dumps(kept, ensure_ascii=False, indent=2)


def import_preset(content: bytes, actor: str, checks: Mapping[str, Check]) -> FilePreset:
    """Keep a preset that was exported elsewhere. ``checks`` are functions by kind that raise InvalidInput for columns
    and options that cannot be used. Raises InvalidInput, or Conflict where there is one for these headings already."""
    wrong = InvalidInput("That is no exported preset.", "Choose the file that ‘Export’ has saved.")
    try:
        kept = json.loads(content.decode("utf-8-sig"))
        kind, name = kept["kind"], kept["name"]
        headings, columns, options = kept["headings"], kept["columns"], kept["options"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise wrong from None
    texts = [name, *(headings if isinstance(headings, list) else [None])]
    texts += [*columns.keys(), *columns.values()] if isinstance(columns, dict) else [None]
    if kept.get("format") != FORMAT or kind not in KINDS or not isinstance(options, dict):
        raise wrong
    if len(texts) > 2 * MOST_HEADING or not all(
        isinstance(each, str) and len(each) <= MOST_HEADING and "\0" not in each for each in texts
    ):
        raise wrong
    checked = checks[kind](headings, columns, options)
    if unknown := sorted(options.keys() - checked.keys()):
        raise InvalidInput(
            f"Presets of this kind have no option {unknown[0][:60]!r}.", f"They have: {', '.join(checked)}.", field="options"
        )
    name = one_line(name, MOST_NAME, "name", "name") or "File"
    try:
        with writing() as session:
            if find_preset(kind, headings) is not None:
                raise Conflict("There is a preset for files with these headings already.", "Remove that one first.")
            digest = column_choice.digest(headings)
            preset = FilePreset(
                kind=kind, name=name, digest=digest, headings=headings, columns=columns, options=checked, changed_by=actor
            )
            session.add(preset)
            session.flush()
            record_change(IMPORTED, About(preset.id, name), actor=actor)
            preset_id = preset.id
    except IntegrityError:
        raise Conflict("There is a preset for files with these headings already.", "Remove that one first.") from None
    return get_preset(preset_id)
