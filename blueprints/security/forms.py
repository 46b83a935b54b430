"""The filters of the audit trail."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from wtforms import SearchField, SelectField, StringField
from wtforms.widgets import DateInput

from blueprints.formats import reader_zone
from blueprints.forms import ShopFilter, choices, shop_field
from blueprints.unreadable import day
from services.security import trail
from services.security.trail import Reader, Wanted

SORTS = {"": "Newest first", "oldest": "Oldest first"}


class ChangeFilter(ShopFilter):
    """``since`` and ``until`` are days of the reader, both included."""

    q = SearchField("Name, number or SKU")
    who = SelectField("Who", default="")
    of = SelectField("What", default="")
    shop = shop_field()
    since = StringField("From", widget=DateInput())
    until = StringField("To", widget=DateInput())
    sort = SelectField("Sort by", choices=choices(SORTS), default="")

    def process(self, *args: object, **kwargs: object) -> None:
        self.who.choices = choices({"": "Anyone", **trail.actors()})
        self.of.choices = choices({"": "Anything", **trail.objects()})
        super().process(*args, **kwargs)

    @property
    def turned_round(self) -> bool:
        """Whether the last day is before the first: no change can match."""
        first, last = day(self.since.data), day(self.until.data)
        return bool(first and last and last < first)

    def wanted(self, reader: Reader, object_id: int | None) -> Wanted:
        """What the list is filtered by. ``object_id`` counts where the kind of the object is chosen."""
        until = day(self.until.data)
        return Wanted(
            reader, self.who.data, self.of.data, object_id if self.of.data else None, self.integration_id, self.q.data,
            _start_of(day(self.since.data)), _start_of(until + timedelta(days=1) if until else None), self.sort.data,
        )  # fmt: skip


def _start_of(first: date | None) -> datetime | None:
    return datetime.combine(first, time(), reader_zone()) if first else None
