"""The page of held orders with several groups."""

from __future__ import annotations

from sqlalchemy import select, update

from extensions import db, writing
from models import Flow, Integration, Listing, Order, Shop, StockItem, SyncRun
from models.types import utcnow
from practice_shop import PracticeShop
from services.order_basics import holds
from services.orders import held
from services.runs import lifecycle as runs_lifecycle
from services.security import trail
from services.sync import execution
from tests.blueprints.pages import element, elements, form_data, toasts, words
from tests.blueprints.rows import add_integration, change_integration
from tests.support.rows import make_integration, make_item, make_listing, make_order
from tests.support.shops import connect, do, products
from tests.support.signed_in import FreshClient, sign_in


def test_each_order_says_which_of_its_items_are_short(client: FreshClient) -> None:
    """With two orders of two items a person had to open both to know which lacks what."""
    shop = db.session.get_one(Integration, add_integration())
    reasons = {"1": "CUP: 1 of 2 not in stock.", "2": "LAMP: 3 of 4 not in stock."}
    for number, reason in reasons.items():
        make_order(shop, number, [], state="on_hold", held_codes=["short"], held_reason=reason, reason_codes=["short"])
    group = element(client.get("/orders/held").text, "section", aria_labelledby="group-1")
    rows = [words(each.text) for each in elements(client.get("/orders/held").text, "li") if "not in stock" in each.text]
    assert [row.split(" ", 1)[0] for row in rows] == ["1", "2"]
    assert all(reasons[row.split(" ", 1)[0]] in row for row in rows)
    assert words(group.text).count("not in stock") == 2


def test_one_of_several_groups_has_the_primary_action(client: FreshClient) -> None:
    shop = db.session.get_one(Integration, add_integration())
    for number, code in (("1", "address"), ("2", "sums"), ("3", "unreadable"), ("4", "unreadable")):
        make_order(shop, number, [], state="on_hold", held_codes=[code], held_reason="Because of something.", reason_codes=[code])
    page = elements(client.get("/orders/held").text)
    assert len([each for each in page if each.tag == "h2" and (each.get("id") or "").startswith("group-")]) == 3
    primary = [each.text.strip() for each in page if each.tag == "button" and "btn-primary" in (each.get("class") or "")]
    assert sum(each.text.strip() == "Because of something." for each in page) == 3
    assert primary == ["Read again from the shop"]


def test_while_a_new_shop_is_read_its_orders_wait_and_nobody_is_asked(client: FreshClient, shop: PracticeShop) -> None:
    """Every order of the first download asked for a stock item, and was released seconds later."""
    integration_id, ids = connect(shop), products(shop)
    for _ in range(2):
        shop.store.place_order(lines=[(ids["CUP"], 1)])
    do(integration_id, "orders")
    other = make_integration("Other")
    held_by_sku(other, "7", "NEW")
    assert [group.code for group in held.groups()] == ["unknown_sku", "unknown_sku"], "nothing is being read"
    run_id = runs_lifecycle.create_run(integration_id, "listings", "schedule")
    assert [(group.title, len(group.order_ids), group.waits) for group in held.groups()] == [
        ("SKU NEW is not one of our stock items", 1, False), ("Waiting for the first reading of orders and listings", 2, True),
    ]  # fmt: skip
    page = words(element(client.get("/orders/held").text, "section", aria_labelledby="group-2").text)
    assert "Nothing has to be done now." in page and "Check again" not in page and "Add stock item" not in page
    today = words(element(client.get("/today").text, "section", aria_labelledby="today-held").text)
    assert "1 The SKU is not one of our stock items" in today
    assert "2 Waiting for the first reading of orders and listings" in today
    with writing() as session:
        # Both are read, and the run goes on: it links the listings.
        session.execute(update(Shop).values(listings_read_at=utcnow(), orders_read_to=utcnow()))
    assert [group.waits for group in held.groups()] == [False, True]
    change_integration(integration_id, failing="listings")
    assert not any(group.waits for group in held.groups()), "it has failed before: a person has to look"
    execution.perform(run_id)
    assert [group.title for group in held.groups()] == ["SKU NEW is not one of our stock items"]
    assert "Waiting" not in words(element(client.get("/today").text, "section", aria_labelledby="today-held").text)


def test_an_order_that_something_else_holds_is_accepted_and_said_to_be_still_on_hold(client: FreshClient) -> None:
    shop = db.session.get_one(Integration, add_integration())
    order_id = make_order(shop, "1", [], state="ready").id
    with writing() as session:
        order = session.get_one(Order, order_id)
        order.currency, order.shipping_address, order.billing_address = "", None, None
        session.flush()
        holds.evaluate_stored([order_id])
    codes = db.session.get_one(Order, order_id).held_codes
    assert len(codes) > 1
    for left in range(len(codes) - 1, -1, -1):
        page = client.get("/orders/held").text
        sent = form_data(page, "seen")
        answer = client.post("/orders/held/accept", data=sent)
        said = "Accepted as it is. 1 order is still on hold for another reason." if left else "1 order released."
        assert toasts(client.get(answer.location).text) == [said]
    done = [row.what for row in reversed(trail.list_page(trail.Wanted(object="order")).rows)]
    assert done.count("On hold for another reason") >= len(codes) - 1 and done[-1] == "Released" and "Put on hold" not in done[1:]
    timeline = words(element(client.get(f"/orders/{order_id}").text, "ol").text)
    assert "Problem accepted by owner" in timeline and "On hold for another reason" in timeline
    assert "Accepted as it is: There is no address" in timeline and "Accepted as it is: The currency is not known" in timeline


def test_after_a_problem_is_fixed_the_list_it_was_found_in_is_a_click_away(client: FreshClient) -> None:
    """With its filter and its page: people who work through a long list of held orders go on where they were."""
    shop = db.session.get_one(Integration, add_integration())
    order_id = make_order(
        shop, "81", [], state="on_hold", held_codes=["no_lines"], held_reason="The order has no lines.", reason_codes=["no_lines"]
    ).id
    row = next(each for each in elements(client.get("/orders?state=on_hold&page=x").text, "a") if each.text == "81")
    order_page = client.get(row["href"]).text
    fix = next(each for each in elements(order_page, "a") if each.text == "Fix this problem")
    held_page = client.get(fix["href"]).text
    accepting = next(each["action"] for each in elements(held_page, "form") if "/held/accept" in each["action"])
    done = client.get(client.post(accepting, data=form_data(held_page, "seen")).location).text
    assert toasts(done) == ["1 order released."]
    crumbs = {each.text: each["href"] for each in elements(done, "a") if each.parents[-1].get("class") == "crumbs"}
    assert crumbs["Orders"] == "/orders?state=on_hold&page=x"
    assert "Orders / Order 81" in words(element(done, "nav", aria_label="Breadcrumb").text)
    back = client.get(crumbs["Order 81"])
    assert back.request.path == f"/orders/{order_id}" and 'href="/orders?state=on_hold&amp;page=x"' in back.text


def test_what_holds_the_order_that_the_page_was_opened_from_comes_first(client: FreshClient) -> None:
    shop = db.session.get_one(Integration, add_integration())
    ids = [
        make_order(shop, number, [], state="on_hold", held_codes=[code], held_reason="Because.", reason_codes=[code]).id
        for number, code in (("1", "sums"), ("2", "sums"), ("3", "address"))
    ]
    first = {order_id: element(client.get(f"/orders/held?order={order_id}").text, "h2", id="group-1").text for order_id in ids}
    assert [first[each] for each in ids] == ["The sums disagree", "The sums disagree", "There is no address"]


def test_what_is_decided_on_the_orders_own_page_does_not_lead_away_from_it(client: FreshClient) -> None:
    shop = db.session.get_one(Integration, add_integration())
    order_id = make_order(
        shop, "9", [], state="on_hold", held_codes=["identity"], held_reason="May be another.", reason_codes=["identity"]
    ).id
    page = client.get(f"/orders/{order_id}").text
    assert "It is the same order" in page and "Fix this problem" not in page


def test_an_order_in_doubt_is_shown_beside_what_the_shop_has_now(client: FreshClient) -> None:
    shop = db.session.get_one(Integration, add_integration())
    shown = {"number": "N-9", "placed_at": "2026-11-01T12:00:00+00:00", "total": "99.00", "currency": "USD", "items": [["CUP-124", 2]],
             "more_items": 0, "same_email": False, "same_customer": None}  # fmt: skip
    order_id = make_order(
        shop, "9", [("PLATE-7", 1)], state="on_hold", held_codes=["identity"], held_reason="May be another.", reason_codes=["identity"],
        doubts=[["identity", "May be another."]], shown_instead=shown, email="ann@buyer.example",
    ).id  # fmt: skip

    def rows() -> dict[str, str]:
        page = client.get(f"/orders/{order_id}").text
        found = [words(row.text) for row in reversed(elements(page, "tr"))]
        return {
            label: row
            for row in found
            for label in ("Order number", "Placed", "Total", "Items", "Email")
            if row.startswith(label)
        }

    seen = rows()
    assert seen["Order number"] == "Order number 9 N-9 Differs" and seen["Items"] == "Items 1 × PLATE-7 2 × CUP-124 Differs"
    assert "$99.00 Differs" in seen["Total"] and "Differs" not in seen["Placed"]
    assert seen["Email"] == "Email address ann@buyer.example another one Differs"
    sign_in(client, "Vic", "viewer")
    assert seen["Order number"] == rows()["Order number"] and "ann@buyer.example" not in rows()["Email"]
    with writing() as session:
        session.execute(update(Order).values(shown_instead=None))
    assert "The two orders" not in client.get(f"/orders/{order_id}").text


def test_a_sku_that_could_mean_several_stock_items_is_settled_where_it_is_said(client: FreshClient) -> None:
    shop = db.session.get_one(Integration, add_integration())
    for sku in ("Lamp", "LAMP"):
        item_id = make_item(sku, 10).id
        with writing() as session:
            session.execute(update(StockItem).where(StockItem.id == item_id).values(sku_key=sku, shared_key="lamp"))
    make_listing(shop, "lamp", 4)
    order_id = make_order(shop, "7", [("lamp", 2)]).id
    with writing() as session:
        order = session.get_one(Order, order_id)
        order.lines[0].could_mean = "LAMP or Lamp"
        session.flush()
        holds.evaluate_stored([order_id])
    page = client.get("/orders/held").text
    assert [each.text for each in elements(page, "option")] == ["Choose …", "LAMP", "Lamp"]
    answer = client.post("/orders/held/link", data=form_data(page, "item", item="Lamp"))
    assert toasts(client.get(answer.location).text) == ["1 order released."]
    assert db.session.get_one(Order, order_id).lines[0].allocations[0].stock_item.sku == "Lamp"


def test_a_line_without_a_sku_leads_to_the_listing_to_link(client: FreshClient) -> None:
    """Its page offered only to read and to check again, and neither changes anything."""
    shop = db.session.get_one(Integration, add_integration())
    reason = "A line has no SKU: Set of 3."
    make_order(
        shop, "1", [("", 1)], state="on_hold", held_codes=["unknown_sku"], held_reason=reason, reason_codes=["unknown_sku"]
    )
    page = client.get("/orders/held").text
    assert "Link its listing to a stock item, or add one for it: its orders are released then." in words(page)
    assert element(page, "a", href="/listings?q=Set+of+3")["class"] == "btn btn-primary"


def test_a_person_counts_the_stock_of_an_unknown_sku_because_0_would_take_it_off_sale(client: FreshClient) -> None:
    """With 0 filled in, a click on the button released the orders with nothing on the shelf, and set what the shop offers to 0."""
    shop = db.session.get_one(Integration, add_integration())
    reason = {
        "state": "on_hold",
        "held_codes": ["unknown_sku"],
        "held_reason": holds.unknown_sku("FORK", ""),
        "reason_codes": ["unknown_sku"],
    }
    for number, quantity in (("1", 2), ("2", 5)):
        make_order(shop, number, [("FORK", quantity)], **reason)
    make_order(shop, "3", [("FORK", 9)], state="shipped")
    page = client.get("/orders/held").text
    field = element(page, "input", name="on_hand")
    assert field.get("value") is None and field.get("required") is not None
    assert "Count everything on the shelf, with the 7 pieces that these orders take." in words(element(page, "body").text)
    refused = client.post("/orders/held/stock-item", data={**form_data(page, "sku"), "on_hand": ""})
    assert refused.status_code == 422 and "Enter a quantity." in refused.text
    assert db.session.query(StockItem).count() == 0
    assert element(client.get("/stock/new").text, "input", name="on_hand")["value"] == ""


UNKNOWN = {"state": "on_hold", "held_codes": ["unknown_sku"], "reason_codes": ["unknown_sku"]}


def held_by_sku(shop: Integration, number: str, sku: str, quantity: int = 1) -> int:
    return make_order(shop, number, [(sku, quantity)], held_reason=holds.unknown_sku(sku, ""), **UNKNOWN).id


def runs() -> list[tuple[str, str]]:
    db.session.rollback()
    return [(run.integration.name, run.kind) for run in db.session.scalars(select(SyncRun).order_by(SyncRun.id))]


def test_the_listings_of_the_shops_that_sold_an_unknown_sku_are_read_now(client: FreshClient) -> None:
    first, second, third = (make_integration(name) for name in ("Garden", "Kitchen", "Cellar"))
    held_by_sku(first, "1", "NEW")
    held_by_sku(second, "2", "new")
    held_by_sku(third, "3", "OTHER")
    with writing() as session:
        session.execute(update(Flow).values(succeeded_at=utcnow()))
    page = client.get("/orders/held").text
    assert "No listing has this SKU. If its product is new in the shop, read the listings now" in words(page)
    for expected in ([("Garden", "listings"), ("Kitchen", "listings")],) * 2:
        done = client.post("/orders/held/read-listings", data={"code": "unknown_sku", "key": "NEW"})
        assert toasts(client.get(done.location).text) == [
            "The listings of Garden, Kitchen are being read. Come back in a few minutes."
        ]
        assert runs() == expected
    with writing() as session:
        session.get_one(Integration, third.id).enabled = False
    done = client.post("/orders/held/read-listings", data={"code": "unknown_sku", "key": "OTHER"})
    assert toasts(client.get(done.location).text) == ["Nothing can be read from Cellar at the moment; its page says why."]
    done = client.post("/orders/held/read-listings", data={"code": "unknown_sku", "key": "GONE"})
    assert toasts(client.get(done.location).text) == ["No order is held by this any more."]
    assert len(runs()) == 2


def test_a_sku_that_a_shop_lists_needs_no_reading_of_listings(client: FreshClient) -> None:
    shop = make_integration("Garden")
    held_by_sku(shop, "1", "CUP")
    listing = make_listing(shop, "CUP", 3)
    page = client.get("/orders/held").text
    assert "Match CUP" in page and "Read listings now" not in page
    with writing() as session:
        session.get_one(Listing, listing.id).gone_at = utcnow()
    page = client.get("/orders/held").text
    assert "Match CUP" not in page and "Read listings now" in page


def test_what_is_not_in_stock_leads_to_its_stock_item(client: FreshClient) -> None:
    """'Add stock' stood there, and nothing that did it. The shop's SKU may be another one than that of the stock item."""
    shop = db.session.get_one(Integration, add_integration())
    item = make_item("CUP", 1)
    make_order(
        shop,
        "1",
        [(item, 3)],
        state="on_hold",
        held_codes=["short"],
        held_reason=holds.short("SET", 2, 3),
        reason_codes=["short"],
    )
    page = client.get("/orders/held").text
    assert element(page, "a", href="/stock?q=CUP").text == "CUP"


def test_a_stock_item_for_a_product_without_a_sku_is_added_on_the_way(client: FreshClient) -> None:
    """From its order to its listing, and to a form with its name: it had to be added under Stock, and the listing found again."""
    shop = make_integration("Garden")
    listing = make_listing(shop, "", 4, product_id="7", name="Set of 3")
    order_id = make_order(shop, "1", [("", 2)], held_reason=holds.unknown_sku("", "Set of 3"), **UNKNOWN).id
    with writing() as session:
        line = session.get_one(Order, order_id).lines[0]
        line.name, line.product_id = "Set of 3", "7"
    place = next(each["href"] for each in elements(client.get("/orders/held").text, "a") if each.text == "Find its listing")
    row = element(client.get(place).text, "a", href=f"/listings/{listing.id}")
    add = next(each["href"] for each in elements(client.get(row["href"]).text, "a") if each.text == "Add a stock item for it")
    form = client.get(add).text
    assert "then takes its quantity from it" in words(form) and element(form, "input", name="name")["value"] == "Set of 3"
    wrong = client.post(add, data=form_data(form, "sku", sku="SET-3"))
    assert wrong.status_code == 422 and element(wrong.text, "input", name="sku")["value"] == "SET-3"
    assert db.session.query(StockItem).count() == 0
    done = client.get(client.post(add, data=form_data(form, "sku", sku="SET-3", on_hand="6")).location).text
    assert toasts(done) == ["The stock item was added, and the listing is linked to it. 1 order released."]
    assert element(done, "input", id="sku-0")["value"] == "SET-3" and "Add a stock item for it" not in done
    db.session.rollback()
    assert (db.session.get_one(Order, order_id).state, db.session.query(StockItem).one().available) == ("ready", 4)


def test_a_product_whose_variants_are_stocked_needs_no_stock_item(client: FreshClient) -> None:
    listing = make_listing(make_integration("Garden"), "SHIRT", 4)
    offered = f"/listings/{listing.id}/stock-item"
    assert offered in client.get(f"/listings/{listing.id}").text
    for name, value in (("replaced", True), ("counted", False), ("own_stock", False)):
        with writing() as session:
            setattr(session.get_one(Listing, listing.id), name, value)
        assert offered not in client.get(f"/listings/{listing.id}").text
        with writing() as session:
            setattr(session.get_one(Listing, listing.id), name, not value)


def test_where_the_listing_cannot_be_linked_no_stock_item_is_added(client: FreshClient) -> None:
    shop = make_integration("Garden")
    make_item("CUP", 1)
    listing = make_listing(shop, "", 4, name="Cup")
    for sku, number in (("cup", "3"), ("", "3"), ("MUG", "-1")):
        refused = client.post(f"/listings/{listing.id}/stock-item", data={"sku": sku, "on_hand": number})
        assert refused.status_code in (409, 422)
    assert client.get("/listings/999/stock-item").status_code == 404
    db.session.rollback()
    assert db.session.query(StockItem).count() == 1 and not db.session.get_one(Listing, listing.id).linked
