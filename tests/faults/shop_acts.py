"""What happens in the shops of a day: sales, edits, faults, changed answers, and what a merchant does there."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from sqlalchemy import select

import jobs
import jobs.schedule
from extensions import db
from models import Order, WriteBack
from practice_shop import PracticeShop
from practice_shop.proxy import Rule
from services.shipping import shipments
from services.stock import items
from tests.faults.house import House
from tests.faults.shop_faults import CHANGED, EMPTIED, LIES, MISLEADING, ONE_PAGE, SHOP_FAULTS, UNWRITTEN

SKUS = ("CUP", "PLATE", "BOWL", "JUG")
VOUCHER = "VOUCHER"
"""A product whose inventory is off."""
QUIET = 16
"""Products that nobody buys: a shop is larger than what moves in it."""


class ShopActs:
    """The part of ``tests.faults.acts.Acts`` that concerns shops."""

    house: House
    chance: random.Random
    story: list[str]
    events: Counter[str]
    shops: dict[str, PracticeShop]
    ids: dict[str, int]
    shop_ids: dict[str, int]
    names: list[str]
    lied: bool
    spoiled: list[tuple[PracticeShop, int, dict]]
    twins_cut: list[tuple[PracticeShop, int]]
    _act: Callable[..., bool]

    def _furnish(self, shop: PracticeShop) -> None:
        store = shop.store
        for sku in SKUS:
            store.add_product(sku=sku, name=sku.title(), price=10, amount=self.chance.randint(3, 30))
        for number in range(QUIET):
            store.add_product(sku=f"QUIET-{number}", name="Never sold", price=3, amount=number)
        parent = store.add_product(sku=f"SHIRT-{shop.generation}", name="Shirt", price=12, amount=0)
        store.add_variant(parent, sku="SHIRT-M", amount=12)
        # One listing of some shops has no own stock: not more, as exempt listings are counted.
        uncounted = self.chance.choice(("", "voucher", "size"))
        if uncounted == "voucher":
            store.add_product(sku=VOUCHER, name="Voucher", price=5, inventory_enabled=False)
        elif uncounted == "size":
            store.set_amount(parent, 15)
            store.add_variant(parent, sku="SHIRT-L", default_amount=True)
        for _ in range(self.chance.randint(0, 7)):
            self._place(store)

    def _place(self, store) -> None:
        self.events["order placed"] += 1
        older = any(shop.store is store and shop.generation == "addon" for shop in self.shops.values())
        ghost = self.chance.random() < 0.05 and older
        store.place_order(lines=self._lines(store), payment=self.chance.choice(("P", "P", "P", "A", "Q")), profile=not ghost)

    def _lines(self, store) -> list:
        variants = [(variant.product_id, variant.id) for variant in store.variants.values()]
        parents = {product_id for product_id, _ in variants}
        buyable = [one.id for one in store.products.values() if one.id not in parents and one.sku in (*SKUS, VOUCHER)] + variants
        return [(what, self.chance.randint(1, 3)) for what in self.chance.sample(buyable, self.chance.randint(1, 2))]

    def _any(self) -> str:
        return self.chance.choice(self.names)

    def _name_of(self, shop: PracticeShop) -> str:
        """What a shop is called here, whichever generation it speaks by now."""
        return next(name for name, each in self.shops.items() if each is shop)

    def _an_order_there(self) -> tuple[PracticeShop, int] | None:
        shop = self.shops[self._any()]
        ids = list(shop.store.orders)
        return (shop, self.chance.choice(ids)) if ids else None

    def sell(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            self._place(self.shops[self._any()].store)

    def edit(self) -> None:
        if found := self._an_order_there():
            shop, order_id = found
            shop.store.edit_order(order_id, lines=self._lines(shop.store))

    def pay(self) -> None:
        self._set_payment("P")

    def cancel(self) -> None:
        self._set_payment("C")

    def refund(self) -> None:
        self._set_payment("R")

    def _set_payment(self, code: str) -> None:
        if found := self._an_order_there():
            found[0].store.set_status(found[1], payment=code)

    def ship_there(self) -> None:
        if found := self._an_order_there():
            found[0].store.set_status(found[1], shipping=self.chance.choice(("S", "S", "D", "WND")))

    def tamper(self) -> None:
        # Somebody changes a quantity in the shop's own pages: the daily reading of all listings finds it.
        self.lied = True
        store = self.shops[self._any()].store
        store.set_amount(
            self.chance.choice([one.id for one in store.products.values() if one.sku in SKUS]), self.chance.randint(0, 20)
        )

    def break_shop(self) -> None:
        self._break(self.chance.choice(SHOP_FAULTS))

    def break_page(self) -> None:
        self._break(self.chance.choice(ONE_PAGE))

    def lie(self) -> None:
        self.lied = True
        self._break(self.chance.choice(LIES))

    def _break(self, fault: dict) -> None:
        name = self._any()
        self.shops[name].faults.replace(fault)
        self.story[-1] += f" {name} {fault}"

    def change_answers(self) -> None:
        self._change(self.chance.choice(CHANGED))

    def block_writes(self) -> None:
        self._change(self.chance.choice(UNWRITTEN))

    def push_in_trouble(self) -> None:
        """Stock changes, and the shop takes no writes for a while, or not all of them."""
        self._change(self.chance.choice(UNWRITTEN))
        for sku in self.chance.sample((*SKUS, "SHIRT-M", "QUIET-3", "QUIET-5", "QUIET-7"), self.chance.choice((1, 1, 2, 4, 6))):
            quantity = self.chance.randint(0, 25)
            self._act(lambda sku=sku, quantity=quantity: items.set_stock(sku, quantity, "test"))
        self._intervals(self.chance.choice((1, 1, 2, 4)))
        if self.chance.random() < 0.6:
            self.house.fronts[self.names[0]].clear()
            self.house.fronts[self.names[-1]].clear()

    def mislead_polls(self) -> None:
        """Polls find nothing new whatever happens, or are answered well while readings fail; orders come meanwhile."""
        self._change(self.chance.choice(MISLEADING))
        for _ in range(self.chance.choice((1, 2))):
            self.sell()
        self._intervals(self.chance.choice((1, 2, 4)))

    def cap_amounts(self) -> None:
        """A plugin of the shop stores at most so many pieces, whatever is sent: another value than the books offer."""
        name, most = self._any(), self.chance.choice((0, 4, 9))
        self.shops[name].store.most_amount = most
        self.story[-1] += f" {name} {most}"
        for _ in range(self.chance.choice((1, 2))):
            self.set_stock()
        self._intervals(self.chance.choice((1, 2, 3)))
        if self.chance.random() < 0.6:
            self.shops[name].store.most_amount = None

    def empty_lists(self) -> None:
        """The catalogue or the orders are suddenly empty, and the listings are read."""
        self.lied = True
        self._change(self.chance.choice(EMPTIED))
        name = self._any()
        if self._act(lambda: jobs.start_run(self.ids[name], "listings", "user:test"), watched=False):
            self._intervals(1)

    def ship_too_late(self) -> None:
        """An order is cancelled, declined or refunded in the shop, and shipped here before the next reading."""
        if found := self._an_order("ready", "part_shipped"):
            shop_id, external_id = self.house.do(
                lambda: db.session.execute(select(Order.shop_id, Order.external_id).where(Order.id == found[0])).one()
            )
            name = next(each for each, known in self.shop_ids.items() if known == shop_id)
            order = self.shops[name].store.order(int(external_id)) if external_id.isdigit() else None
            if order is not None:
                self.shops[name].store.set_status(order.id, payment=self.chance.choice(("C", "D", "R")))
            self._ship_whole(found[0], f"L{found[0]}")
            self._intervals(1)

    def spoil(self) -> None:
        """A shop can no longer print an order: a line's product is gone, it has no currency, no profile. It may be cancelled too."""
        if not (found := self._an_order_there()) or any(found[1] == order_id for _, order_id, _ in self.spoiled):
            return
        shop, order_id = found
        self.lied = True
        order = shop.store.order(order_id)
        faults = ({"profile": None},) if shop.generation == "addon" else ({"currency": None}, {"product_id": None})
        fault = self.chance.choice(faults)
        self.spoiled.append((shop, order_id, {name: getattr(_bearer(order, name), name) for name in fault}))
        for name, value in fault.items():
            setattr(_bearer(order, name), name, value)
        shop.store.touch_order(order)
        if self.chance.random() < 0.5:
            shop.store.set_status(order_id, payment="C")
        self.story[-1] += f" {shop.generation} {order_id} {fault}"
        self._intervals(self.chance.choice((1, 2)))

    def delete_order(self) -> None:
        """The merchant deletes an order for good."""
        found = self._an_order_there()
        if found is None or found[1] in {number for _, number, *_ in (*self.spoiled, *self.twins_cut)}:
            return
        self.lied = True
        shop, order_id = found
        shop.store.delete_order(order_id)
        self.story[-1] += f" {shop.generation} {order_id}"
        self._intervals(self.chance.choice((0, 1, 2)))

    def import_order(self) -> None:
        """A program of the merchant's writes an order into the shop without a time of its last change: a reading by change shows it last,
        and the daily reconciliation finds it."""
        self.lied = True
        shop = self.shops[self._any()]
        order = shop.store.order(shop.store.place_order(lines=self._lines(shop.store)))
        order.renewed = 0
        shop.store.touch_order(order, renewed=False)
        self.story[-1] += f" {shop.generation} {order.id}"

    def upgrade(self) -> None:
        """A shop of X-Cart 5.4 becomes one of 5.5: the same goods and orders behind another API. Runs find it before a person enters its key."""
        shop = self.shops.get("addon")
        if shop is None or shop.generation != "addon":
            return
        self.lied = True
        shop.speak("api")
        self._intervals(self.chance.choice((0, 1, 2)))
        shop.key, shop.read_key = "another-full-key-2", "practice-read-key"
        self._restore_key("addon", shop)
        self._intervals(self.chance.choice((0, 1)))

    def repair(self) -> None:
        """The fault is repaired; the order's time of change does not move (X-Cart 5.5, observed)."""
        for shop, order_id, before in self.spoiled:
            order = shop.store.order(order_id)
            for name, value in before.items():
                setattr(_bearer(order, name), name, value)
            shop.store.touch_order(order, renewed=False)
        self.spoiled = []

    def reuse_ids(self) -> None:
        """A shop is restored from a backup: orders that were read, and perhaps shipped, are lost, and their ids go to other orders."""
        waiting = select(WriteBack.id).where(WriteBack.state.in_(("waiting", "sending"))).limit(1)
        if self.spoiled or self.house.do(lambda: db.session.scalar(waiting)):
            return
        self.lied = True
        shop = self.shops[self._any()]
        shop.store.backup()
        count = self.chance.randint(1, 3)
        for _ in range(count):
            shop.store.place_order(lines=self._lines(shop.store), email="first@example.com")
        self._intervals(1)
        if self.chance.random() < 0.5:
            self.ship()
        self.house.clock.step(70)
        shop.store.restore()
        for _ in range(count):
            shop.store.place_order(lines=self._lines(shop.store), email="second@example.com")
        self._intervals(1)

    def twins(self) -> None:
        """An order has two lines of one SKU. One piece is shipped, and the shop removes that line."""
        shop = self.shops[self._any()]
        what = next(one.id for one in shop.store.products.values() if one.sku in SKUS)
        order_id = shop.store.place_order([(what, 1, 10, (("Engraving", "1"),)), (what, 1, 10, (("Engraving", "2"),))])
        self._intervals(1)

        def lines_here() -> tuple[int, list[int]] | None:
            row = db.session.scalar(
                select(Order).where(Order.shop_id == self.shop_ids[self._name_of(shop)], Order.external_id == str(order_id))
            )
            return (row.id, [line.id for line in row.lines]) if row is not None and row.state == "ready" else None

        found = self.house.do(lines_here)
        if found is None or len(found[1]) != 2:
            return
        here, lines = found
        shipped = self._act(lambda: shipments.ship(here, "test", tracking_number=f"E{here}", quantities={lines[0]: 1}))
        self._intervals(1)
        if shipped:
            kept = shop.store.order(order_id).items[1]
            shop.store.edit_order(order_id, [(what, 1, 10, (("Engraving", "2"),), kept.id)])
            self.twins_cut.append((shop, order_id))
        self._intervals(1)

    def skew_date(self) -> None:
        """A proxy in front of the shop has another clock: the ``Date`` header of its answers is ahead or behind."""
        name, minutes = self._any(), self.chance.choice((-25, 25, 25))
        self.house.fronts[name].date_shift = minutes * 60
        self.story[-1] += f" {name} {minutes} min"

    def put_back(self) -> None:
        """Payment and shipping status change in the shop, in any combination, and the next runs see it."""
        for _ in range(self.chance.randint(1, 3)):
            if found := self._an_order_there():
                shop, order_id = found
                shop.store.set_status(order_id, payment=self.chance.choice(("C", "D", "R", "R", "P")))
                if self.chance.random() < 0.4:
                    # Never back to an open status: what was sent before would then look as if it had been lost.
                    shown = shop.store.status("shipping", shop.store.order(order_id).shipping_id)
                    further = ("R",) if shown is not None and shown.code in ("S", "D", "R", "WND") else ("P", "R", "D", "WND")
                    shop.store.set_status(order_id, shipping=self.chance.choice(further))
        self._intervals(1)

    def _intervals(self, count: int) -> None:
        """So many intervals pass, with their ticks and jobs."""
        for _ in range(count):
            self.house.clock.step(310)
            self._act(jobs.schedule.tick)
            for _ in range(8):
                if not self._job():
                    break

    def _change(self, rule: dict) -> None:
        name = self._any()
        self.house.fronts[name].set(Rule(**rule))
        self.story[-1] += f" {name} {rule}"

    def repair_shop(self) -> None:
        name = self._any()
        self.shops[name].faults.clear()
        self.shops[name].store.most_amount = None
        self.house.fronts[name].clear()

    def skew(self) -> None:
        self.lied = True
        name, seconds = self._any(), float(self.chance.choice((-7200, -300, 300, 7200)))
        self.shops[name].faults.replace({"clock_skew": seconds})
        self.story[-1] += f" {name} {seconds}"

    def revoke(self) -> None:
        shop = self.shops[self._any()]
        shop.key = None

    def read_only(self) -> None:
        shop = self.shops[self._any()]
        shop.read_key, shop.key = shop.key or "practice-full-key", "another-full-key-1"


def _bearer(order, name: str):
    """What of an order holds an attribute: its first line for ``product_id``."""
    return order.items[0] if name == "product_id" else order
