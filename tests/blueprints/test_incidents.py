"""The pages of incidents, the bell, and what a person is notified of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from errors import ShopUnreachable
from extensions import db, writing
from models import Delivery, Flow, Incident, Integration, Notification, Preference, SyncRun
from models.types import utcnow
from services.events import endpoints
from services.monitoring import incidents
from services.notify import notifications, outbox
from services.notify.incident_texts import CAUSES, TOPICS
from services.sync import outcomes
from tests.blueprints.looks import assert_good_in_every_look, some_of, watch
from tests.blueprints.pages import complaints, element, elements, htmx, next_page, toasts, words
from tests.blueprints.rows import add_incident, add_integration, change_integration, read_integration
from tests.support.exports import make_export
from tests.support.signed_in import sign_in, user_called

FACTS = {
    "silence": {"gap_hours": 9.0, "usual": 4, "last": "2026-11-23T08:00:00+00:00"},
    "orders_missing": {"gap_hours": 9.0, "count": 3, "last": "2026-11-23T08:00:00+00:00"},
    "orders_held": {"count": 12}, "orders_unreadable": {"count": 1}, "orders_unidentified": {"count": 1}, "write_backs_refused": {"count": 2}, "stock_waits": {"run": 1},
}  # fmt: skip


OF_INSTALLATION = ("endpoint_paused", "low_stock", "feed_stale", "export_failing")
"""Causes that are not about one integration."""


def every_cause(integration_id: int, user_id: int) -> dict[str, int]:
    """An open incident of each cause, with a notification; answers with their ids."""
    plain = {"code": "timeout", "message": "shop.example stopped answering: nothing came for 120 seconds.", "advice": "", "failures": 31, "count": 2}  # fmt: skip
    ids = {
        cause: add_incident(integration_id, user_id, cause=cause, facts=FACTS.get(cause, plain))[0]
        for cause in CAUSES if cause not in OF_INSTALLATION
    }  # fmt: skip
    made = endpoints.create_endpoint("Warehouse", endpoints.check_address("https://example.com/"), [], "user:ann")
    paused = {
        "event_endpoint_id": made.endpoint_id,
        "facts": {"name": "Warehouse", "paused_for": "gone"},
    }
    stale = [[1, "Acme: Stock", "2026-11-23T08:00:00+00:00", "The server did not answer."]]
    others: dict[str, dict[str, Any]] = {
        "endpoint_paused": paused,
        "low_stock": {"facts": {"name": "Stock", "count": 2}},
        "feed_stale": {"facts": {"name": "Supplier feeds", "count": 1, "feeds": stale}},
        "export_failing": {"facts": {**plain, "name": "Warehouse"}, "order_export_id": make_export()},
    }
    return ids | {cause: add_incident(None, user_id, cause=cause, **values)[0] for cause, values in others.items()}


def test_each_incident_says_what_happened_what_is_done_and_what_to_do_with_a_button(app, client):
    one = add_integration("Garden shop")
    ids = every_cause(one, user_called("owner"))
    for cause, incident_id in ids.items():
        page = client.get(f"/incidents/{incident_id}").text
        assert CAUSES[cause].title in page and CAUSES[cause].can.split("‘")[0] in page
        acts = [words(item.text) for item in elements(page, "a") + elements(page, "button") if "btn-primary" in (item.get("class") or "")]  # fmt: skip
        assert len(acts) == 1, cause
    silent = client.get(f"/incidents/{ids['orders_missing']}").text
    assert "3 newer orders that did not arrive here" in silent


def test_the_incidents_of_feeds_and_exports_lead_to_what_they_are_about(app, client):
    ids = every_cause(add_integration("Garden shop"), user_called("owner"))
    export_id = make_export()
    leads = {"feed_stale": "/suppliers?state=stale", "export_failing": f"/orders/export/{export_id}/deliveries"}
    for cause, address in leads.items():
        page = client.get(f"/incidents/{ids[cause]}").text
        (act,) = [item for item in elements(page, "a") if "btn-primary" in (item.get("class") or "")]
        assert act["href"] == address and client.get(address).status_code == 200
    removed, _ = add_incident(None, cause="export_failing", facts={"name": "Gone"})
    assert "Open the exports" in words(client.get(f"/incidents/{removed}").text)


def test_a_trouble_that_waiting_does_not_end_says_what_does(app, client):
    one = add_integration("Garden shop")
    moved = {"code": "moved", "message": "The shop answers at https://new.example.", "advice": "Use https://new.example as the website end point.", "failures": 9}  # fmt: skip
    incident_id, _ = add_incident(one, facts=moved)
    page = client.get(f"/incidents/{incident_id}").text
    assert "Use https://new.example as the website end point." in words(page)
    assert "Reauthorise" in words(page) and "Try now" not in page


def test_who_may_only_look_is_offered_no_act(app):
    one = add_integration("Garden shop")
    ids = every_cause(one, user_called("owner"))
    viewer = app.test_client()
    sign_in(viewer, "vera", "viewer")
    for cause in ("outage", "orders_failing", "key_rejected"):
        page = viewer.get(f"/incidents/{ids[cause]}").text
        assert not elements(page, "form", method="post") or "Sign out" in page
        assert "Stop reminders" not in page and "Try now" not in page and ">Reauthorise" not in page


def test_the_list_shows_open_ones_first_filters_and_pages(app, client):
    one, other = add_integration("Garden shop"), add_integration("Toys", endpoint="https://toys.example")
    add_incident(one)
    add_incident(other, cause="key_rejected", facts={"message": "No."})
    with writing() as session:
        for _ in range(30):
            now = utcnow()
            session.add(Incident(integration_id=one, cause="outage", since=now, opened_at=now, resolved_at=now, resolution="evidence", facts={}, reopened=0))  # fmt: skip
    page = client.get("/incidents").text
    assert "Garden shop: The shop does not answer" in words(page) and "Toys: The shop rejects" in words(page)
    assert page.count('aria-labelledby="incident-') == 2
    assert client.get("/incidents?topic=key").text.count('aria-labelledby="incident-') == 1
    assert client.get("/incidents?integration=toys").text.count('aria-labelledby="incident-') == 1
    over = client.get("/incidents?state=over").text
    assert over.count('aria-labelledby="incident-') == 25 and "30 in all" in words(over)
    assert client.get(next_page(over)).text.count('aria-labelledby="incident-') == 5
    assert "No incident matches" in client.get("/incidents?integration=nobody").text
    assert client.get("/incidents/4711").status_code == 404


def test_reminders_of_one_incident_can_be_stopped(app, client):
    one = add_integration()
    incident_id, _ = add_incident(one)
    client.post(f"/incidents/{incident_id}/mute")
    page = client.get(f"/incidents/{incident_id}").text
    assert "Reminders are off" in page and "Stop reminders" not in page and "owner" in page


def test_the_bell_counts_and_a_notification_is_read_by_opening_it(app, client):
    owner = user_called("owner")
    one = add_integration()
    incident_id, notification_id = add_incident(one, owner)
    add_incident(one, owner, cause="stock_waits", facts={"run": 1})
    add_incident(one, user_called("somebody else"), cause="key_rejected", facts={})
    page = client.get("/incidents").text
    assert words(element(page, "span", _class="bell-count").text) == "2 unread"
    bell = client.get("/notifications/bell", headers=htmx("bell"))
    assert 'id="bell"' in bell.text and "<html" not in bell.text
    answer = client.post(f"/notifications/{notification_id}/read")
    assert (answer.status_code, answer.location) == (303, f"/incidents/{incident_id}")
    assert words(element(client.get("/incidents").text, "span", _class="bell-count").text) == "1 unread"
    client.post("/notifications/read")
    page = client.get("/notifications").text
    assert not elements(page, "span", _class="bell-count")
    assert page.count("line-row") == 2
    foreign = db.session.query(Notification).filter(Notification.user_id != owner).one().id
    assert client.post(f"/notifications/{foreign}/read").status_code == 404


def test_the_bell_leaves_out_what_is_over_and_the_list_says_that_it_is(app, client):
    """An approval that was not needed any more counted, and stood in the list as if it were new."""
    owner, one = user_called("owner"), add_integration()
    add_incident(one, owner)
    add_incident(one, owner, cause="stock_waits", facts={"run": 1}, resolved_at=utcnow(), resolution="lapsed")
    page = client.get("/notifications").text
    assert words(element(page, "span", _class="bell-count").text) == "1 unread"
    assert sorted(words(each.text) for each in elements(page, "div", _class="line-end")) == ["New", "Over"]
    assert page.count("line-row unread") == 2
    with writing() as session:
        session.execute(update(Incident).values(resolved_at=utcnow(), resolution="evidence"))
        session.execute(update(Notification).where(Notification.kind == "opened").values(kind="resolved"))
    page = client.get("/notifications").text
    assert not elements(page, "span", _class="bell-count") and "Mark all as read" in page
    client.post("/notifications/read")
    assert "Mark all as read" not in client.get("/notifications").text


def test_a_person_chooses_notifications_and_where_they_go(app, client):
    page = client.get("/account/notifications").text
    assert len([item for item in elements(page, "input", type="checkbox") if item.get("checked") is not None]) == 2 * len(TOPICS)
    assert "no mail server is set up" in page
    answer = client.post("/account/notifications", data={"email": "ann@shop.example", "mail": ["key"], "bell": ["key", "silence", "nonsense"]})  # fmt: skip
    assert answer.status_code == 303
    preferences = notifications.preferences_of(user_called("owner"))
    assert preferences.email == "ann@shop.example"
    assert (
        preferences.choices["key"] == ("bell", "mail")
        and preferences.choices["silence"] == ("bell",)
        and preferences.choices["outage"] == ()
    )
    wrong = client.post("/account/notifications", data={"email": "ann@shop.example, eve@evil.example", "mail": ["outage"]})
    assert wrong.status_code == 422 and complaints(wrong.text) == ["Enter an email address. Write it as ann@shop.example."]
    assert element(wrong.text, "input", id="mail-outage").get("checked") is not None
    assert notifications.preferences_of(user_called("owner")) == preferences


@pytest.mark.config(smtp_host="127.0.0.1", smtp_from="cartlink@shop.example")
def test_a_new_address_gets_a_first_mail(app, client):
    client.post("/account/notifications", data={"email": "ann@shop.example"})
    assert "A first email is on its way" in " ".join(toasts(client.get("/account/notifications").text))
    assert [row.address for row in db.session.query(Delivery)] == ["ann@shop.example"]


def test_a_sign_in_from_a_new_browser_is_mailed_and_a_known_one_is_not(app, config):
    from services.accounts import users

    object.__setattr__(app.config["CARTLINK"], "smtp_host", "127.0.0.1")
    ann = users.create_user("ann", "owner", "test", password="violet harbour lamps 7")
    with writing() as session:
        session.add(Preference(user_id=ann, email="ann@shop.example"))

    def come_in(browser) -> None:
        answer = browser.post("/sign-in", data={"name": "ann", "password": "violet harbour lamps 7"})
        assert answer.status_code == 303, answer.text

    first, second = app.test_client(), app.test_client()
    come_in(first)
    cookie = first.get_cookie("cartlink-browser")
    assert cookie is not None and cookie.http_only and cookie.same_site == "Lax"
    first.post("/sign-out")
    come_in(first)
    assert db.session.query(Delivery).count() == 0
    come_in(second)
    (mail,) = db.session.query(Delivery)
    assert mail.about == "security" and mail.content["subject"] == "A new browser has signed in"


def test_the_settings_of_notifications_show_the_mail_server_and_lead_to_event_endpoints(app, client):
    page = client.get("/settings/notifications").text
    assert "No mail server is set up." in page and 'href="/settings/event-endpoints"' in page


def test_health_is_shown_in_four_parts_and_on_the_list_without_a_query_a_row(app, client):
    one = add_integration("Garden shop", orders_due_at=utcnow() + timedelta(minutes=5))
    outcomes.record_success(one, "orders", answered=True)
    with writing() as session:
        encrypted = session.get_one(Integration, one).key_encrypted
    outcomes.record_failure(one, "stock", ShopUnreachable("shop.example refuses connections on port 443."), encrypted)
    page = client.get(f"/settings/sales-channels/{one}").text
    rows = {words(item.text) for item in elements(page, "th", scope="row")}
    assert {"Connection", "Orders", "Stock", "Shipment updates"} <= rows
    assert "refuses connections" in page and "Failing" in page
    assert db.session.query(Flow).where(Flow.succeeded_at.is_not(None) | Flow.failed_at.is_not(None)).count() == 3
    listed = words(client.get("/settings/sales-channels").text)
    assert "refuses connections" in listed


def test_a_paused_integration_is_called_so_and_resumed_by_a_button(app, client):
    one = add_integration("Garden shop")
    incident_id, _ = add_incident(one, facts={"message": "No answer.", "failures": 60, "paused": True})
    change_integration(one, paused_at=utcnow(), failing="connection")
    assert "Paused" in client.get("/settings/sales-channels").text
    assert "1 incident" in words(client.get("/settings/sales-channels").text)
    page = client.get(f"/incidents/{incident_id}").text
    assert "It is paused." in page
    button = next(item for item in elements(page, "button") if words(item.text) == "Resume")
    action = next(parent["action"] for parent in reversed(button.parents) if parent.tag == "form")
    assert client.post(action, data={"enabled": "yes"}).status_code == 303
    assert read_integration(one).paused_at is None and read_integration(one).enabled


def a_lived_in_place(one: int) -> dict[str, int]:
    owner = user_called("owner")
    ids = every_cause(one, owner)
    notifications.read_notification(owner, db.session.query(Notification).first().id)
    change_integration(one, paused_at=utcnow(), failing="connection orders", orders_done_at=utcnow() - timedelta(days=4))
    with writing() as session:
        connection = session.get_one(Integration, one).flows["connection"]
        connection.succeeded_at, connection.failing_since = utcnow() - timedelta(days=4), utcnow() - timedelta(days=3)
        connection.failures, connection.error_code = 60, "timeout"
        connection.error = "shop.example stopped answering: nothing came for 120 seconds."
        session.add(Preference(user_id=owner, email="ann@shop.example"))
        for state, error in (("done", ""), ("failed", "mail.example does not take mail for this address: 550 no such mailbox")):
            session.add(Delivery(key=state, user_id=owner, events=[1], state=state, error=error, tries=2))
        session.add(SyncRun(integration_id=one, kind="orders", actor="schedule", counts={}, warnings=[], state="finished", outcome="failed", error="x"))  # fmt: skip
    incidents.resolve(one, ("orders_held",))
    incidents.mute(ids["stock_waits"], "user:ann")
    return ids


def test_every_page_is_accessible_in_every_look(app, page: Page):
    wrong = watch(page)
    one = add_integration("Garden shop with a rather long name")
    ids = a_lived_in_place(one)
    places = (
        "/settings/notifications",
        "/incidents",
        f"/incidents/{ids['outage']}",
        f"/incidents/{ids['orders_held']}",
        f"/incidents/{ids['endpoint_paused']}",
        "/notifications",
        "/account/notifications",
    )
    for place in some_of((*places, f"/settings/sales-channels/{one}")):
        page.goto(place)
        assert_good_in_every_look(page)
    assert wrong == []


def test_the_bell_rings_while_a_page_stays_open(app, page: Page):
    page.clock.install()
    page.goto("/incidents")
    expect(page.locator("#bell .bell-count")).to_have_count(0)
    add_incident(add_integration(), user_called("owner"))
    page.clock.run_for(61_000)
    expect(page.locator("#bell .bell-count")).to_have_text("1 unread")
    page.locator("#bell").click()
    page.get_by_role("button", name="Garden shop: The shop does not answer as it should").click()
    expect(page.get_by_role("heading", name="The shop does not answer as it should")).to_be_visible()
    expect(page.locator("#bell .bell-count")).to_have_count(0)


def test_what_was_sent_last_is_shown_with_what_became_of_it(app, client):
    one = add_integration()
    a_lived_in_place(one)
    page = words(client.get("/account/notifications").text)
    assert "550 no such mailbox" in page and "Failed" in page
    assert len(outbox.last_of_user(user_called("owner"))) == 2
