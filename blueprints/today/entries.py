"""What Today shows: each number with the address of its rows."""

from __future__ import annotations

from datetime import timedelta

from flask import url_for

from blueprints.today.registry import Entry, Line, add
from models.types import utcnow
from services.integrations import approvals, overview
from services.orders import export_records, export_targets, first_reading, held, list_facts
from services.orders.queries import HELD_FOR
from services.reports import reconciliation
from services.stock import views as stock
from services.stock.views import Wanted

APPROVALS = {
    "stock": ("listings in the stock update of {}", "stock_preview.show_preview"),
    "loss": ("listings missing in {}", "losses.show_loss"),
}


def register() -> None:
    """Add the entries, once."""
    orders, approvals, deliveries = "orders.list_orders", "stock_preview.show_preview", "export_deliveries.show_deliveries"
    for entry in (
        Entry("ready", "Ready to ship", _ready, "No order waits to be shipped.", 10, orders, _has_shop),
        Entry("held", "On hold", _held, "No order is on hold.", 20, orders, _has_shop),
        Entry("approvals", "Needs approval", _approvals, "Nothing waits for your approval.", 30, approvals, _has_shop),
        Entry("by_hand", "To do by hand in the shop", _by_hand, "Nothing has to be entered in a shop by hand.", 40, orders, _has_shop),
        Entry("low_stock", "Low stock", _low_stock, "Nothing is low or out of stock.", 50, "stock.list_stock", stock.has_items),
        Entry("shops", "Shops", _shops, "No shop has a problem.", 60, "integrations.list_integrations", _has_shop),
        Entry("exports", "Exports", _exports, "No export needs attention.", 65, deliveries, export_targets.has_targets),
        Entry("reconciliation", "Daily reconciliation", _reconciliation, "Yesterday has not been compared yet.", 70, "reports.show_reconciliation", _had_shop_yesterday),
    ):  # fmt: skip
        add(entry)


def _has_shop() -> bool:
    return overview.has_one_from_before(utcnow())


def _had_shop_yesterday() -> bool:
    """The first comparison is made in the night after a shop was connected."""
    return overview.has_one_from_before(utcnow() - timedelta(days=1))


def _orders(state: str, label: str, tone: str = "busy") -> list[Line]:
    number = list_facts.counts([state])[state]
    return [Line(number, label, url_for("orders.list_orders", state=state), tone)] if number else []


def _ready() -> list[Line]:
    return _orders("ready", "ready to ship") + _orders("part_shipped", "shipped in part")


def _held() -> list[Line]:
    lines = []
    for code, number in list_facts.held_causes().items():
        if code == first_reading.CODE:
            lines.append(Line(number, first_reading.TITLE, url_for("held.show_held"), "busy"))
        else:
            address = url_for("orders.list_orders", state=f"{HELD_FOR}{code}")
            lines.append(Line(number, held.WORDS.get(code, code), address, "warn"))
    return lines


def _approvals() -> list[Line]:
    found = []
    for each in approvals.waiting():
        words, endpoint = APPROVALS[each.kind]
        found.append(Line(each.count, words.format(each.name), url_for(endpoint, integration_id=each.integration_id), "warn"))
    return found


def _by_hand() -> list[Line]:
    entered = _orders("by_hand", "tracking to enter, or something else to do", "warn")
    return entered + _orders("cancel_unseen", "cancelled in the shop, not seen yet", "bad")


def _low_stock() -> list[Line]:
    low, out = stock.count_items(Wanted(low=True)), stock.count_items(Wanted(most=0))
    lines = [
        Line(low, "at or below their threshold", url_for("stock.list_stock", state="low"), "warn"),
        Line(out, "out of stock", url_for("stock.list_stock", low=0), "warn"),
    ]
    return [line for line in lines if line.count]


def _shops() -> list[Line]:
    name = overview.only_name("trouble")
    lines = [
        _integrations("trouble", f"not working: {name}" if name else "not working", "bad"),
        _integrations("refused", "with quantities that the shop refused", "warn"),
        _integrations("disabled", "disabled", "idle"),
    ]
    return [line for line in lines if line.count]


def _integrations(status: str, label: str, tone: str) -> Line:
    return Line(overview.count(status), label, url_for("integrations.list_integrations", status=status), tone)


def _exports() -> list[Line]:
    return [
        Line(1, name, url_for("export_deliveries.show_deliveries", export_id=export_id), "bad")
        for export_id, name in export_records.need_a_person(utcnow())
    ]


def _reconciliation() -> list[Line]:
    # The newest day that any shop can have been compared for: in some zones it is yesterday already, in others it is the day before.
    since = utcnow().date() - timedelta(days=1)
    compared, different = reconciliation.count_since(since)
    first = since.isoformat()
    if different:
        address = url_for("reports.show_reconciliation", only="different", since=first)
        return [Line(different, "with differences between shop and Cartlink", address, "bad")]
    return (
        [Line(compared, "compared, without a difference", url_for("reports.show_reconciliation", since=first), "idle")]
        if compared
        else []
    )
