"""The filters of the listings page."""

from __future__ import annotations

from wtforms import Form, SearchField, SelectField

from services import integrations
from services.listing_desk import Wanted

STATES = {
    "": "Every state", "linked": "Linked", "unlinked": "Unlinked", "conflict": "Conflict", "kit": "Kits", "off": "Not pushed",
    "failed": "Refused by the shop", "drift": "Changed in the shop",
}  # fmt: skip


class ListingFilter(Form):
    """A filter that is not one of the choices counts as none."""

    q = SearchField("SKU or name")
    shop = SelectField("Shop", default="")
    state = SelectField("State", choices=list(STATES.items()), default="")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        shops = {"": "All shops", **{str(each.id): each.name for each in integrations.list_integrations()}}
        self.shop.choices = list(shops.items())
        self.q.data = (self.q.data or "").strip()[:200]
        self.shop.data = self.shop.data if self.shop.data in shops else ""
        self.state.data = self.state.data if self.state.data in STATES else ""

    def chosen(self) -> dict[str, str]:
        return {name: value for name, value in self.data.items() if value}

    def wanted(self) -> Wanted:
        return Wanted(int(self.shop.data) if self.shop.data else None, self.q.data, self.state.data)
