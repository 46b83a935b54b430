"""The pages of feeds, their runs, unknown codes, and of a stock item that suppliers offer."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import pytest

from extensions import db, writing
from models import Feed, FeedRun, Offer, StockItem
from services.feeds import suppliers
from tests.blueprints.feed_walks import FILE, begin, give_place, set_up
from tests.blueprints.pages import element, elements, form_data, htmx, toasts, words
from tests.blueprints.queues import work_off
from tests.support.remote_files import File, WebServer, login_page, web_server
from tests.support.rows import make_item


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        server.files["/stock.csv"] = File(FILE)
        yield server


def fetched(client, web: WebServer, **rules: str) -> tuple[int, int]:
    """A feed whose first run waits; answers with the ids of both."""
    feed_id = set_up(client, web.url(), **rules)
    work_off("checks")
    return feed_id, newest().id


def newest() -> FeedRun:
    db.session.rollback()
    return db.session.scalars(db.select(FeedRun).order_by(FeedRun.id.desc())).first()


def again(client, web: WebServer, feed_id: int, content: bytes) -> FeedRun:
    """Fetch a new file; answers with its run."""
    web.files["/stock.csv"] = File(content)
    client.post(f"/suppliers/feeds/{feed_id}/fetch")
    work_off("checks")
    return newest()


def on_hand(sku: str) -> int:
    db.session.rollback()
    return db.session.scalar(db.select(StockItem.on_hand).where(StockItem.sku == sku))


def test_the_first_run_waits_and_changes_what_a_person_approves(client, web):
    for sku in ("CUP", "PLATE"):
        make_item(sku, 1)
    feed_id, run_id = fetched(client, web)
    assert "Needs approval" in client.get("/suppliers").text
    page = client.get(f"/suppliers/feeds/{feed_id}").text
    assert f'href="/suppliers/runs/{run_id}">See what would change' in page
    page = client.get(f"/suppliers/runs/{run_id}")
    assert "2 items in this file have their own quantity now" in words(page.text)
    cup = next(row for row in elements(page.text, "tr") if "CUP" in words(row.text))
    assert words(cup.text).endswith("1 – 12"), "what is on hand stands beside the offer that could replace it"
    assert [words(tab.text) for tab in elements(page.text, "a") if "kind=" in (tab.get("href") or "")][:2] == [
        "New 2",
        "Unknown codes 1",
    ]
    client.post(f"/suppliers/runs/{run_id}/approve", data={"make_fed": "yes"})
    assert on_hand("CUP") == 1 and "Setting quantities" in client.get(f"/suppliers/runs/{run_id}").text
    work_off("checks")
    assert (on_hand("CUP"), on_hand("PLATE")) == (12, 10)
    assert "Working" in words(client.get(f"/suppliers/feeds/{feed_id}").text)
    # Approved twice, by somebody else: a sentence and no error.
    assert client.post(f"/suppliers/runs/{run_id}/approve").status_code == 409


def test_own_items_keep_their_quantity_unless_a_person_says_otherwise(client, web):
    item_id = make_item("CUP", 1).id
    _, run_id = fetched(client, web)
    feed = client.get(f"/suppliers/feeds/{newest().feed_id}").text
    changed = element(feed, "td", data_label="Changed").text
    assert words(changed).startswith("0 ") and words(changed).endswith("would change"), "nothing has changed yet"
    client.post(f"/suppliers/runs/{run_id}/approve", data={"make_fed": "no"})
    page = client.get(f"/suppliers/runs/{run_id}").text
    assert toasts(page) == ["Approved. Cartlink is storing the offers. Your own quantities stay."]
    assert "Setting quantities" not in page and "Storing the offers" in page
    work_off("checks")
    assert on_hand("CUP") == 1
    page = client.get(f"/stock/{item_id}").text
    assert "Offers of suppliers" in page and "Own item" in page
    switch = f"/stock/{item_id}/suppliers"
    assert "your own 1 are replaced" in client.get(switch).text
    client.post(switch, data=form_data(client.get(switch).text, "fed"))
    assert on_hand("CUP") == 12
    page = client.get(f"/stock/{item_id}").text
    # On hand can no longer be typed; the buffer can.
    assert element(page, "input", name="on_hand")["type"] == "hidden"
    client.post(f"/stock/{item_id}", data={"on_hand": "12", "was": "12", "buffer": "2"})
    assert client.post(f"/stock/{item_id}", data={"on_hand": "99", "was": "12", "buffer": "2"}).status_code == 422
    assert db.session.get(StockItem, item_id).buffer == 2
    assert "CUP" in client.get("/stock?state=fed").text
    client.post(f"/stock/{item_id}/fed-rule", data={"rule": "first"})
    assert client.post(f"/stock/{item_id}/fed-rule", data={"rule": ""}).status_code == 422
    client.post(switch, data=form_data(client.get(switch).text, "fed"))
    assert on_hand("CUP") == 12 and not db.session.get(StockItem, item_id).fed


def test_a_run_that_looks_wrong_is_shown_by_cause_and_dropped(client, web):
    for sku in ("CUP", "PLATE"):
        make_item(sku, 1)
    feed_id, run_id = fetched(client, web)
    client.post(f"/suppliers/runs/{run_id}/approve", data={"make_fed": "yes"})
    work_off("checks")
    run = again(client, web, feed_id, b"Article;Available;Price\nCUP;0;1\nPLATE;some;1\nNEW-1;7;1\n")
    assert run.state == "waiting"
    here = f"/suppliers/runs/{run.id}"
    page = words(client.get(here).text)
    assert "Goes to 0" in page and "Rows that cannot be read, by cause" in page and "would go to 0" in page
    rows = list(csv.DictReader(io.StringIO(client.get(f"{here}/rows.csv").text.lstrip("\ufeff"))))
    assert {row["code"]: row["what"] for row in rows} == {"CUP": "Goes to 0", "PLATE": "Cannot be read"}
    assert "CUP" not in client.get(f"{here}?kind=unreadable").text
    client.post(f"{here}/drop")
    assert on_hand("CUP") == 12 and "Dropped" in client.get(here).text


def test_the_newest_run_is_undone_after_a_question(client, web):
    make_item("CUP", 1)
    feed_id, first = fetched(client, web)
    client.post(f"/suppliers/runs/{first}/approve", data={"make_fed": "yes"})
    work_off("checks")
    run = again(client, web, feed_id, FILE.replace(b"CUP;12", b"CUP;15"))
    assert run.state == "done" and on_hand("CUP") == 15
    assert client.get(f"/suppliers/runs/{first}/undo").status_code == 409
    here = f"/suppliers/runs/{run.id}/undo"
    assert here in client.get(f"/suppliers/runs/{run.id}").text
    assert "1 offer of Stock list (ACME) goes back" in words(client.get(here).text)
    client.post(here)
    assert on_hand("CUP") == 12 and newest().state == "undone"


def test_a_failure_is_shown_first_with_what_to_do(client, web):
    feed_id, _ = fetched(client, web)
    client.post(f"/suppliers/runs/{newest().id}/drop")
    web.files["/stock.csv"] = login_page()
    client.post(f"/suppliers/feeds/{feed_id}/fetch")
    work_off("checks")
    page = client.get(f"/suppliers/feeds/{feed_id}").text
    assert (
        words(element(page, "h2", id="problem-title").text) == "The last fetch failed"
        and "Check the address and how to sign in" in page
    )
    assert (
        "Stock list" in client.get("/suppliers?state=failing").text
        and "Stock list" not in client.get("/suppliers?state=stale").text
    )
    today = client.get("/today").text
    assert [item["href"] for item in elements(today, "a") if "/suppliers?" in (item.get("href") or "")] == [
        "/suppliers?state=failing"
    ]


def test_a_feed_is_switched_and_fetched_without_a_reload(client, web):
    feed_id, run_id = fetched(client, web)
    client.post(f"/suppliers/runs/{run_id}/drop")
    row = client.post(f"/suppliers/feeds/{feed_id}/enabled", data={"enabled": "no"}, headers=htmx(f"feed-{feed_id}")).text
    assert "<html" not in row and 'aria-checked="false"' in row
    live = client.post(f"/suppliers/feeds/{feed_id}/enabled", data={"enabled": "yes"}, headers=htmx("live")).text
    assert "<html" not in live and 'aria-checked="true"' in live
    assert client.post(f"/suppliers/feeds/{feed_id}/enabled", data={"enabled": "maybe"}).status_code == 422
    live = client.post(f"/suppliers/feeds/{feed_id}/fetch", headers=htmx("live")).text
    assert "<html" not in live and "Fetching" in live and "data-poll" in live
    assert "data-poll" in client.get(f"/suppliers/feeds/{feed_id}/row", headers=htmx(f"feed-{feed_id}")).text
    work_off("checks")
    client.post(f"/suppliers/feeds/{feed_id}/fetch")
    assert "waits for approval" in toasts(client.get("/suppliers").text)[-1] or newest().state == "unchanged"


def test_rules_are_changed_on_a_page(client, web):
    feed_id, _ = fetched(client, web)
    here = f"/suppliers/feeds/{feed_id}/rules"
    page = client.get(here).text
    assert client.post(here, data=form_data(page, "priority", priority="0")).status_code == 422
    client.post(here, data=form_data(page, "priority", priority="7", quiet_from="22:00", quiet_until="6:00", when_stale="hold"))
    feed = db.session.get(Feed, feed_id)
    assert (feed.priority, feed.quiet_from, feed.quiet_until, feed.when_stale) == (7, "22:00", "06:00", "hold")
    assert "22:00 to 06:00" in client.get(f"/suppliers/feeds/{feed_id}").text


def test_the_history_of_a_feed_says_what_its_page_says(client, web):
    feed_id, _ = fetched(client, web)
    suppliers.change_feed(
        feed_id, "user:ann", interval_seconds=5400, zero_percent=7, when_stale="hold", excludes_open_orders=True, delta=True,
        stale_after_seconds=259_200,
    )  # fmt: skip
    suppliers.change_feed(feed_id, "user:ann", interval_seconds=None, times=["06:30", "13:00"])
    page, changes = (
        words(re.sub("<[^>]+>", "", client.get(path).text.partition("<main")[2]))
        for path in (f"/suppliers/feeds/{feed_id}", "/activity/changes")
    )
    for said in (
        "Fetched every: 1 hour → 90 minutes",
        "Fetched every: 90 minutes → –",
        "Fetched at: 06:30, 13:00",
        "→ 7% of the codes",
        "When stale: Keep counting them → Leave them out",
        "The file contains: Everything the supplier has → Only what has changed",
        "Leaves out your open orders: No → Yes",
        "→ 3 days",
    ):
        assert said in page and said in changes, said
    assert "seconds:" not in page and "percent:" not in page


def test_unknown_codes_are_linked_created_and_ignored(client, web):
    make_item("PLATE", 1)
    web.files["/stock.csv"] = File(b"Article;Available\n" + b"".join(b"N-%d;%d\n" % (n, n) for n in range(1, 7)))
    feed_id, run_id = fetched(client, web)
    client.post(f"/suppliers/runs/{run_id}/approve", data={"make_fed": "yes"})
    work_off("checks")
    ids = dict(db.session.execute(db.select(Offer.code, Offer.id)).all())
    page = client.get("/suppliers/unknown-codes").text
    assert "N-6" in page and "unknown codes" in client.get("/today").text
    here = f"/suppliers/unknown-codes/{ids['N-1']}"
    found = client.get(here, query_string={"q": "pla"}).text
    assert element(found, "input", type="radio")["value"] == "PLATE"
    assert client.post(here, data={"q": "pla", "units": "12"}).status_code == 422
    wrong = client.post(here, data={"q": "pla", "item": "PLATE", "units": "0"})
    assert wrong.status_code == 422 and element(wrong.text, "input", id="units")["value"] == "0"
    client.post(here, data={"item": "PLATE", "units": "12"})
    act = "/suppliers/unknown-codes/selected"
    client.post(act, data={"act": "create", "offer": [ids["N-2"], ids["N-3"]]})
    assert (on_hand("N-2"), on_hand("N-3")) == (2, 3)
    client.post(act, data={"act": "ignore", "offer": [ids["N-4"]]})
    assert "N-4" not in client.get("/suppliers/unknown-codes").text
    assert "N-4" in client.get("/suppliers/unknown-codes?ignored=yes").text
    client.post(act, data={"act": "ask", "offer": [ids["N-4"]]})
    page = client.get(f"/suppliers/unknown-codes?feed={feed_id}&q=n-4").text
    assert "N-4" in page and "N-5" not in page
    client.post(act, data={"act": "create"})
    assert "Select at least one code first." in toasts(client.get("/suppliers/unknown-codes").text)[-1]
    # A code that is a SKU of somebody else's already is named, and the others are created.
    make_item("N-5", 1)
    client.post(act, data={"act": "create", "offer": [ids["N-5"], ids["N-6"]]})
    assert any("N-5" in sentence for sentence in toasts(client.get("/suppliers").text)) and on_hand("N-6") == 6


def test_a_supplier_is_changed_and_removed_with_its_feeds(client, web):
    item_id = make_item("CUP", 1).id
    feed_id, run_id = fetched(client, web)
    client.post(f"/suppliers/runs/{run_id}/approve", data={"make_fed": "yes"})
    work_off("checks")
    supplier_id = db.session.get(Feed, feed_id).supplier_id
    here = f"/suppliers/{supplier_id}"
    client.post(f"{here}/edit", data={"name": "ACME Ltd", "lead_days": ""})
    assert "Lead days are not known." in client.get(here).text
    page = words(client.get(f"{here}/remove").text)
    assert "1 fed item takes its quantity from it" in page
    client.post(f"{here}/remove")
    assert client.get(here).status_code == 404 and client.get(f"/suppliers/feeds/{feed_id}").status_code == 404
    item = db.session.get(StockItem, item_id)
    assert (item.on_hand, item.fed) == (12, False)
    other = set_up(client, web.url(), name="Other")
    client.post(f"/suppliers/feeds/{other}/remove")
    assert client.get(f"/suppliers/feeds/{other}").status_code == 404
    # What was brought can still be read.
    assert client.get(f"/suppliers/runs/{run_id}").status_code == 200


def test_a_stale_feed_is_listed_first(client, web):
    feed_id, run_id = fetched(client, web)
    client.post(f"/suppliers/runs/{run_id}/approve")
    work_off("checks")
    set_up(client, web.url(), name="AAA")
    with writing() as session:
        feed = session.get_one(Feed, feed_id)
        feed.stale_since = feed.read_at
    names = [words(item.text) for item in elements(client.get("/suppliers").text, "h2") if "supplier-" in (item.get("id") or "")]
    assert [name.split()[0] for name in names] == ["ACME", "AAA"]
    assert "nothing new for longer than it should" in client.get(f"/suppliers/feeds/{feed_id}").text


CYRILLIC = "Артикул;Описание;Остаток\nЧАШКА;Кружка большая;12\nТАРЕЛКА;Тарелка;3\n"


def test_a_cyrillic_feed_keeps_the_letters_with_which_it_was_set_up(client, web):
    for sku in ("ЧАШКА", "ТАРЕЛКА"):
        make_item(sku, 1)
    web.files["/stock.csv"] = File(CYRILLIC.encode("windows-1251"))
    step = give_place(client, begin(client), web.url())
    page = client.get(step).text
    assert "The letters of the file were read as Cyrillic (Windows-1251)." in page and "Артикул" in page
    columns = {"column-sku": "Артикул", "column-quantity": "Остаток"}
    rules = client.post(step, data=form_data(page, "column-sku", act="save", **columns)).location
    feed_id = int(client.post(rules, data=form_data(client.get(rules).text, "priority")).location.rpartition("/")[2])
    assert "Cyrillic (Windows-1251)" in client.get(f"/suppliers/feeds/{feed_id}").text
    work_off("checks")
    client.post(f"/suppliers/runs/{newest().id}/approve", data={"make_fed": "yes"})
    work_off("checks")
    assert (on_hand("ЧАШКА"), on_hand("ТАРЕЛКА")) == (12, 3)
    # Later files are read in the same way, and UTF-8 as such: the codes stay what they are.
    short = "Артикул;Описание;Остаток\nЧАШКА;x;8\nТАРЕЛКА;Ё;4\n"
    for number, encoding in enumerate(("windows-1251", "utf-8")):
        again(client, web, feed_id, short.replace("8", str(8 + number)).encode(encoding))
        assert (newest().state, on_hand("ЧАШКА"), on_hand("ТАРЕЛКА")) == ("done", 8 + number, 4)
    # Other settings, and columns that are assigned without a word about letters, leave them as they are.
    suppliers.change_feed(feed_id, "user:ann", priority=2)
    kept = {"columns": {"sku": "Артикул", "quantity": "Остаток"}, "options": {"buffer": 1}}
    suppliers.change_feed(feed_id, "user:ann", columns=kept)
    assert suppliers.get_feed(feed_id).columns["letters"] == "windows-1251"
