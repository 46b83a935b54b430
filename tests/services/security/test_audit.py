"""The audit trail: what it records, what it never records, and what becomes of it when a customer is erased."""

from __future__ import annotations

import pytest

from extensions import acting, writing
from services.accounts import users
from services.operations import privacy
from services.security import audit, trail
from services.security.audit import CHANGED, About, record_change
from services.security.trail import Reader, Wanted
from services.shipping import shipments, voiding
from services.stock import items
from tests.support.rows import make_integration, make_item, make_order

pytestmark = pytest.mark.usefixtures("app")
TRIED = audit.kind("test.tried", "Tried")


def entries(**wanted) -> list[trail.Entry]:
    return [entry for batch in trail.iter_entries(Wanted(**wanted)) for entry in batch]


def test_only_what_changed_is_recorded_and_nothing_if_nothing_did():
    with acting("user:ann", "page"), writing():
        record_change(TRIED, About(1, "One"), {"name": ("a", "b"), "size": (1, 1), "key": CHANGED})
        record_change(TRIED, About(1, "One"), {"size": (1, 1)})
        record_change(TRIED, About(2, "Two"))
    first, second = entries(object="test", sort="oldest")
    assert (first.actor, first.cause, first.what, first.changes) == (
        "user:ann", "page", "Tried", [("Name", "a", "b"), ("Key", "–", "changed")],
    )  # fmt: skip
    assert (second.subject, second.changes) == ("Two", [])


def test_what_workers_do_by_themselves_is_not_copied():
    for actor in ("schedule", "run:7"):
        with acting(actor, "run"), writing():
            record_change(TRIED, About(1, "One"))
    with acting("run:7", "run"), writing():
        record_change(TRIED, About(1, "One"), actor="user:ann")
    assert [entry.actor for entry in entries(object="test")] == ["user:ann"]


def test_a_kind_is_registered_once():
    with pytest.raises(ValueError, match="twice"):
        audit.kind("test.tried", "Again")


def test_the_command_line_is_one_filter_for_all_who_use_it():
    for actor in ("cli:ann", "cli:root", "user:ann", "api:clinic"):
        with writing():
            record_change(TRIED, About(1, "One"), actor=actor)
    assert {entry.actor for entry in entries(actor="cli", object="test")} == {"cli:ann", "cli:root"}
    assert {entry.actor for entry in entries(actor="api:clinic", object="test")} == {"api:clinic"}


def test_those_who_are_no_owners_see_their_own_sign_in_data_only():
    users.create_user("Bea", "viewer", "user:ann")
    bea = Reader("user:bea", owner=False)
    assert entries(reader=bea, object="user") == []
    with writing():
        record_change(users.PASSWORD_CHANGED, About(1, "Bea"), {"password": CHANGED}, "user:bea")
    assert [entry.kind for entry in entries(reader=bea, object="user")] == ["user.password_changed"]


def test_an_erased_customer_leaves_no_tracking_number_in_the_trail():
    make_item("CUP", 5)
    order = make_order(make_integration(), "1001", [(items.find_stock_item("CUP"), 1)])
    shipped = shipments.ship(order.id, "user:ann", carrier="DHL", tracking_number="PLANTED-1")
    voiding.edit_tracking(shipped.shipment_id, "user:ann", carrier="DHL", tracking_number="PLANTED-2")
    found = entries(object="order", object_id=order.id)
    assert ("Tracking number", "PLANTED-1", "PLANTED-2") in found[0].changes
    hidden = entries(reader=Reader(customers=False), object="order", object_id=order.id)
    assert "PLANTED" not in str(hidden)
    privacy.erase_order(order.id)
    left = entries(object="order", object_id=order.id)
    assert left[0].kind == "order.erased"
    assert "PLANTED" not in str(left) and ("Carrier", "–", "DHL") in left[-1].changes
