"""The filters of the orders list, and the settings of printed documents."""

from __future__ import annotations

from wtforms import BooleanField, FileField, SearchField, SelectField, StringField, TextAreaField

from blueprints.actors import may_see_customers
from blueprints.columns import DOWN, UP, Column
from blueprints.forms import PageForm, ShopFilter, choices, shop_field
from services.orders import held
from services.orders.queries import HELD_FOR
from services.orders.tags import list_tags
from services.orders.views import Wanted

STATES = {
    "": "All states", "open": "Open", "ready": "Ready to ship", "part_shipped": "Part shipped", "on_hold": "On hold",
    "awaiting_payment": "Awaiting payment", "shipped": "Shipped", "cancelled": "Cancelled",
    "cancel_unseen": "Cancelled, not seen", "not_sent": "Not sent to the shop yet",
    "superseded": "ID used again", "gone": "Deleted in the shop, not seen",
    "by_hand": "To do by hand in the shop", **{f"{HELD_FOR}{code}": f"On hold: {words}" for code, words in held.WORDS.items()},
}  # fmt: skip
AGES = {"": "Any age", "1": "Last day", "7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "older": "Older"}
SORTS = {
    "newest": "Newest first", "oldest": "Oldest first", "number": "Number", "highest_number": "Highest number first", "customer": "Customer",
    "customer_last": "Customer, from Z to A", "total": "Largest total", "smallest": "Smallest total",
}  # fmt: skip
COLUMNS = (
    Column("number", "Order", (("number", UP), ("highest_number", DOWN)), fixed=True), Column("shop", "Shop"),
    Column("placed", "Placed", (("newest", DOWN), ("oldest", UP))),
    Column("customer", "Customer", (("customer", UP), ("customer_last", DOWN))), Column("items", "Items"),
    Column("pieces", "Pieces", look="amount", extra=True), Column("total", "Total", (("total", DOWN), ("smallest", UP)), "amount"),
    Column("state", "State", fixed=True), Column("external_id", "ID in the shop", extra=True),
)  # fmt: skip


class OrderFilter(ShopFilter):
    """Users who may not see customers can neither search nor sort by them."""

    DEFAULTS = {"sort": "newest"}
    COLUMNS = COLUMNS

    q = SearchField("Number, customer, email, SKU or tracking")
    shop = shop_field()
    state = SelectField("State", choices=choices(STATES), default="")
    age = SelectField("Placed", choices=choices(AGES), default="")
    tag = SelectField("Tag", default="")
    sort = SelectField("Sort by", choices=choices(SORTS), default="newest")

    def process(self, *args: object, **kwargs: object) -> None:
        known = {str(tag.id): tag.name for tag in list_tags()}
        if known:
            self.tag.choices = choices({"": "All tags", **known})
        else:
            del self.tag
        self.customers = may_see_customers()
        if not self.customers:
            self.sort.choices = choices({name: label for name, label in SORTS.items() if not name.startswith("customer")})
            self.q.label.text = "Number or SKU"
        super().process(*args, **kwargs)

    def table_columns(self) -> tuple[Column, ...]:
        return tuple(column for column in COLUMNS if self.customers or column.name != "customer")

    def wanted(self) -> Wanted:
        tag = int(self.tag.data) if "tag" in self and self.tag.data else None
        return Wanted(self.integration_id, self.q.data, self.state.data, self.age.data, self.sort.data, self.customers, tag)


class SellerForm(PageForm):
    name = StringField("Name", render_kw={"autocomplete": "organization", "maxlength": 200})
    address = TextAreaField("Address", render_kw={"rows": 4})
    footer = TextAreaField("Text at the foot", render_kw={"rows": 3})
    logo = FileField("Logo", render_kw={"accept": "image/png,image/jpeg"})
    remove_logo = BooleanField("Remove the logo")

    def texts(self) -> dict[str, str]:
        return {"name": self.name.data or "", "address": self.address.data or "", "footer": self.footer.data or ""}
