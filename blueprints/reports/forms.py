"""The filters of the daily receipts, and what the reports can be sorted by."""

from __future__ import annotations

from wtforms import SelectField

from blueprints.forms import ShopFilter, choices, shop_field

DAY_SORTS = {
    "": "Newest day first",
    "oldest": "Oldest day first",
    "shop": "Shop",
    "pieces": "Most pieces first",
    "total": "Largest total",
}
SKU_SORTS = {"": "Most pieces first", "least": "Fewest pieces first", "sku": "SKU", "total": "Largest total"}
RECEIPT_SORTS = {"": "Newest day first", "oldest": "Oldest day first", "shop": "Shop", "different": "Most differences first"}


class ReceiptFilter(ShopFilter):
    shop = shop_field()
    only = SelectField("Show", choices=choices({"": "Every receipt", "different": "With differences"}), default="")
    sort = SelectField("Sort by", choices=choices(RECEIPT_SORTS), default="")
