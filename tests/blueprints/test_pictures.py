"""The pictures of the user guide show the pages as they are: docs/screenshots.py noted the headings of each when it took them."""

from __future__ import annotations

import json
import re
from pathlib import Path

from sqlalchemy import select

from extensions import db
from models import Integration
from practice_shop import PracticeShop
from tests.blueprints.pages import elements, form_data, htmx, words
from tests.blueprints.queues import work_off
from tests.blueprints.walks import ADD, LIST, begin
from tests.support.signed_in import FreshClient

IMAGES = Path(__file__).resolve().parent.parent.parent / "docs" / "images"
NOTED: dict[str, list[str]] = json.loads((IMAGES / "headings.json").read_text(encoding="utf-8"))
MOST_KILOBYTES = 200
AGAIN = "The page has changed since its picture was taken. Take the pictures again: docs/screenshots.py"


def headings(page: str) -> list[str]:
    """The first two levels of a page or fragment, with every number as ``#``: pictures show other ones."""
    found = [each for each in elements(page) if each.tag in ("h1", "h2")]
    inside = [each for each in found if any(above.tag == "main" for above in each.parents)]
    return [without_numbers(words(each.text)) for each in inside or found]


def without_numbers(text: str) -> str:
    return re.sub(r"\d[\d,.]*", "#", text)


def set_up(client: FreshClient, shop: PracticeShop, shown: dict[str, str]) -> int:
    """Connect a shop, and keep the pages on the way; answers with the integration's id."""
    shown["add-sales-channel"] = client.get(ADD).text
    step = begin(client)
    shown["website-and-key"] = client.get(step).text
    for name, key in (("wrong-key", "not-the-key"), ("options", shop.key)):
        answer = client.post(step, data=form_data(client.get(step).text, "endpoint", endpoint=shop.url, api_key=key))
        work_off("checks")
        shown[name] = client.get(client.get(answer.location).location).text
    client.post(step.replace("/shop", "/options"), data=form_data(shown["options"], "with_variants"))
    work_off()
    shown["list"] = client.get(LIST).text
    integration_id = db.session.scalar(select(Integration.id))
    assert integration_id is not None
    return integration_id


def test_the_pictures_show_the_pages_of_today(client: FreshClient) -> None:
    shown: dict[str, str] = {}
    with PracticeShop(orders=40) as shop:
        place = f"{LIST}/{set_up(client, shop, shown)}"
        for name, path in (("today", "/today"), ("stock", "/stock"), ("reports", "/reports"), ("activity", "/activity"),
                           ("orders", "/orders?state=ready"), ("integration", place), ("integration-settings", f"{place}/settings"),
                           ("reauthorise", f"{place}/reauthorise")):  # fmt: skip
            shown[name] = client.get(path).text
        shown["remove"] = client.get(f"{place}/remove", headers=htmx("dialog")).text
        ready = [box["value"] for box in elements(shown["orders"], "input", name="order")][:4]
        shown["ship-sheet"] = client.get("/orders/ship?" + "&".join(f"order={each}" for each in ready)).text
    now = {name: headings(page) for name, page in shown.items()}
    noted = {name: [without_numbers(text) for text in texts] for name, texts in NOTED.items()}
    assert now == noted, AGAIN


def test_no_picture_is_large() -> None:
    pictures = list(IMAGES.glob("*.png"))
    assert {path.stem for path in pictures} == set(NOTED)
    assert [path.name for path in pictures if path.stat().st_size > MOST_KILOBYTES * 1024] == []
