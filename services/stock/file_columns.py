"""Which columns of a file of quantities are read, and how: our own headings, or what a person has assigned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from errors import InvalidInput
from services.common import csv_files, whole_numbers
from services.presets import columns as column_choice
from services.presets import presets
from services.presets.columns import Field
from services.stock import file_quantities
from services.stock.file_quantities import Quantity

KIND = "stock"
COLUMNS = {
    "sku": ("sku", "item", "stock item"), "quantity": ("quantity", "qty", "on hand", "on_hand", "stock", "amount"),
}  # fmt: skip
FIELDS = (
    Field(
        "sku", "SKU",
        ("sku", "item", "article number", "article", "item number", "part number", "product code", "code", "artikelnummer", "artnr", "mpn", "ean"),
        required=True,
    ),
    Field(
        "quantity", "Quantity",
        ("quantity", "qty", "on hand", "available", "availability", "in stock", "stock", "amount", "bestand", "lagerbestand", "menge", "lager"),
        required=True,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """``columns`` as csv_files.read takes them, and how a quantity is read."""

    columns: csv_files.Columns
    quantity: Callable[[str, int], int | None]


OWN = Plan(COLUMNS, whole_numbers.parse)
"""Files with our own headings hold whole numbers."""


def plan(headings: Sequence[str], assigned: Mapping[str, Any]) -> Plan:
    """How a file with these headings is read; ``assigned`` are the columns and options of models.StockFile, empty for our own headings.
    Raises InvalidInput."""
    if not assigned:
        return OWN
    found = column_choice.places(headings, assigned["columns"], FIELDS)
    return Plan(csv_files.Assigned(found), file_quantities.from_kept(assigned["options"]).read)


def known(opened: Callable[[], csv_files.Source]) -> dict[str, Any]:
    """What is assigned to a file, empty for our own headings. Raises InvalidInput for a file whose columns nobody has assigned yet."""
    headings = csv_files.sample(opened(), 0)[0]
    preset = presets.find_preset(KIND, headings)
    if preset is not None:
        return {"columns": preset.columns, "options": preset.options}
    csv_files.check_header(opened(), COLUMNS, ("sku", "quantity"))
    return {}


def check_preset(headings: Sequence[str], columns: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they are kept. Raises InvalidInput for columns and options that cannot be used."""
    column_choice.places(headings, columns, FIELDS)
    return file_quantities.from_kept(options).kept()


def sample(
    headings: Sequence[str], rows: Sequence[Sequence[str]], columns: Mapping[str, str], options: Mapping[str, Any], most: int
) -> list[dict[str, str]]:  # fmt: skip
    """What would be read of some rows: a dict by field with ``problem``. Raises InvalidInput."""
    found = column_choice.places(headings, columns, FIELDS)
    quantity: Quantity = file_quantities.from_kept(options)
    shown = []
    for row in rows:
        sku, cell = row[found["sku"]], row[found["quantity"]]
        number = quantity.read(cell, most)
        problem = "" if number is not None else "No quantity." if not cell else "It is not clear how many these are."
        said = cell if str(number) == cell or problem else f"{cell} → {number}"
        shown.append({"sku": sku, "quantity": said, "problem": problem if sku else "No SKU."})
    return shown


def suggest(headings: Sequence[str]) -> dict[str, str]:
    """The columns that fit best, by field."""
    return column_choice.suggest(headings, FIELDS)


def refuse_narrow(headings: Sequence[str], wrong: InvalidInput) -> None:
    """Raises ``wrong`` for a file that has not enough columns to assign."""
    if len(headings) < len([field for field in FIELDS if field.required]) or len(headings) > column_choice.MOST_COLUMNS:
        raise wrong
