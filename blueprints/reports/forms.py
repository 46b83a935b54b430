"""The filters of the daily receipts."""

from __future__ import annotations

from wtforms import SelectField

from blueprints.filters import ShopFilter, choices


class ReceiptFilter(ShopFilter):
    only = SelectField("Show", choices=choices({"": "Every receipt", "different": "With differences"}), default="")
