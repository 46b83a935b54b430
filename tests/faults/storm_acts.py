"""What happens in a storm, in the shops, by people and to machines. Each act is a method, drawn by its weight in ``WEIGHTS``."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from threading import Thread

from sqlalchemy import select

from extensions import db
from models import Integration, Order, OrderLine
from models.types import utcnow
from practice_shop import PracticeShop, Store
from practice_shop.proxy import Rule
from services.integrations import lifecycle
from services.shipping import shipments
from services.stock import items
from tests.faults import connecting
from tests.faults.browser import PAGES, Browser
from tests.faults.fleet import Fleet
from tests.faults.shop_faults import CHANGED, LIES, ONE_PAGE, SHOP_FAULTS, UNWRITTEN
from tests.faults.watched import Watched

SKUS = ("CUP", "PLATE", "BOWL")
WEIGHTS: dict[str, int] = {
    "sell": 8, "edit": 2, "pay": 1, "cancel": 2, "ship_there": 1, "set_stock": 4, "ship": 6, "look": 3,
    "toggle": 2, "remove": 1, "come_back": 1, "revoke": 1, "break_shop": 3, "lie": 1, "shop_down": 1, "repair_shop": 2,
    "change_answers": 2, "push_in_trouble": 4, "ship_too_late": 3,
    "kill_worker": 4, "kill_worker_alone": 3, "freeze_worker": 2, "kill_ticks": 1, "kill_scheduler": 1, "kill_web": 1,
    "kill_queue": 1, "lose_queue": 1, "flush_queue": 1, "restart_database": 2, "lock_database": 1, "fill_disk": 2,
}  # fmt: skip


class StormActs:
    """The acts of ``tests.faults.storm.Storm``."""

    fleet: Fleet
    browser: Browser
    chance: random.Random
    story: list[str]
    events: Counter[str]
    number: int
    lied: bool
    waiting: list[Thread]
    shops: dict[str, PracticeShop]
    fronts: dict[str, Watched]
    names: list[str]
    ids: dict[str, int]
    shop_ids: dict[str, int]
    _do: Callable[..., object]
    _surely: Callable[..., object]

    def _connect(self, name: str) -> None:
        url, called, since = self.fronts[name].url, f"{name} {self.number}", utcnow() - timedelta(days=30)

        def go() -> None:
            # A port that the shop of an older storm had is not that shop again: it is known by its id, not by its address.
            added = connecting.add(url, name, called, since, shop_id=self.shop_ids.get(name), by_address=False)
            self.ids[name], self.shop_ids[name] = added

        self._surely(go)

    def _place(self, shop: PracticeShop) -> None:
        self.events["order placed"] += 1
        shop.store.place_order(lines=self._lines(shop.store), payment=self.chance.choice(("P", "P", "P", "A")))

    def _lines(self, store: Store) -> list[tuple[int, int]]:
        return [(one, self.chance.randint(1, 2)) for one in self.chance.sample(list(store.products), self.chance.randint(1, 2))]

    def _any(self) -> PracticeShop:
        return self.shops[self.chance.choice(self.names)]

    def sell(self) -> None:
        for _ in range(self.chance.randint(2, 12)):
            self._place(self._any())

    def _with_order(self, act: Callable[[Store, int], object]) -> None:
        store = self._any().store
        if store.orders:
            act(store, self.chance.choice(list(store.orders)))

    def edit(self) -> None:
        self._with_order(lambda store, order_id: store.edit_order(order_id, lines=self._lines(store)))

    def pay(self) -> None:
        self._with_order(lambda store, order_id: store.set_status(order_id, payment="P"))

    def cancel(self) -> None:
        self._with_order(lambda store, order_id: store.cancel_order(order_id))

    def ship_there(self) -> None:
        self._with_order(lambda store, order_id: store.set_status(order_id, shipping="S"))

    def break_shop(self) -> None:
        fault = self.chance.choice((*SHOP_FAULTS, *ONE_PAGE))
        self._any().faults.replace(fault)
        self.story[-1] += f" {fault}"

    def lie(self) -> None:
        self.lied = True
        fault = self.chance.choice([each for each in LIES if "times" in str(each)])
        self._any().faults.replace(fault)
        self.story[-1] += f" {fault}"

    def shop_down(self) -> None:
        shop = self._any()
        shop.stop()
        time.sleep(0.5)
        shop.start()

    def repair_shop(self) -> None:
        name = self.chance.choice(self.names)
        self.shops[name].faults.clear()
        self.fronts[name].clear()

    def change_answers(self) -> None:
        self._change(self.chance.choice(CHANGED))

    def push_in_trouble(self) -> None:
        """The shop takes no writes for a while, or not all of them, and stock changes."""
        self._change(self.chance.choice(UNWRITTEN))
        for _ in range(self.chance.choice((1, 1, 3))):
            self.set_stock()

    def _change(self, rule: dict) -> None:
        name = self.chance.choice(self.names)
        self.fronts[name].set(Rule(**rule))
        self.story[-1] += f" {name} {rule}"

    def ship_too_late(self) -> None:
        """Orders are cancelled, declined or refunded in the shops, and others shipped here at the same time."""
        for _ in range(3):
            code = self.chance.choice("CDR")
            self._with_order(lambda store, order_id, code=code: store.set_status(order_id, payment=code))
        self.ship()

    def revoke(self) -> None:
        self._any().key = None

    def set_stock(self) -> None:
        sku, quantity = f"{self.chance.choice(SKUS)}-{self.number}", self.chance.randint(0, 60)
        self._do(lambda: items.set_stock(sku, quantity, "test"))

    def ship(self) -> None:
        def go() -> None:
            query = select(Order.id).where(Order.state == "ready", Order.shop_id.in_(self.shop_ids.values())).order_by(Order.id)
            ready = db.session.scalars(query).all()
            for order_id in self.chance.sample(list(ready), min(len(ready), self.chance.randint(1, 4))):
                part = self.chance.random() < 0.2
                line = db.session.scalar(select(OrderLine.id).where(OrderLine.order_id == order_id)) if part else None
                number = f"{'P' if part else 'T'}{order_id}"
                shipments.ship(order_id, "test", tracking_number=number, quantities={line: 1} if line else None)
                self.events["shipment made"] += 1

        self._do(go)

    def look(self) -> None:
        for page in self.chance.sample(PAGES, 2):
            self.browser.get(page)

    def toggle(self) -> None:
        name = self.chance.choice(self.names)
        self.browser.switch(self.ids[name], False)
        time.sleep(0.4)
        self.browser.switch(self.ids[name], True)

    def remove(self) -> None:
        name = self.chance.choice(self.names)
        self._do(lambda: lifecycle.remove_integration(self.ids[name], "test"))

    def come_back(self) -> None:
        self.remove()
        self._add_again()

    def _add_again(self) -> None:
        for name in self.names:
            if self._surely(lambda name=name: db.session.get_one(Integration, self.ids[name]).removed_at is not None):
                self._connect(name)

    def kill_worker(self) -> None:
        self.fleet.kill(self.chance.choice(("worker-1", "worker-2")))

    def kill_worker_alone(self) -> None:
        """Its work horse lives on for a little, and may end its page while the lease is its own: no longer."""
        self.fleet.kill(self.chance.choice(("worker-1", "worker-2")), whole=False)

    def freeze_worker(self) -> None:
        """Long enough for its runs to be taken for dead and gone on with by others; then it wakes up."""
        name, kill = self.chance.choice(("worker-1", "worker-2")), self.chance.random() < 0.5
        with self.fleet.frozen(name, also_kill=kill):
            until = time.monotonic() + 3.6
            while time.monotonic() < until:
                if self.chance.random() < 0.3:
                    self._place(self._any())
                time.sleep(0.3)
                self.fleet.supervise()

    def kill_ticks(self) -> None:
        self.fleet.kill("ticks")

    def kill_scheduler(self) -> None:
        self.fleet.kill(self.chance.choice(("scheduler-1", "scheduler-2")))

    def kill_web(self) -> None:
        self.browser.may_be_away = True
        self.fleet.kill("web")

    def kill_queue(self) -> None:
        self.fleet.queue_trouble = True
        self.fleet.kill("queue")

    def lose_queue(self) -> None:
        self.fleet.lose_queue()

    def flush_queue(self) -> None:
        self.fleet.flush_queue()

    def restart_database(self) -> None:
        if self.fleet.kind == "sqlite":
            self.lock_database()
        else:
            self.fleet.restart_database()

    def lock_database(self) -> None:
        self.waiting.append(self.fleet.lock_database(self.chance.choice((0.5, 1.5, 2.5))))

    def fill_disk(self) -> None:
        if not self.fleet.has_disk:
            self.lock_database()
            return
        with self.fleet.full_disk():
            until = time.monotonic() + self.chance.choice((0.6, 1.2, 2.0))
            while time.monotonic() < until:
                self._do(lambda: items.set_stock(f"CUP-{self.number}", self.chance.randint(0, 60), "test"))
                time.sleep(0.3)
                # What has ended over it stays down: a supervisor would start it again and again.
