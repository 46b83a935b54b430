"""The filters of the list of incidents."""

from __future__ import annotations

from wtforms import SearchField, SelectField

from blueprints.forms import ListFilter, choices

STATES = {"open": "Open", "over": "Resolved", "all": "All"}
KINDS = {
    "": "All types", "key": "API key", "outage": "Outage", "flows": "Failing syncs", "waiting": "Needs you",
    "silence": "No orders",
}  # fmt: skip

SORTS = {"": "Open first", "newest": "Newest first", "oldest": "Oldest first", "integration": "Shop"}


class IncidentFilter(ListFilter):
    DEFAULTS = {"state": "open"}

    integration = SearchField("Shop")
    state = SelectField("Show", choices=choices(STATES), default="open")
    topic = SelectField("Type", choices=choices(KINDS), default="")
    sort = SelectField("Sort by", choices=choices(SORTS), default="")
