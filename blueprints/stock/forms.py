"""The filters of the stock list."""

from __future__ import annotations

from wtforms import SearchField, SelectField, StringField

from blueprints.forms import ListFilter, choices

SORTS = {
    "": "SKU", "name": "Name", "scarce": "Scarcest first", "most": "Most available first", "reserved": "Most reserved first",
    "moved": "Last moved first",
}  # fmt: skip
MOST = 1_000_000


class StockFilter(ListFilter):
    q = SearchField("SKU or name")
    low = StringField("At most available", render_kw={"inputmode": "numeric"})
    sort = SelectField("Sort by", choices=choices(SORTS), default="")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        if self.low.data and not (self.low.data.isascii() and self.low.data.isdigit() and len(self.low.data) < 8):
            self.low.data = ""

    @property
    def most(self) -> int | None:
        """So many may be available at most; None for any number."""
        return min(int(self.low.data), MOST) if self.low.data else None
