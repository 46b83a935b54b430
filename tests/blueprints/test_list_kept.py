"""Everything on an order's page keeps the list that the order was opened from."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from flask import url_for
from sqlalchemy import update

from extensions import writing
from models import Flow, FlowKind, Order, WriteBack
from models.types import utcnow
from services.shipping import shipments
from tests.blueprints.desks import orders, work_off
from tests.blueprints.pages import elements, htmx

KEPT = {"list": ["q=CUP&state=ready"]}
QUERY = "list=q%3DCUP%26state%3Dready"

pytestmark = pytest.mark.usefixtures("desk")


def opened(client, order_id: int) -> str:
    page = client.get(f"/orders/{order_id}?{QUERY}")
    assert page.status_code == 200
    return page.text


def check(page: str, order_id: int) -> list[str]:
    """The page leads back to the list, and each form and link of the order keeps it; the forms' addresses."""
    crumb = next(each for each in elements(page, "a") if each.text == "Orders" and "q=CUP" in (each["href"] or ""))
    assert parse_qs(urlsplit(crumb["href"]).query) == {"state": ["ready"], "q": ["CUP"]}
    addresses = [each.get("action") or "" for each in elements(page, "form")]
    for address in (*addresses, *((each.get("href") or "") for each in elements(page, "a"))):
        if urlsplit(address).path.startswith(f"/orders/{order_id}"):
            assert parse_qs(urlsplit(address).query)["list"] == KEPT["list"], address
    return [each for each in addresses if each.startswith(f"/orders/{order_id}/")]


def action(page: str, ending: str) -> str:
    return next(each["action"] for each in elements(page, "form") if urlsplit(each.get("action") or "").path.endswith(ending))


def press(client, page: str, ending: str, script: bool, **data: str) -> str:
    """Press the button of an act; the page after it."""
    answer = client.post(action(page, ending), data=data, headers=htmx("body") if script else {})
    there = answer.headers["HX-Redirect"] if script else answer.location
    assert there and parse_qs(urlsplit(there).query)["list"] == KEPT["list"], (ending, there)
    return client.get(there).text


@pytest.mark.parametrize("script", [False, True])
def test_every_act_of_the_page_keeps_the_list(client, desk, script):
    order = orders()[0]
    page = opened(client, order.id)
    walked = set()

    def go(ending: str, **data: str) -> None:
        nonlocal page
        page = press(client, page, ending, script, **data)
        check(page, order.id)
        walked.add(ending.strip("/").rpartition("/")[2])

    check(page, order.id)
    go("/tags", tag="Gift")
    go("/tags", remove="Gift")
    go("/notes", text="Ann called.")
    go("/remove")
    go("/read-again")
    go("/evaluate")
    go("/ship", carrier="DHL", tracking="T1", **{f"line-{order.lines[0].id}": "1"})
    go("/undo")
    go("/ship", carrier="DHL", tracking="T2", **{f"line-{order.lines[0].id}": "1"})
    go("/parcels", carrier="DHL", tracking="T3")
    go("/tracking", carrier="DHL", tracking="T4")
    with writing() as session:
        session.execute(update(WriteBack).values(state="failed", error="The shop is away."))
    page = opened(client, order.id)
    go("/send-again")
    with writing() as session:
        session.execute(update(WriteBack).where(WriteBack.state == "waiting").values(due_at=utcnow()))
        session.execute(update(Flow).where(Flow.kind == FlowKind.SHIPMENTS).values(due_at=utcnow()))
    work_off("shipments")
    page = opened(client, order.id)
    go("/void")
    go("/entered")
    ends = {urlsplit(each).path.rpartition("/")[2] for each in check(page, order.id)}
    assert ends <= walked | {"cancel"}, "an act that this walk leaves out"


@pytest.mark.parametrize("script", [False, True])
def test_acts_on_orders_that_need_a_person_keep_the_list(client, desk, script):
    """Each act with a state of the order that offers it."""
    first, second = (each.id for each in orders()[:2])
    for ending, state in (
        ("/mark-seen", {"cancel_unseen": True}), ("/keep", {"state": "on_hold", "held_codes": ["identity"]}),
        ("/replace", {"state": "on_hold", "held_codes": ["identity"], "accepted_codes": [], "doubts": [["identity", "Another one?"]]}),
    ):  # fmt: skip
        with writing() as session:
            order = session.get_one(Order, first)
            for name, value in state.items():
                setattr(order, name, value)
        check(press(client, opened(client, first), ending, script), first)
    check(press(client, opened(client, second), "/cancel", script), second)


def test_what_is_refused_is_shown_again_with_the_list(client, desk):
    order = orders()[0]
    page = opened(client, order.id)
    for ending, data in (("/tags", {"tag": ""}), ("/notes", {"text": ""}), ("/ship", {f"line-{order.lines[0].id}": "many"})):
        answer = client.post(action(page, ending), data=data)
        assert answer.status_code == 422, ending
        check(answer.text, order.id)
    shipments.ship(order.id, "test", carrier="DHL", tracking_number="T1", quantities={order.lines[0].id: 1})
    page = opened(client, order.id)
    for ending, data in (("/parcels", {"tracking": ""}), ("/tracking", {"tracking": "x" * 300})):
        answer = client.post(action(page, ending), data=data)
        assert answer.status_code == 422, ending
        check(answer.text, order.id)


def test_pages_beside_the_order_lead_back_with_the_list(client, desk):
    order_id = orders()[0].id
    for beside in ("raw", "print", "packing-slip"):
        page = client.get(f"/orders/{order_id}/{beside}?{QUERY}").text
        back = [each["href"] for each in elements(page, "a") if urlsplit(each.get("href") or "").path == f"/orders/{order_id}"]
        assert back and all(parse_qs(urlsplit(each).query) == KEPT for each in back), beside


def test_no_address_of_an_order_forgets_the_list(app):
    """Also one that is added later: all are made with the list while the same order is shown, and without it for another order."""
    own = [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/orders/<int:order_id>")]
    assert len(own) > 15
    with app.test_request_context(f"/orders/7?{QUERY}"):
        for rule in own:
            values = dict.fromkeys(rule.arguments, 7)
            assert parse_qs(urlsplit(url_for(rule.endpoint, **values)).query) == KEPT, rule.endpoint
            assert "?" not in url_for(rule.endpoint, **{**values, "order_id": 8})
