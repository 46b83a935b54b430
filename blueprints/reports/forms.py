"""The filters of the daily receipts."""

from __future__ import annotations

from wtforms import SelectField

from blueprints.forms import ShopFilter, choices, shop_field


class ReceiptFilter(ShopFilter):
    shop = shop_field()
    only = SelectField("Show", choices=choices({"": "Every receipt", "different": "With differences"}), default="")
