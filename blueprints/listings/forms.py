"""The filters of the lists of listings and of drift."""

from __future__ import annotations

from wtforms import SearchField, SelectField

from blueprints.columns import DOWN, UP, Column
from blueprints.forms import ShopFilter, choices, shop_field
from services.listings.views import Wanted

STATES = {
    "": "All states", "linked": "Linked", "unlinked": "Unlinked", "conflict": "Conflict",
    "renamed": "Renamed in the shop", "kit": "Kits", "off": "Not pushed",
    "failed": "Not stored, for any reason", "waiting": "Waiting to be sent again", "other_value": "Stored another value",
    "missing": "Not listed by the shop", "refused": "Refused by the shop", "drift": "Changed in the shop",
}  # fmt: skip
SORTS = {
    "": "Shop and SKU", "sku": "SKU", "sku_last": "SKU, from Z to A", "name": "Name", "name_last": "Name, from Z to A",
    "least": "Least in the shop first", "most": "Most in the shop first",
}  # fmt: skip
COLUMNS = (
    Column("sku", "Listing", (("sku", UP), ("sku_last", DOWN)), fixed=True), Column("name", "Name", (("name", UP), ("name_last", DOWN))),
    Column("shop", "Shop", (("", UP),)), Column("links", "Takes from"),
    Column("quantity", "In the shop", (("least", UP), ("most", DOWN)), "amount"), Column("offers", "Offers", look="amount"),
    Column("state", "State", fixed=True), Column("seen", "Last read", extra=True),
)  # fmt: skip

DRIFT_SORTS = {
    "": "Newest first", "oldest": "Oldest first", "sku": "SKU", "expected": "Most expected first", "found": "Most found first",
}  # fmt: skip


class ListingFilter(ShopFilter):
    COLUMNS = COLUMNS

    q = SearchField("SKU or name")
    shop = shop_field()
    state = SelectField("State", choices=choices(STATES), default="")
    sort = SelectField("Sort by", choices=choices(SORTS), default="")

    def wanted(self) -> Wanted:
        return Wanted(self.integration_id, self.q.data, self.state.data, self.sort.data or "shop")


class DriftFilter(ShopFilter):
    shop = shop_field()
    all = SelectField("Show", choices=choices({"": "Open", "1": "All"}), default="")
    sort = SelectField("Sort by", choices=choices(DRIFT_SORTS), default="")
