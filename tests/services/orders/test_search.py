"""The search over orders: the same on both databases, by beginnings of words, and never a syntax."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from extensions import db, writing
from models import Order, OrderLine, Shipment
from services.common import installation
from services.common.words import words_of
from services.operations import privacy
from services.orders import search, views
from tests.support.rows import make_integration, make_order

pytestmark = pytest.mark.both_databases

ORDERS = {
    "2024-00123": ("Zoë Nguyễn", "zoe.nguyen@shop.example", ["MUG-RED-42", "Käse 7"]),
    "2024-00124": ("John O'Brien", "john+news@mail.example", ["MUG-BLUE-42"]),
    "00777": ("ŁUKASZ WÓJCIK", "lukasz_w@firma.example.pl", ["ÅL/5", "tea.pot"]),
    "#900": ("Иван Петров", "ivan@почта.example", ["КРУЖКА-1"]),
    "A1": ("美咲 田中", "misaki@example.jp", ["茶碗"]),
    "7": ("Max Groß", "max@strasse.example", ["AND"]),
    "88": ("Søren Æbelø", "soren@example.dk", ["NEAR(x)", "50%_off"]),
}
SEARCHES = {
    "2024-00123": ["2024-00123"], "2024": ["2024-00123", "2024-00124"], "2024-0012": ["2024-00123", "2024-00124"], "00123": ["2024-00123"],
    "123": ["2024-00123"], "0012": ["2024-00123", "2024-00124"], "0777": [], "777": ["00777"], "00777": ["00777"], "#900": ["#900"], "900": ["#900"],
    "zoe": ["2024-00123"], "ZOË": ["2024-00123"], "nguyen": ["2024-00123"], "Nguyễn zoë": ["2024-00123"], "nguye\u0302\u0303n": ["2024-00123"],
    "o'brien": ["2024-00124"], "brien": ["2024-00124"], "lukasz": ["00777"], "Łukasz": ["00777"], "wojc": ["00777"], "иван": ["#900"],
    "ПЕТР": ["#900"], "田中": ["A1"], "美": ["A1"], "gross": ["7"], "GROß": ["7"], "aebelo": ["88"], "soren@example.dk": ["88"],
    "example.dk": ["88"], "john+news": ["2024-00124"], "@shop.example": ["2024-00123"], "shop example": ["2024-00123"], "mug": ["2024-00123", "2024-00124"],
    "mug-red": ["2024-00123"], "red mug": ["2024-00123"], "red-mug": [], "42": ["2024-00123", "2024-00124"], "kase": ["2024-00123"], "al/5": ["00777"],
    "tea.pot": ["00777"], "tea pot": ["00777"], "кружка": ["#900"], "茶": ["A1"], "and": ["7"], "AND": ["7"], "mug AND red": [], "mug OR red": [],
    "NOT mug": [], "near(x)": ["88"], "50%": ["88"], "%": [], "*": [], "mug*": ["2024-00123", "2024-00124"], '"mug red"': ["2024-00123"], '"': [],
    "'mug": ["2024-00123", "2024-00124"], "mug:*": ["2024-00123", "2024-00124"], "mug & !red": ["2024-00123"], "public:mug": [], "mug\\": ["2024-00123", "2024-00124"],
    "(mug": ["2024-00123", "2024-00124"], "id:e-88": ["88"], "e-88": ["88"], "id:88": [], "nobody": [], "a" * 300: [], "<->": [], "1 2 3 4 5 6": [],
}  # fmt: skip


@pytest.fixture
def orders(app):
    integration = make_integration()
    for number, (customer, email, skus) in ORDERS.items():
        order = make_order(integration, number, [(sku, 1) for sku in skus])
        with writing() as session:
            row = session.get_one(Order, order.id)
            row.customer, row.email, row.external_id = customer, email, f"e-{number}"
    return integration


def found(words: str, *, customers: bool = True) -> list[str]:
    rows = views.list_page(views.Wanted(search=words, customers=customers)).rows
    return sorted(row.number for row in rows)


def test_what_people_type_finds_the_same_on_every_database(orders):
    wrong = {words: (found(words), sorted(numbers)) for words, numbers in SEARCHES.items() if found(words) != sorted(numbers)}
    assert not wrong
    assert len(SEARCHES) >= 40


@pytest.mark.parametrize("common", [1, 2])
def test_a_word_that_many_of_the_newest_orders_have_finds_the_same(orders, monkeypatch, common):
    """PostgreSQL reads such words from the newest order on, others in the index."""
    monkeypatch.setattr(search, "COMMON", common)
    assert {words: found(words) for words in SEARCHES} == {words: sorted(numbers) for words, numbers in SEARCHES.items()}
    newest = views.list_page(views.Wanted(search="mug", customers=True, most_found=1)).rows
    assert [row.number for row in newest] == ["2024-00124"]


def test_who_may_not_see_customers_cannot_search_by_them(orders):
    for words in ("zoe", "shop.example", "иван", "strasse", "mug zoe"):
        assert found(words, customers=False) == [], words
    assert found("mug-red", customers=False) == found("2024-00123", customers=False) == ["2024-00123"]


def test_a_change_is_found_once_it_is_saved_and_what_it_replaced_is_not(orders):
    with writing() as session:
        order = session.scalar(select(Order).where(Order.number == "88"))
        order.customer = "Åse Berg"
        session.add(OrderLine(order=order, position=9, sku="NEW-SKU", quantity=1, price=1, total=1))
        session.delete(order.lines[0])
    assert found("ase berg") == found("new-sku") == ["88"]
    assert found("soren aebelo") == found("near") == []


def test_a_change_that_is_rolled_back_is_not_found(orders):
    with pytest.raises(ZeroDivisionError), writing() as session:
        session.scalar(select(Order).where(Order.number == "88")).customer = "Never"
        session.flush()
        raise ZeroDivisionError
    assert found("never") == [] and found("aebelo") == ["88"]


def test_orders_from_before_the_index_are_added_in_the_background(orders):
    with writing() as session:
        session.execute(db.text("DELETE FROM order_search"))
    assert found("mug") == []
    search.installation.change_setting(search.FILLED_TO, 0, "test")
    search.fill(iter([False, True]).__next__)
    assert search.is_fill_due()
    search.fill()
    assert not search.is_fill_due() and len(found("mug")) == 2


@pytest.mark.parametrize("several", [False, True])
def test_erased_words_are_not_in_the_database_file_either(app, several):
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's vacuum does that")
    integration = make_integration()
    for number in range(40 if several else 1):
        make_order(
            integration, str(number), [("SKU", 1)], state="shipped", customer=f"Qvuxonia {number}", email="qwz@qzyx.example"
        )
    path = Path(db.engine.url.database)

    def left() -> bool:
        said = path.read_bytes() + Path(f"{path}-wal").read_bytes()
        return any(word in said.lower() for word in (b"qvuxonia", b"qzyx"))

    assert left()
    for order_id in db.session.scalars(select(Order.id)).all():
        privacy.erase_order(order_id)
    assert not left() and not search.is_work_due()
    assert found("qvuxonia") == []
    assert db.session.scalar(db.text("SELECT count(*) FROM order_search WHERE order_search MATCH 'sku'")) == (
        40 if several else 1
    )


WHY = {
    "mug-red": [("SKU", "MUG-RED-42")], "42 zoe": [("SKU", "MUG-RED-42"), ("Customer", "Zoë Nguyễn")], "zoe.nguyen@shop": [("Email", "zoe.nguyen@shop.example")],
    "123 mug": [("SKU", "MUG-RED-42")], "e-88": [("ID in the shop", "e-88")], "id:e-88": [("ID in the shop", "e-88")], "777": [], "#900": [], "0012": [],
}  # fmt: skip


def test_a_found_order_says_why_unless_its_number_does(orders):
    for wanted, why in WHY.items():
        rows = views.list_page(views.Wanted(search=wanted, customers=True)).rows
        assert why in [row.matched for row in rows], wanted
    for wanted, numbers in SEARCHES.items():
        for row in views.list_page(views.Wanted(search=wanted, customers=True)).rows:
            said = " ".join([row.number, *(value for _, value in row.matched)])
            known = {form for word in words_of(said) for form in (word, word.lstrip("0"))}
            assert all(any(word.startswith(part) for word in known) for part in words_of(wanted.removeprefix("id:"))), (
                wanted,
                numbers,
            )


def test_why_an_order_was_found_tells_nothing_of_customers_to_those_who_may_not_see_them(orders):
    rows = views.list_page(views.Wanted(search="42", customers=False)).rows
    assert {name for row in rows for name, _ in row.matched} == {"SKU"}


def test_a_whole_tracking_number_finds_its_orders_and_says_so_to_those_who_may_see_customers(orders):
    """A customer or a carrier asks about a parcel and has nothing but its number."""
    ids = dict(db.session.execute(select(Order.number, Order.id)).all())
    with writing() as session:
        for number, tracking in (("A1", "RM100000001GB"), ("88", "1Z 999 AA1"), ("7", "")):
            session.add(Shipment(order_id=ids[number], tracking_number=tracking, actor="user:ann"))
    assert found("RM100000001GB") == found(" rm100000001gb ") == ["A1"]
    assert found("1Z 999 AA1") == ["88"] and found("RM10000000") == []
    assert found("RM100000001GB", customers=False) == []
    assert views.list_page(views.Wanted(search="rm100000001gb", customers=True)).rows[0].matched == [
        ("Tracking number", "RM100000001GB")
    ]


def test_a_tracking_number_that_only_the_shop_has_finds_its_order_too(orders):
    """Many are entered in the shop, by a person or a carrier's addon."""
    ids = dict(db.session.execute(select(Order.number, Order.id)).all())
    with writing() as session:
        session.get_one(Order, ids["A1"]).tracking_numbers = ["JJD 0003-41", "4711"]
        session.add(Shipment(order_id=ids["A1"], tracking_number="4711", actor="user:ann"))
    assert found("JJD 0003-41") == found("jjd000341") == found("4711") == ["A1"]
    assert found("JJD 0003") == found("jjd") == found("№4711№ x") == found("-") == []
    assert found("4711", customers=False) == found("jjd000341", customers=False) == []
    for typed, said in (("jjd0003-41", "JJD 0003-41"), ("4711", "4711")):
        row = views.list_page(views.Wanted(search=typed, customers=True)).rows[0]
        assert row.matched == [("Tracking number", said)]
    with writing() as session:
        session.get_one(Order, ids["A1"]).tracking_numbers = []
    assert found("jjd000341") == []
    with writing() as session:
        row = session.get_one(Order, ids["A1"])
        row.tracking_numbers, row.state = ["T-9"], "shipped"
    assert found("t9") == ["A1"]
    privacy.erase_order(ids["A1"])
    assert found("t9") == []


def test_what_is_written_out_with_many_letters_can_be_typed_and_be_a_tracking_number(orders):
    """One character stands for 15 letters: PostgreSQL takes no word of more than 2,046 bytes."""
    long = "\ufdfa" * 200
    assert found(long) == found("\U0001d538" * 200) == []
    with writing() as session:
        order = session.scalars(select(Order).where(Order.number == "A1")).one()
        order.tracking_numbers = [long, "\U00020000" * 255]
    assert found(long) == found("\U00020000" * 255) == ["A1"]


def test_what_is_erased_while_the_index_is_filled_is_not_found_afterwards(app, orders, monkeypatch):
    """The words had been read before, and were written after it."""
    order_id = db.session.scalars(select(Order.id).where(Order.number == "A1")).one()
    with writing() as session:
        session.get_one(Order, order_id).state = "shipped"
        session.get_one(Order, order_id).tracking_numbers = ["T-9"]
    write, erasing = search.write, []

    def erase():
        with app.app_context():
            privacy.erase_order(order_id)

    def write_after_erasing(rows):
        rows = list(rows)
        if not erasing:
            erasing.append(threading.Thread(target=erase))
            erasing[0].start()
            erasing[0].join(1)
        write(rows)

    db.session.rollback()
    installation.change_setting(search.FILLED_TO, 0, "test")
    monkeypatch.setattr(search, "write", write_after_erasing)
    search.fill()
    erasing[0].join()
    monkeypatch.undo()
    assert found("t9") == []
