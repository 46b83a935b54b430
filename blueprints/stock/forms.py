"""The filters of the stock list."""

from __future__ import annotations

from typing import TypedDict

from flask import request
from wtforms import SearchField, SelectField, StringField
from wtforms.widgets import NumberInput

from blueprints.columns import DOWN, UP, Column
from blueprints.forms import ListFilter, choices
from services.common import whole_numbers
from services.stock.views import Wanted

SORTS = {
    "": "SKU", "sku_last": "SKU, from Z to A", "name": "Name", "name_last": "Name, from Z to A",
    "scarce": "Least available first", "most": "Most available first", "reserved": "Most reserved first",
    "moved": "Last changed first",
}  # fmt: skip
COLUMNS = (
    Column("sku", "SKU", (("", UP), ("sku_last", DOWN)), fixed=True), Column("name", "Name", (("name", UP), ("name_last", DOWN))),
    Column("on_hand", "On hand and buffer", fixed=True), Column("reserved", "Reserved", (("reserved", DOWN),), "amount"),
    Column("available", "Available", (("scarce", UP), ("most", DOWN)), "amount"), Column("shops", "In the shops"),
)  # fmt: skip


class NewItem(TypedDict):
    sku: str
    on_hand: int
    name: str
    buffer: int


def typed_item() -> NewItem:
    """What was sent of a new stock item. Raises InvalidInput for a quantity that is none."""
    given = request.form
    on_hand = whole_numbers.read(given.get("on_hand", ""), "on_hand")
    buffer = whole_numbers.read(given.get("buffer", "0") or "0", "buffer")
    return {"sku": given.get("sku", ""), "on_hand": on_hand, "name": given.get("name", ""), "buffer": buffer}


class StockFilter(ListFilter):
    COLUMNS = COLUMNS

    q = SearchField("SKU or name")
    state = SelectField("Stock", choices=choices({"": "All items", "low": "Low stock", "fed": "From suppliers"}), default="")
    low = StringField("Maximum available", widget=NumberInput(min=0), render_kw={"inputmode": "numeric"})
    sort = SelectField("Sort by", choices=choices(SORTS), default="")

    def wanted(self) -> Wanted:
        most = whole_numbers.parse(self.low.data) if self.low.data else None
        return Wanted(self.q.data, most, self.state.data == "low", self.sort.data, self.state.data == "fed")
