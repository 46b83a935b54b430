"""The filters of the audit trail."""

from __future__ import annotations

from wtforms import SearchField, SelectField

from blueprints.forms import ShopFilter, choices, shop_field

SORTS = {"": "Newest first", "oldest": "Oldest first", "who": "Who", "what": "Setting"}


class ChangeFilter(ShopFilter):
    q = SearchField("Setting or who")
    shop = shop_field()
    sort = SelectField("Sort by", choices=choices(SORTS), default="")
