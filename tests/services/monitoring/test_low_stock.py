"""Low stock: people are notified once for each fall, and the incident says what is low now."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from errors import InvalidInput
from extensions import db
from models import Incident, IncidentEvent, Notification, StockItem
from services.monitoring import incident_list
from services.monitoring.low_stock import review
from services.notify import incident_texts, notifications
from services.stock import items, low_stock, views
from services.stock.views import Wanted
from tests.blueprints.pages import element, words
from tests.support.rows import make_item
from tests.support.signed_in import user_called


@pytest.fixture
def ann(app) -> int:
    return user_called("Ann")


def low() -> list[str]:
    db.session.rollback()
    return [row.sku for row in views.list_page(Wanted(low=True)).rows]


def events() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(IncidentEvent.kind).order_by(IncidentEvent.id)))


def item_id(sku: str) -> int:
    db.session.rollback()
    return db.session.scalars(select(StockItem.id).where(StockItem.sku == sku)).one()


def test_nothing_is_low_without_a_threshold(ann):
    make_item("CUP", 0)
    assert review() == 0 and low() == [] and not events()


def test_a_notification_says_that_more_items_are_low(client):
    make_item("CUP", 1)
    low_stock.set_default(3, "user:ann")
    review()
    make_item("PLATE", 1)
    review()
    said = words(element(client.get("/notifications").text, "ul", _class="rows sheet").text)
    assert said == "Stock: More items have fallen to their threshold (unread) just now New"
    course = words(element(client.get(f"/incidents/{db.session.scalar(select(Incident.id))}").text, "ol").text)
    assert "Detected" in course and "More items have fallen to their threshold" in course
    said = [incident_texts.subject("more", cause, "Shop") for cause in ("low_stock", "feed_stale", "key_rejected")]
    assert said[:2] == ["Shop: More items have fallen to their threshold", "Shop: Another supplier’s feed brings nothing new"]
    assert said[2] == incident_texts.subject("opened", "key_rejected", "Shop")


def test_one_is_notified_once_for_each_fall(ann):
    make_item("CUP", 9)
    make_item("PLATE", 9)
    low_stock.set_default(3, "user:ann")
    assert review() == 0
    items.set_stock("CUP", 3, "user:ann")
    assert review() == 1
    items.set_stock("CUP", 2, "user:ann")
    assert review() == 0, "it is low already"
    assert (low(), events(), notifications.count_unread(ann)) == (["CUP"], ["opened"], 1)
    notifications.read_all(ann)
    items.set_stock("PLATE", 0, "user:ann")
    assert review() == 1
    assert (events(), notifications.count_unread(ann)) == (["opened", "more"], 1)
    incident = incident_list.get_incident(db.session.scalar(select(Incident.id))).row
    assert incident.happened == ["2 stock items are low: PLATE (0 available, threshold 3), CUP (2 available, threshold 3)."]
    items.set_stock("CUP", 4, "user:ann")
    assert review() == 0 and low() == ["PLATE"]
    items.set_stock("CUP", 1, "user:ann")
    assert review() == 1 and events() == ["opened", "more", "more"]
    items.set_stock("CUP", 8, "user:ann")
    items.set_stock("PLATE", 8, "user:ann")
    review()
    assert (low(), events()[-1], notifications.count_unread(ann)) == ([], "resolved", 0)
    items.set_stock("CUP", 0, "user:ann")
    review()
    assert events()[-1] == "opened" and len(db.session.scalars(select(Notification)).all()) == 2


def test_an_item_has_its_own_threshold_or_the_default(ann):
    make_item("CUP", 5)
    make_item("PLATE", 5)
    low_stock.set_threshold(item_id("CUP"), 5, "user:ann")
    assert review() == 1 and low() == ["CUP"]
    low_stock.set_default(7, "user:ann")
    assert review() == 1 and low() == ["CUP", "PLATE"]
    low_stock.set_threshold(item_id("PLATE"), 0, "user:ann")
    review()
    assert low() == ["CUP"]
    low_stock.set_threshold(item_id("CUP"), None, "user:ann")
    low_stock.set_default(None, "user:ann")
    review()
    assert low() == []
    with pytest.raises(InvalidInput):
        low_stock.set_default(-1, "user:ann")


def test_reserved_units_and_the_buffer_count(ann):
    make_item("CUP", 9, reserved=4)
    low_stock.set_default(3, "user:ann")
    assert review() == 0
    views.change_item(item_id("CUP"), on_hand=9, buffer=2, was=9, actor="user:ann")
    assert review() == 1


def test_who_left_the_topic_out_is_not_notified(ann):
    notifications.change_preferences(ann, "", {})
    make_item("CUP", 1)
    low_stock.set_default(3, "user:ann")
    assert review() == 1 and notifications.count_unread(ann) == 0
