"""The filters of the daily receipts."""

from __future__ import annotations

from wtforms import SelectField

from blueprints.forms import ShopFilter, choices, shop_field

RECEIPT_SORTS = {"": "Newest day first", "oldest": "Oldest day first", "shop": "Shop", "different": "Most differences first"}


class ReceiptFilter(ShopFilter):
    shop = shop_field()
    only = SelectField("Show", choices=choices({"": "Every receipt", "different": "With differences"}), default="")
    sort = SelectField("Sort by", choices=choices(RECEIPT_SORTS), default="")
