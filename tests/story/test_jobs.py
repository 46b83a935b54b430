"""A merchant's jobs with the mouse, with the keyboard alone in wide and narrow windows, and without JavaScript. Each is done in no more
acts than docs/acts.md says."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser
from sqlalchemy import select

from config import ROOT
from extensions import db, writing
from models import Integration, Order
from practice_shop import PracticeShop
from practice_shop.records import Address
from services.feeds import suppliers
from services.shipping import shipments
from services.stock import files as stock_files
from services.stock import items
from tests.blueprints.looks import watch
from tests.blueprints.queues import work_off
from tests.story.jobs import JOBS, Job
from tests.story.scene import CUSTOMER, SHOP, Scene
from tests.support.browser import PATIENCE, session_cookie
from tests.support.kept import set_up_once
from tests.support.person import Person, Way
from tests.support.shops import connect, do, products

pytestmark = pytest.mark.timeout(240)
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
WAYS: dict[str, tuple[Way, dict[str, int]]] = {
    "mouse": ("mouse", WIDE), "keys": ("keyboard", WIDE), "keys-narrow": ("keyboard", NARROW), "plain": ("plain", NARROW),
}  # fmt: skip
"""How a job is done, and in what window."""
SLACK = 3
"""So many acts more than the table says may a job take: one area more in the main menu is one Tab more for most jobs."""


def prepare(shop: PracticeShop) -> int:
    """A shop with six orders, the last of which was shipped, and one on hold; its integration's id."""
    first, last = CUSTOMER.split()
    address = Address(first, last, "Elm Street 1", "Hill Valley", "95420", "US", "CA", "555")
    ids = products(shop)
    for number in range(6):
        shop.store.place_order(lines=[(ids["CUP"], 1), (ids["PLATE"], 1)], address=address if number == 2 else None)
    integration_id = connect(shop, SHOP)
    do(integration_id, "stock")
    unknown = shop.store.add_product(sku="NEW", name="New thing", price=1, amount=5)
    shop.store.place_order(lines=[(unknown, 1)])
    items.set_stock("CUP", 33, "user:owner")
    do(integration_id, "stock")
    shipments.ship(ready_orders()[-1].id, "user:owner", carrier="DHL", tracking_number="OLD-1")
    do(integration_id, "shipments")
    return integration_id


def ready_orders() -> list[Order]:
    """As the list shows them: the newest first."""
    db.session.rollback()
    query = select(Order).where(Order.state == "ready").order_by(Order.placed_at.desc(), Order.id.desc())
    return list(db.session.scalars(query))


def needs_approval(integration_id: int) -> None:
    with writing() as session:
        integration = session.get_one(Integration, integration_id)
        integration.safety_limit_percent, integration.safety_limit_least = 1, 1
    for sku in ("CUP", "PLATE"):
        items.set_stock(sku, 0, "user:owner")
    do(integration_id, "stock")


def has_a_feed(integration_id: int) -> None:
    supplier_id = suppliers.create_supplier("Acme", None, "user:owner")
    given = {"name": "Acme stock list", "address": "https://supplier.example/stock.csv", "interval_seconds": 3600}
    suppliers.create_feed(supplier_id, "user:owner", **given)


BESIDE: dict[str, Callable[[int], None]] = {
    "Approve a stock update": needs_approval, "Fetch a supplier's stock list": has_a_feed,
}  # fmt: skip
"""What jobs need besides; it is given the id of the integration."""


def work() -> None:
    db.session.rollback()
    for file_id in stock_files.due_files():
        stock_files.work(file_id)
    work_off("checks")


def most_acts() -> dict[str, dict[str, int]]:
    """How many acts each job takes at most, with the mouse and with the keyboard."""
    found = {}
    for line in Path(ROOT, "docs/acts.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and (cells := [cell.strip() for cell in line.strip("|").split("|")])[0] in JOBS:
            mouse, keys = (int(re.match(r"\d+", cell)[0]) for cell in (cells[2], cells[4]))
            found[cells[0]] = {"mouse": mouse, "keys": keys}
    return found


@pytest.mark.sampled(4)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("job", JOBS.values(), ids=lambda job: job.slug)
def test_each_job_is_done_by_everybody(
    job: Job, way: str, shop: PracticeShop, app: Flask, request: pytest.FixtureRequest
) -> None:
    integration_id = set_up_once(request, app, shop, lambda: prepare(shop))
    BESIDE.get(job.name, lambda _: None)(integration_id)
    numbers = [order.number for order in ready_orders()]
    db.session.rollback()
    browser: Browser = request.getfixturevalue("browser")
    server: str = request.getfixturevalue("server")
    kind, size = WAYS[way]
    context = browser.new_context(base_url=server, java_script_enabled=kind != "plain", viewport=size, reduced_motion="reduce")
    context.set_default_timeout(PATIENCE)
    context.add_cookies([{**session_cookie(app, "owner"), "url": server}])
    page = context.new_page()
    wrong = watch(page)
    person = Person(page, kind)
    scene = Scene(person, numbers[:5], "1", work, "Acme stock list")
    page.goto("/")
    if job.begin:
        job.begin(scene)
    person.begin()
    try:
        job.walk(scene)
        print(f"acts: {job.name} | {way} | {person.total} | {dict(person.acts)} | {person.pages} pages, {person.seconds:.2f} s")
    finally:
        if folder := os.environ.get("LOOKS"):
            page.screenshot(path=f"{folder}/{job.slug}-{way}.png", full_page=True)
        context.close()
    assert not wrong
    assert person.total <= most_acts()[job.name].get(way, person.total) + SLACK, dict(person.acts)


def test_the_table_of_acts_names_every_job() -> None:
    assert list(most_acts()) == list(JOBS)
