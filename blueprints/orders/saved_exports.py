"""Saved exports as pages show them: which orders one holds, in words and as the filter of a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from werkzeug.datastructures import MultiDict

from blueprints.orders.forms import OrderFilter
from models import OrderExport
from services.orders import export_filters
from services.orders.export_files import FORMATS


@dataclass(frozen=True, slots=True)
class SavedRow:
    """``filters`` are the arguments of a list with its orders; None if it follows the list it is opened from."""

    id: int
    name: str
    by: str
    columns: int
    format: str
    words: str
    filters: dict[str, str] | None


def saved_row(row: OrderExport) -> SavedRow:
    words = "" if row.orders is None else words_of(row.orders)
    filters = None if row.orders is None else filters_of(row.orders)
    return SavedRow(row.id, row.name, row.by, len(row.columns), FORMATS[row.format].label, words, filters)


def filters_of(stored: Mapping[str, Any]) -> dict[str, str]:
    """A stored filter as the arguments of the orders list."""
    wanted = export_filters.wanted_of(stored, with_customers=True)
    values = {
        "q": wanted.search, "shop": wanted.integration_id, "state": wanted.state, "age": wanted.age, "tag": wanted.tag,
        "sort": wanted.sort if wanted.sort != OrderFilter.DEFAULTS["sort"] else "",
    }  # fmt: skip
    return {name: str(value) for name, value in values.items() if value}


def words_of(stored: Mapping[str, Any]) -> str:
    """``Outlet, Ready to ship, oldest first``."""
    form = OrderFilter(MultiDict(filters_of(stored)))
    gone = [name for name, is_gone in (
        ("a shop that was removed", stored.get("integration_id") and not form.shop.data),
        (f"tag {stored.get('tag')}, which no order has", stored.get("tag") and not ("tag" in form and form.tag.data)),
    ) if is_gone]  # fmt: skip
    order = next((str(choice.label) for choice in form.sort.choices or () if choice.value == form.sort.data), "")
    return ", ".join([*(form.in_words() or ([] if gone else ["All orders"])), *gone, order.lower()])
