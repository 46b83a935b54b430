"""The filters of the orders list."""

from __future__ import annotations

from wtforms import Form, SearchField, SelectField

from blueprints.actors import may_see_customers
from services import integrations
from services.order_desk import Wanted

STATES = {
    "": "Every state", "open": "Open", "ready": "Ready to ship", "part_shipped": "Part shipped", "on_hold": "On hold",
    "awaiting_payment": "Awaiting payment", "shipped": "Shipped", "cancelled": "Cancelled",
    "cancel_unseen": "Cancelled, not acknowledged", "untold": "Shop not told yet",
}  # fmt: skip
AGES = {"": "Any age", "1": "Last day", "7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "older": "Older"}
SORTS = {"newest": "Newest first", "oldest": "Oldest first", "number": "Number", "customer": "Customer", "total": "Largest total"}


class OrderFilter(Form):
    """A filter that is not one of the choices counts as none. Who may not see customers neither searches nor sorts by them."""

    q = SearchField("Number, customer, e-mail or SKU")
    shop = SelectField("Shop", default="")
    state = SelectField("State", choices=list(STATES.items()), default="")
    age = SelectField("Placed", choices=list(AGES.items()), default="")
    sort = SelectField("Sort by", choices=list(SORTS.items()), default="newest")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        self.customers = may_see_customers()
        sorts = {name: label for name, label in SORTS.items() if name != "customer" or self.customers}
        self.sort.choices = list(sorts.items())
        if not self.customers:
            self.q.label.text = "Number or SKU"
        shops = {"": "All shops", **{str(each.id): each.name for each in integrations.list_integrations()}}
        self.shop.choices = list(shops.items())
        self.q.data = (self.q.data or "").strip()[:200]
        for field, known, default in (
            (self.shop, shops, ""), (self.state, STATES, ""), (self.age, AGES, ""), (self.sort, sorts, "newest"),
        ):  # fmt: skip
            field.data = field.data if field.data in known else default

    def chosen(self) -> dict[str, str]:
        """What is set, as arguments of the page's URL."""
        return {name: value for name, value in self.data.items() if value and (name, value) != ("sort", "newest")}

    def wanted(self) -> Wanted:
        return Wanted(
            int(self.shop.data) if self.shop.data else None, self.q.data, self.state.data, self.age.data, self.sort.data,
            self.customers,
        )  # fmt: skip
