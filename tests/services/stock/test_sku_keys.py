"""One spelling of a SKU: whatever writes it, the same stock item is found; what could mean two is never chosen at random."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from sqlalchemy import select, update

from errors import Conflict, InvalidInput, NotFound
from extensions import writing
from models import Listing, Order, OrderLine, StockItem
from models.sku_key import folded, search_text, sku_key, tidy
from models.types import MOST_INDEXED
from practice_shop import PracticeShop, Store
from services.listings import manual_links
from services.listings import views as listing_views
from services.orders import held, views
from services.stock import items, skus
from services.stock import views as stock_views
from tests.support import books
from tests.support.rows import import_stock, make_integration, make_item, make_listing, make_order
from tests.support.shops import connect, connect_bare, do

SPELLINGS = ["GONE", "GONE ", " gone", "\u00a0Gone\u2003", "GO\u200bNE", "\ufeffGONE", "GONE\t\n"]


@pytest.mark.one_database
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_nobody_can_tell_apart_have_one_key(spelling):
    assert sku_key(spelling) == "gone"
    assert sku_key(sku_key(spelling)) == sku_key(spelling)
    assert tidy(spelling).casefold() == "gone"


@pytest.mark.one_database
def test_accents_and_blanks_inside_count_and_forms_of_unicode_do_not():
    assert sku_key(normalize("NFD", "CAFÉ-1")) == sku_key("café-1") != sku_key("CAFE-1")
    assert sku_key("A\u00a0B") == sku_key("a b") != sku_key("a  b")
    assert sku_key("İ" * 300) == sku_key("İ" * 300)[:255]
    assert sku_key(" \u200b ") == ""


@pytest.fixture(params=["addon", "api"])
def sold(request, app, db):
    """A shop that has sold one piece of a product whose SKU ends with a blank, and lists it; nothing is our stock item."""
    store = Store()
    product = store.add_product(sku="GONE ", name="Gone", price=5, amount=4)
    store.place_order(lines=[(product, 1)])
    with PracticeShop(store=store, generation=request.param) as shop:
        shop.integration_id = connect_bare(shop)
        do(shop.integration_id, "orders")
        yield shop


def test_a_stock_item_added_from_a_held_order_releases_it_whatever_blanks_its_sku_has(db, sold):
    assert [group.sku for group in held.groups()] == ["GONE "]
    added = items.add_stock_item(held.groups()[0].sku, 5, "test")
    assert (added.released, items.find_stock_item("gone").sku) == (1, "GONE")
    db.session.rollback()
    order = db.session.scalar(select(Order))
    assert (order.state, order.lines[0].sku, order.lines[0].reserved) == ("ready", "GONE ", 1)
    with pytest.raises(Conflict, match="GONE already"):
        items.add_stock_item("\u00a0Gone", 1, "test")
    do(sold.integration_id, "listings")
    do(sold.integration_id, "stock")
    db.session.rollback()
    listing = db.session.scalar(select(Listing))
    assert (listing.sku, [link.stock_item.sku for link in listing.links]) == ("GONE ", ["GONE"])


def test_files_and_commands_find_a_stock_item_in_any_spelling(app, db):
    make_item(normalize("NFC", "CAFÉ-1"), 0)
    make_item("BLANK", 0)
    items.set_stock("blank ", 3, "test")
    import_stock(["sku,quantity\n", normalize("NFD", "café-1") + ",7\n"])
    db.session.rollback()
    assert {item.sku: item.on_hand for item in items.list_stock()} == {"CAFÉ-1": 7, "BLANK": 3}
    with pytest.raises(InvalidInput, match="line 2 already"):
        import_stock(["sku,quantity\n", "BLANK,1\n", "blank,2\n"])
    assert [item.sku for item in items.list_stock("Café")] == ["CAFÉ-1"]
    assert [row.sku for row in stock_views.list_page(stock_views.Wanted(normalize("NFD", "FÉ-1"))).rows] == ["CAFÉ-1"]


def as_before_there_were_keys(db, *spellings: str) -> None:
    """Stock items that differ in spelling only, as the migration leaves them."""
    for sku in spellings:
        item_id = make_item(sku, 10).id
        with writing() as session:
            session.execute(update(StockItem).where(StockItem.id == item_id).values(sku_key=sku, shared_key=sku_key(sku)))


def test_an_exact_spelling_wins_and_a_key_that_could_mean_two_names_both(app, db):
    as_before_there_were_keys(db, "Lamp", "LAMP")
    assert skus.alike() == [("LAMP", "Lamp")]
    found = skus.find_items(["LAMP", "Lamp", "lamp"])
    assert found.get("LAMP") != found.get("Lamp") and found.get("lamp") is None
    assert found.get(" LAMP ") == found.get("LAMP")
    with pytest.raises(Conflict, match="LAMP or Lamp"):
        items.set_stock("lamp", 1, "test")
    with pytest.raises(Conflict, match="already"):
        items.add_stock_item("lAMP", 1, "test")
    import_stock(["sku,quantity\n", "LAMP,3\n", "Lamp,4\n"])
    assert [(item.sku, item.on_hand) for item in items.list_stock("lamp")] == [("LAMP", 3), ("Lamp", 4)]


def test_a_line_that_could_mean_two_stock_items_is_held_until_its_listing_is_linked(app, db):
    as_before_there_were_keys(db, "Lamp", "LAMP")
    store = Store()
    product = store.add_product(sku="lamp", name="Lamp", price=5, amount=4)
    exact = store.add_product(sku="LAMP", name="Old lamp", price=5, amount=4)
    store.place_order(lines=[(product, 1)])
    store.place_order(lines=[(exact, 1)])
    with PracticeShop(store=store) as shop:
        integration_id = connect(shop)
        do(integration_id, "stock")
        db.session.rollback()
        doubtful, clear = db.session.scalars(select(Order).order_by(Order.id))
        assert (doubtful.state, doubtful.held_reason) == (
            "on_hold",
            "SKU lamp could be the stock item LAMP or Lamp: link its listing to one of them.",
        )
        assert clear.state == "ready"
        listing = db.session.scalar(select(Listing).where(Listing.sku == "lamp"))
        assert "by hand" in listing.push_error and not listing.links
        listing_id = listing.id
        db.session.rollback()
        assert manual_links.link_listing(listing_id, [("Lamp", 1)], "test") == 1
    assert {item.sku: item.reserved for item in items.list_stock("lamp")} == {"LAMP": 1, "Lamp": 1}


def test_links_and_searches_compare_keys(app, db):
    shop = make_integration()
    make_item("CUP", 5)
    listing_id = make_listing(shop, "Cup ", 5).id
    make_order(shop, "1", [("cup\u00a0", 1)])
    with pytest.raises(NotFound):
        manual_links.link_sku("cups", "CUP", "test")
    manual_links.link_sku("CUP", "cup", "test")
    db.session.rollback()
    assert [link.stock_item.sku for link in db.session.get(Listing, listing_id).links] == ["CUP"]
    assert db.session.scalar(select(OrderLine)).allocations
    assert views.list_page(views.Wanted(search="CUP")).rows


@pytest.mark.both_databases
@pytest.mark.parametrize("most", [2000, 1])
def test_a_search_finds_a_part_of_a_sku_or_name_however_many_there_are(db, monkeypatch, most):
    monkeypatch.setattr(skus, "MOST_COUNTED", most)
    shop = make_integration()
    for sku, name in (("CUP-1", "Plate"), ("X-2", "Blue cup"), ("X-3", "Bowl")):
        make_item(sku)
        make_listing(shop, sku, 1, name=name)
    assert [row.sku for row in listing_views.list_page(listing_views.Wanted(search="cUp")).rows] == ["CUP-1", "X-2"]
    assert [row.sku for row in listing_views.list_page(listing_views.Wanted(search="x-")).rows] == ["X-2", "X-3"]
    assert [item.sku for item in items.list_stock("cup")] == ["CUP-1"]


WRITTEN = [
    ("CUP-1", "Blue cup, 100 %"), ("cup_2", "Große Tasse"), ("TÄSSE", "GROSSE TASSE"), ("X\\Y", "Кружка синяя"),
    ("CAFE\u0301", "Café İstanbul"), ("ΟΔΟΣ-1", "Πότηρι"), ("", "No SKU at all"), ("100%", "A\tB"), ("美咲-9", "コップ"),
    ("Z" * 255, "美" * 1000),
]  # fmt: skip
LOOKED_FOR = [
    "cup", "CUP", "p-1", "100 %", "100%", "%", "_", "\\", "x\\y", "\\y", "große", "GROSSE", "GROßE t", "täss", "TÄSS", "tass", "TASSE",
    "круж", "КРУЖКА", "син", "café", "CAFE\u0301", "cafe", "caf", "istanbul", "İstanbul", "οδος", "ΟΔΟΣ", "δοσ", "πότ",
    "no sku", "at all", "a b", "a\tb", "1 bl", "美", "咲-9", "コッ", "\u200bcup", " cup ", "zz", "nowhere", "'", '"', "1\nblue",
]  # fmt: skip


@pytest.mark.both_databases
@pytest.mark.parametrize("most", [2000, 0])
def test_searches_for_a_part_find_the_same_on_both_databases_in_any_letter_case(db, monkeypatch, most):
    monkeypatch.setattr(skus, "MOST_COUNTED", most)
    shop = make_integration()
    with writing() as session:
        for sku, name in WRITTEN:
            session.add(StockItem(sku=sku or "-", name=name))
            session.add(Listing(shop_id=shop.shop_id, external_id=f"product:{sku[:9]}", kind="product", sku=sku, name=name))
    for text in LOOKED_FOR:
        wanted = {sku for sku, name in WRITTEN if folded(text) in folded(sku) or folded(text) in folded(name)}
        assert {row.sku for row in listing_views.list_page(listing_views.Wanted(search=text)).rows} == wanted, text
        found = {item.sku for item in items.list_stock(text)}
        assert {"" if sku == "-" else sku for sku in found} == wanted, text
    assert not list(books.books())


@pytest.mark.both_databases
@pytest.mark.parametrize("name", ["İSTANBUL KILIÇ", "istanbul kılıç", "I\u0307stanbul KILIC\u0327"])
def test_turkish_names_are_found_in_any_letter_case(db, name):
    make_listing(make_integration(), "CUP", 1, item=make_item("CUP"), name=name)
    for text in ("istanbul", "İstanbul", "ISTANBUL", "ıstanbul", "KILIÇ", "kılıç", "kiliç"):
        assert listing_views.list_page(listing_views.Wanted(search=text)).rows, text


@pytest.mark.one_database
def test_a_long_text_is_searched_as_far_as_an_index_takes_it():
    assert search_text("Sku", "N" * 1000) == "sku\n" + "n" * 1000
    cut = search_text("S" * 255, "\U0001f375" * 1000)
    assert len(cut.encode()) <= MOST_INDEXED and cut.endswith("\U0001f375")
