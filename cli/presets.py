"""``flask presets``: which column holds what in files with the same headings, as people have assigned it."""

from __future__ import annotations

import json

import click

from cli.actors import actor
from cli.failures import Group
from cli.inputs import agree, read_content, yes_option
from cli.output import Column, Row, json_option, say, write, write_fields, write_object, write_rows
from models import FilePreset
from services.common.batches import stamp
from services.presets import presets
from services.shipping.file_presets import CHECKS, LABELS

COLUMNS = (
    Column("ID", "id", right=True), Column("KIND", "kind"), Column("NAME", "name", most=40), Column("COLUMNS", "assigned", most=80),
    Column("CHANGED", "changed_at"),
)  # fmt: skip

group = Group("presets", help="Remembered columns of files: list, show, export, import, rename, remove.")
of_preset = click.argument("name")
"""The name of a preset, or its id."""


@group.command("list")
@json_option
def show_list(as_json: bool) -> None:
    """List the presets, by kind and name."""
    rows = [{**_object(each), "assigned": _assigned(each)} for each in presets.list_presets()]
    if as_json:
        rows = [{key: value for key, value in row.items() if key != "assigned"} for row in rows]
    write_rows([rows], COLUMNS, as_json=as_json, nothing="There are no presets.")


def _object(preset: FilePreset) -> Row:
    return {
        "id": preset.id, "kind": preset.kind, "name": preset.name, "headings": preset.headings,
        "columns": {field: title for field, title in preset.columns.items() if title}, "options": preset.options,
        "changed_at": stamp(preset.changed_at), "changed_by": preset.changed_by,
    }  # fmt: skip


def _assigned(preset: FilePreset) -> str:
    return ", ".join(f"{LABELS.get(field, field)}: {title}" for field, title in preset.columns.items() if title)


@group.command("show")
@of_preset
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a preset, named by its name or id."""
    preset = presets.find_by_name(name)
    if as_json:
        write_object(_object(preset))
        return
    options = json.dumps(preset.options, ensure_ascii=False)
    write_fields([("id", preset.id), ("kind", preset.kind), ("name", preset.name), ("headings", preset.headings)])
    write_fields([("columns", _assigned(preset)), ("options", options), ("changed", stamp(preset.changed_at))])


@group.command("export")
@of_preset
def export(name: str) -> None:
    """Print a preset as JSON, for `presets import` of another Cartlink."""
    write(presets.export(presets.find_by_name(name).id) + "\n", "utf-8")


@group.command("import")
@click.argument("file")
def import_preset(file: str) -> None:
    """Keep a preset that was exported (- reads standard input)."""
    say(f"{presets.import_preset(read_content(file), actor(), CHECKS).name} is imported.")


@group.command("rename")
@of_preset
@click.argument("new_name")
def rename(name: str, new_name: str) -> None:
    """Give a preset another name."""
    preset_id = presets.find_by_name(name).id
    presets.rename(preset_id, new_name, actor())
    say(f"The preset is called {presets.get_preset(preset_id).name} now.")


@group.command("remove")
@of_preset
@yes_option
def remove(name: str, yes: bool) -> None:
    """Remove a preset: the next file with its headings is asked about again."""
    preset = presets.find_by_name(name)
    called = preset.name
    agree(yes, f"Remove the preset {called}? The columns of the next file with its headings have to be chosen again.")
    presets.remove(preset.id, actor())
    say(f"The preset {called} is removed.")
