"""The filters of the stock list."""

from __future__ import annotations

from wtforms import SearchField, SelectField, StringField

from blueprints.forms import ListFilter, choices
from services.common import whole_numbers

SORTS = {
    "": "SKU", "name": "Name", "scarce": "Least available first", "most": "Most available first", "reserved": "Most reserved first",
    "moved": "Last changed first",
}  # fmt: skip


class StockFilter(ListFilter):
    q = SearchField("SKU or name")
    low = StringField("Maximum available", render_kw={"inputmode": "numeric"})
    sort = SelectField("Sort by", choices=choices(SORTS), default="")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        if self.low.data and whole_numbers.parse(self.low.data) is None:
            self.low.data = ""

    @property
    def most(self) -> int | None:
        """The maximum available; None for any number."""
        return whole_numbers.parse(self.low.data) if self.low.data else None
