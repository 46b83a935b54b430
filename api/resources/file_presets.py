"""``file-presets``: which column holds what in files with the same headings, as people have assigned it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from sqlalchemy import select

from api.operations import Call, matches, operation
from api.paging import ListQuery, Page, list_page
from api.problems import Problem
from api.reply import Reply
from api.shapes import Body
from extensions import db, one_transaction
from models import FilePreset as Row
from services.presets import presets
from services.shipping import shipments
from services.shipping.file_presets import CHECKS
from services.stock import file_quantities

SHIPPING = "shipments:write"
Kind = Literal["stock", "shipments"]
Heading = Annotated[str, Meta(max_length=presets.MOST_HEADING)]
Word = Annotated[str, Meta(min_length=1, max_length=file_quantities.MOST_WORD)]
Count = Annotated[int, Meta(ge=0, le=file_quantities.MOST)]


class FilePreset(Struct):
    """``columns`` are the headings by field: sku and quantity for files of the kind stock; number, tracking, carrier, shop and id for shipments.
    ``options`` say how values are read."""

    id: str
    kind: str
    name: str
    headings: list[str]
    columns: dict[str, str]
    options: dict[str, Any]
    changed_at: datetime
    changed_by: str
    version: str


class PresetQuery(ListQuery, kw_only=True):
    kind: Kind | None = None


class PresetOptions(Body):
    """How values are read. For shipments: ``carrier``, of rows that name none. All others are for stock: ``words`` are quantities by word,
    ``decimal`` is the sign before decimals. Each quantity is multiplied by ``pack``, reduced by ``buffer`` and limited to ``cap``."""

    words: Annotated[dict[Word, Count], Meta(max_length=file_quantities.MOST_WORDS)] | UnsetType = UNSET
    decimal: Literal["", ".", ","] | UnsetType = UNSET
    pack: Annotated[int, Meta(ge=1, le=file_quantities.MOST)] | UnsetType = UNSET
    buffer: Count | UnsetType = UNSET
    cap: Count | None | UnsetType = UNSET
    carrier: Annotated[str, Meta(max_length=shipments.MOST_CARRIER)] | UnsetType = UNSET


class NewFilePreset(Body):
    """``headings`` are those of the files, in any order."""

    kind: Kind
    name: Annotated[str, Meta(min_length=1, max_length=presets.MOST_NAME)]
    headings: Annotated[list[Heading], Meta(min_length=1, max_length=200)]
    columns: Annotated[dict[str, Heading], Meta(max_length=20)]
    options: PresetOptions = msgspec.field(default_factory=PresetOptions)


class FilePresetChanges(Body):
    name: Annotated[str, Meta(min_length=1, max_length=presets.MOST_NAME)]


@operation(
    "GET", "/file-presets", "List the remembered columns of files", scope="stock:read", query=PresetQuery, answers={200: Page[FilePreset]},
)  # fmt: skip
def list_file_presets(call: Call) -> Reply:
    query = select(Row.id)
    if call.query.kind is not None:
        query = query.where(Row.kind == call.query.kind)
    return list_page(call, query, [Row.id], _load, newest=False)


@operation("GET", "/file-presets/<int:preset_id>", "Get a preset of files", scope="stock:read", answers={200: FilePreset})
def get_file_preset(call: Call, preset_id: int) -> FilePreset:
    return _shown(presets.get_preset(preset_id))


@operation(
    "POST", "/file-presets", "Add a preset for files with these headings; 409 if there is one", scope="stock:write", role="manager",
    body=NewFilePreset, answers={201: FilePreset},
)  # fmt: skip
def create_file_preset(call: Call) -> Reply:
    _check_scope(call, call.body.kind)
    content = msgspec.json.encode({**msgspec.to_builtins(call.body), "format": presets.FORMAT})
    preset = presets.import_preset(content, call.actor, CHECKS)
    return Reply(_shown(preset), 201, {"Location": f"/api/v1/file-presets/{preset.id}"})


@operation(
    "PATCH", "/file-presets/<int:preset_id>", "Rename a preset of files", scope="stock:write", role="manager", body=FilePresetChanges,
    answers={200: FilePreset}, conditional=True,
)  # fmt: skip
def change_file_preset(call: Call, preset_id: int) -> FilePreset:
    with one_transaction():
        preset = presets.get_preset(preset_id)
        _check_scope(call, preset.kind)
        matches(presets.version_of(preset))
        presets.rename(preset_id, call.body.name, call.actor)
    return _shown(presets.get_preset(preset_id))


@operation(
    "DELETE", "/file-presets/<int:preset_id>", "Remove a preset of files: a person is asked again about the next file with its headings",
    scope="stock:write", role="manager", answers={204: None}, conditional=True,
)  # fmt: skip
def remove_file_preset(call: Call, preset_id: int) -> Reply:
    with one_transaction():
        preset = presets.get_preset(preset_id)
        _check_scope(call, preset.kind)
        matches(presets.version_of(preset))
        presets.remove(preset_id, call.actor)
    return Reply(None, 204)


def _check_scope(call: Call, kind: str) -> None:
    """A preset of files of tracking numbers decides what is shipped. Raises Problem 403."""
    if kind == "shipments" and SHIPPING not in call.holder.scopes:
        raise Problem(403, "scope_missing", f"This needs the scope {SHIPPING} too.", scope=SHIPPING)


def _load(ids: Sequence[int]) -> dict[int, FilePreset]:
    return {row.id: _shown(row) for row in db.session.scalars(select(Row).where(Row.id.in_(ids)))}


def _shown(row: Row) -> FilePreset:
    columns = {field: title for field, title in row.columns.items() if title}
    return FilePreset(
        str(row.id),
        row.kind,
        row.name,
        row.headings,
        columns,
        row.options,
        row.changed_at,
        row.changed_by,
        presets.version_of(row),
    )
