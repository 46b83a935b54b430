"""The filters of the orders list."""

from __future__ import annotations

from wtforms import SearchField, SelectField

from blueprints.actors import may_see_customers
from blueprints.forms import ShopFilter, choices, shop_field
from services.order_desk import Wanted

STATES = {
    "": "Every state", "open": "Open", "ready": "Ready to ship", "part_shipped": "Part shipped", "on_hold": "On hold",
    "awaiting_payment": "Awaiting payment", "shipped": "Shipped", "cancelled": "Cancelled",
    "cancel_unseen": "Cancelled, not acknowledged", "untold": "Shop not told yet",
}  # fmt: skip
AGES = {"": "Any age", "1": "Last day", "7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "older": "Older"}
SORTS = {"newest": "Newest first", "oldest": "Oldest first", "number": "Number", "customer": "Customer", "total": "Largest total"}


class OrderFilter(ShopFilter):
    """Who may not see customers neither searches nor sorts by them."""

    DEFAULTS = {"sort": "newest"}

    q = SearchField("Number, customer, e-mail or SKU")
    shop = shop_field()
    state = SelectField("State", choices=choices(STATES), default="")
    age = SelectField("Placed", choices=choices(AGES), default="")
    sort = SelectField("Sort by", choices=choices(SORTS), default="newest")

    def process(self, *args: object, **kwargs: object) -> None:
        self.customers = may_see_customers()
        if not self.customers:
            self.sort.choices = choices({name: label for name, label in SORTS.items() if name != "customer"})
            self.q.label.text = "Number or SKU"
        super().process(*args, **kwargs)

    def wanted(self) -> Wanted:
        return Wanted(self.integration_id, self.q.data, self.state.data, self.age.data, self.sort.data, self.customers)
