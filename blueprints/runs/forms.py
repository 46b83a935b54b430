"""The filters of the activity page."""

from __future__ import annotations

from wtforms import SearchField, SelectField

from blueprints.columns import DOWN, UP, Column
from blueprints.forms import ListFilter, choices
from blueprints.labels import OUTCOMES, RUN_KINDS

KINDS = {"": "All types", **RUN_KINDS}
RESULTS = {"": "All results", "live": "Running", **{code: words for code, (words, _) in OUTCOMES.items()}}

RUN_SORTS = {
    "": "Newest first", "oldest": "Oldest first", "started": "Last started first", "longest": "Longest first",
    "integration": "Shop", "kind": "Type", "outcome": "Result",
}  # fmt: skip
COLUMNS = (
    Column("kind", "Type", (("kind", UP),), fixed=True), Column("shop", "Shop", (("integration", UP),)),
    Column("started", "Started", (("", DOWN), ("oldest", UP))), Column("by", "By"), Column("took", "Took", (("longest", DOWN),), "amount"),
    Column("requests", "Requests", look="amount"), Column("counts", "What it did", fixed=True),
    Column("outcome", "Result", (("outcome", UP),), fixed=True),
)  # fmt: skip


class RunFilter(ListFilter):
    COLUMNS = COLUMNS

    integration = SearchField("Shop")
    kind = SelectField("Type", choices=choices(KINDS), default="")
    outcome = SelectField("Result", choices=choices(RESULTS), default="")
    sort = SelectField("Sort by", choices=choices(RUN_SORTS), default="")
