"""The filters and sort orders of the reports."""

from __future__ import annotations

from datetime import date, tzinfo
from typing import Any

from wtforms import Field, SelectField, StringField
from wtforms.widgets import DateInput

from blueprints import unreadable
from blueprints.forms import ListFilter, ShopFilter, choices, shop_field
from blueprints.unreadable import day
from errors import InvalidInput
from services.reports import sales
from services.reports.periods import Period, between, last_days

OTHER = "custom"

DAY_SORTS = {
    "": "Newest day first",
    "oldest": "Oldest day first",
    "shop": "Shop",
    "pieces": "Most pieces first",
    "total": "Largest total",
}
SKU_SORTS = {"": "Most pieces first", "least": "Fewest pieces first", "sku": "SKU", "total": "Largest total"}
RECONCILIATION_SORTS = {
    "": "Newest day first",
    "oldest": "Oldest day first",
    "shop": "Shop",
    "different": "Most differences first",
}


class SalesFilter(ListFilter):
    """The filters of the sales reports: their shops are all that have orders, also removed ones. ``SORTS`` are a report's own."""

    DEFAULTS = {"days": "30"}
    SORTS: dict[str, str] = {}

    days = SelectField(
        "Period", choices=choices({**{days: f"Last {days} days" for days in sales.PERIODS}, OTHER: "Other days"}), default="30"
    )
    first = StringField("From", widget=DateInput())
    last = StringField("To", widget=DateInput())
    shop = shop_field()
    sort = SelectField("Sort by", default="")

    def process(self, *args: object, **kwargs: object) -> None:
        self.shop.choices = choices({"": "All shops", **{str(shop_id): name for shop_id, name in sales.shops().items()}})
        self.sort.choices = choices(self.SORTS)
        super().process(*args, **kwargs)

    @property
    def shop_id(self) -> int | None:
        return int(self.shop.data) if self.shop.data else None

    def period(self, reader: tzinfo) -> Period:
        """The chosen days, which then stand in the fields. If they cannot be used, the last 30, and the page says why."""
        zone = sales.zone_of_days(self.shop_id, reader)
        if self.days.data != OTHER or not (self.first.data or self.last.data):
            period = last_days(sales.PERIODS.get(self.days.data, sales.PERIODS[self.DEFAULTS["days"]]), zone)
            self.first.data, self.last.data = period.first.isoformat(), period.last.isoformat()
            return period
        try:
            return between(self.first.data, self.last.data, zone)
        except InvalidInput as error:
            unreadable.note(error.sentence())
            return last_days(sales.PERIODS[self.DEFAULTS["days"]], zone)

    def complaint_of(self, field: Field, typed: str) -> str:
        """The days are checked where the period is made of them."""
        return "" if field.name in ("first", "last") else super().complaint_of(field, typed)

    def chosen(self) -> dict[str, Any]:
        """Without days that do not count."""
        return {
            name: value for name, value in super().chosen().items() if self.days.data == OTHER or name not in ("first", "last")
        }


class DayFilter(SalesFilter):
    SORTS = DAY_SORTS


class SkuFilter(SalesFilter):
    SORTS = SKU_SORTS


class ReconciliationFilter(ShopFilter):
    shop = shop_field()
    only = SelectField("Show", choices=choices({"": "All days", "different": "With differences"}), default="")
    since = StringField("From", widget=DateInput())
    sort = SelectField("Sort by", choices=choices(RECONCILIATION_SORTS), default="")

    @property
    def first(self) -> date | None:
        """The first day that is shown; None for all."""
        return day(self.since.data)
