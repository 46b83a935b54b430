"""The filters of the activity page."""

from __future__ import annotations

from wtforms import Form, SearchField, SelectField

from blueprints.forms import ShopFilter, choices, shop_field
from blueprints.words import OUTCOMES, RUN_KINDS

KINDS = {"": "Every kind", **RUN_KINDS}
RESULTS = {"": "Every outcome", "live": "Under way", **{code: words for code, (words, _) in OUTCOMES.items()}}

RUN_SORTS = {
    "": "Newest first", "oldest": "Oldest first", "started": "Last started first", "longest": "Longest first",
    "integration": "Integration", "kind": "Kind", "outcome": "Outcome",
}  # fmt: skip
CHANGE_SORTS = {"": "Newest first", "oldest": "Oldest first", "who": "Who", "what": "Setting"}


class RunFilter(Form):
    """A filter that is not one of the choices counts as none."""

    integration = SearchField("Integration")
    kind = SelectField("Kind", choices=choices(KINDS), default="")
    outcome = SelectField("Outcome", choices=choices(RESULTS), default="")
    sort = SelectField("Sort by", choices=choices(RUN_SORTS), default="")

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        self.integration.data = (self.integration.data or "").strip()[:100]
        self.kind.data = self.kind.data if self.kind.data in KINDS else ""
        self.outcome.data = self.outcome.data if self.outcome.data in RESULTS else ""
        self.sort.data = self.sort.data if self.sort.data in RUN_SORTS else ""

    def chosen(self) -> dict[str, str]:
        """What is set, as arguments of the page's URL."""
        return {name: value for name, value in self.data.items() if value}


class ChangeFilter(ShopFilter):
    """The filters of the audit trail."""

    q = SearchField("Setting or who")
    shop = shop_field()
    sort = SelectField("Sort by", choices=choices(CHANGE_SORTS), default="")
