"""The columns of files of tracking numbers that a person assigns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.common import csv_files
from services.presets import columns as column_choice
from services.presets.columns import Field
from services.shipping import shipments, tracking_numbers

KIND = "shipments"
FIELDS = (
    Field(
        "number", "Order number",
        ("number", "order number", "order no", "order", "order id", "reference", "customer reference", "bestellnummer", "auftragsnummer", "referenz"),
        required=True,
    ),
    Field(
        "tracking", "Tracking number",
        ("tracking number", "tracking no", "tracking", "parcel number", "consignment number", "barcode", "sendungsnummer", "paketnummer",
         "paketscheinnummer"),
        required=True,
    ),
    Field("carrier", "Carrier", ("carrier", "courier", "shipping carrier", "service", "versanddienst", "paketdienst")),
    Field("shop", "Shop", ("integration", "shop", "channel", "store")),
    Field("id", "Shop's order id", ("shop order id", "external id")),
)  # fmt: skip


def columns_of(headings: Sequence[str], columns: Mapping[str, str]) -> csv_files.Assigned:
    """As csv_files.read takes them. Raises InvalidInput."""
    return csv_files.Assigned(column_choice.places(headings, columns, FIELDS))


def check_preset(headings: Sequence[str], columns: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as they are kept: the ``carrier`` of rows that name none. Raises InvalidInput."""
    columns_of(headings, columns)
    return {"carrier": shipments.clean_carrier(str(options.get("carrier") or ""))}


def sample(
    headings: Sequence[str], rows: Sequence[Sequence[str]], columns: Mapping[str, str], options: Mapping[str, Any]
) -> list[dict[str, str]]:  # fmt: skip
    """What would be read of some rows: a dict by field with ``problem``. Raises InvalidInput."""
    found = columns_of(headings, columns).places
    shown = []
    for row in rows:
        cells = {name: row[place] for name, place in found.items()}
        if "carrier" in found or options.get("carrier"):
            cells["carrier"] = cells.get("carrier") or str(options.get("carrier") or "")
        wrong = tracking_numbers.trouble(cells["tracking"], in_file=True)
        shown.append({**cells, "problem": " ".join(wrong) if wrong else "" if cells["number"] else "No order number."})
    return shown


def suggest(headings: Sequence[str]) -> dict[str, str]:
    """The columns that fit best, by field."""
    return column_choice.suggest(headings, FIELDS)
