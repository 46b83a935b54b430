"""Limit pages that read many rows: searches, other sort orders, pages far from the first, reports, and pages that look at all rows of a
kind (services/common/gates.py: SEARCHES). Others get 429."""

from __future__ import annotations

from flask import Flask, g, request

from blueprints.actors import current_person
from blueprints.page_requests import for_pages
from services.common import whole_numbers
from services.common.gates import SEARCHES

FIELDS = ("q", "search", "sort")
FAR = 40
"""Pages behind this one are reached by counting rows."""
REPORTS = {"reports.show_sales", "reports.show_skus"}
"""They add up orders of as much as a year. Their files have the limit of downloads."""
WHOLE = {
    "held.show_held", "listings.show_match", "stock_preview.show_preview", "run.confirm_undo", "printing.show_document",
}  # fmt: skip
"""They group, match, count or print all held orders, listings or changes that there are, which a first download makes many."""


def init_app(app: Flask) -> None:
    """Call it after blueprints/access.py."""
    app.before_request(for_pages(begin))
    app.teardown_request(end)


def begin() -> None:
    person = current_person()
    if person is not None and is_expensive():
        g.leave_search = SEARCHES.enter(person.id)


def is_expensive() -> bool:
    if request.endpoint in REPORTS | WHOLE or (whole_numbers.parse(request.args.get("page", "")) or 0) > FAR:
        return True
    return any(request.args.get(name, "").strip() for name in FIELDS)


def end(error: BaseException | None) -> None:
    leave = g.pop("leave_search", None)
    if leave is not None:
        leave()
