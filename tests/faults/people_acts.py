"""What people do on a day: they connect shops, ship, set stock, approve, and enter keys."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select

from extensions import db
from models import Integration, Order, OrderLine, Shipment
from practice_shop import PracticeShop
from services.integrations import lifecycle
from services.listings import stock_push
from services.shipping import shipments, undo, voiding
from services.stock import items
from tests.faults import connecting
from tests.faults.house import House
from tests.faults.shop_acts import SKUS


class PeopleActs:
    """The part of ``tests.faults.acts.Acts`` that concerns people."""

    house: House
    chance: random.Random
    events: Counter[str]
    shops: dict[str, PracticeShop]
    ids: dict[str, int]
    shop_ids: dict[str, int]
    names: list[str]
    _act: Callable[..., bool]
    _any: Callable[[], str]
    sync_now: Callable[[], None]

    def _connect(self, name: str) -> None:
        front, since = self.house.fronts[name], self.house.clock.now() - timedelta(days=30)

        def go() -> None:
            added = connecting.add(front.url, self.shops[name].generation, f"{name} shop", since, shop_id=self.shop_ids.get(name))
            self.ids[name], self.shop_ids[name] = added

        self.house.do(go)

    def set_stock(self) -> None:
        sku, quantity = self.chance.choice((*SKUS, "SHIRT-M", f"SHIRT-{self._any()}")), self.chance.randint(0, 25)
        self._act(lambda: items.set_stock(sku, quantity, "test"))

    def _an_order(self, *states: str) -> tuple[int, list[tuple[int, int]]] | None:
        """(id, (line id, units left) …) of an order here."""

        def look():
            query = select(Order.id).order_by(Order.id)
            found = db.session.scalars(query.where(Order.state.in_(states)) if states else query).all()
            if not found:
                return None
            order_id = self.chance.choice(found)
            lines = db.session.execute(
                select(OrderLine.id, OrderLine.quantity - OrderLine.shipped).where(OrderLine.order_id == order_id)
            ).all()
            return order_id, [(line_id, left) for line_id, left in lines]

        return self.house.do(look)

    def ship(self) -> None:
        for _ in range(self.chance.randint(1, 2)):
            if found := self._an_order("ready", "part_shipped"):
                self._ship_whole(found[0], f"T{found[0]}" if self.chance.random() < 0.8 else "")

    def _ship_whole(self, order_id: int, number: str) -> None:
        together = self._together()
        made = self._act(lambda: shipments.ship(order_id, "test", carrier="C", tracking_number=number, together=together))
        self.events["shipment made"] += made

    def _together(self) -> shipments.Together:
        """People have half a minute to undo what they ship; programs have none."""
        return shipments.Together(undo.WAIT, "sheet") if self.chance.random() < 0.5 else shipments.ALONE

    def _a_shipment(self) -> int | None:
        query = select(Shipment.id).where(Shipment.voided_at.is_(None)).order_by(Shipment.id.desc()).limit(5)
        ids = self.house.do(lambda: db.session.scalars(query).all())
        return self.chance.choice(ids) if ids else None

    def undo_shipment(self) -> None:
        """Something is shipped, or was before, and a person takes it back: at once, or when it may have been sent."""
        if self.chance.random() < 0.6:
            self.ship()
        if self.chance.random() < 0.3:
            self.house.clock.step(self.chance.choice((20, 29, 31, 40)))
            self.sync_now()
        if (shipment_id := self._a_shipment()) is not None:
            self.events["shipment undone"] += self._act(lambda: undo.undo(shipment_id, "test"))

    def void(self) -> None:
        if (shipment_id := self._a_shipment()) is not None:
            self.events["shipment voided"] += self._act(lambda: voiding.void(shipment_id, "test"))

    def edit_tracking(self) -> None:
        if (shipment_id := self._a_shipment()) is not None:
            number = self.chance.choice(("", f"N{shipment_id}", f"N{shipment_id}-{self.chance.randint(1, 9)}"))
            done = self._act(lambda: voiding.edit_tracking(shipment_id, "test", carrier="D", tracking_number=number))
            self.events["tracking edited"] += done

    def ship_part(self) -> None:
        if found := self._an_order("ready", "part_shipped"):
            order_id, lines = found
            together = self._together()
            self.events["shipment made"] += self._act(
                lambda: shipments.ship(
                    order_id,
                    "test",
                    tracking_number=f"P{order_id}-{lines[0][1]}",
                    quantities={lines[0][0]: min(1, lines[0][1])},
                    together=together,
                )
            )

    def call_off(self) -> None:
        if found := self._an_order():
            self._act(lambda: shipments.cancel_order(found[0], "test"))

    def mark_seen(self) -> None:
        if found := self._an_order("cancelled"):
            self._act(lambda: shipments.mark_cancellation_seen([found[0]], "test"))

    def approve(self) -> None:
        self._act(lambda: stock_push.approve(self.ids[self._any()], "test"))

    def disable(self) -> None:
        self._act(lambda: lifecycle.set_enabled(self.ids[self._any()], False, "test"))

    def enable(self) -> None:
        for name in self.names:
            self._act(lambda name=name: lifecycle.set_enabled(self.ids[name], True, "test"))

    def remove(self) -> None:
        name, keep = self._any(), self.chance.random() < 0.3
        self._act(lambda: lifecycle.remove_integration(self.ids[name], "test", keep_reserved=keep))

    def add_again(self) -> None:
        for name in self.names:
            if self.house.do(lambda name=name: db.session.get_one(Integration, self.ids[name]).removed_at is not None):
                self._connect(name)

    def give_key(self) -> None:
        for name, shop in self.shops.items():
            self._restore_key(name, shop)

    def _restore_key(self, name: str, shop: PracticeShop) -> None:
        """The shop has a new key, and a person enters it."""
        if shop.key == connecting.KEY:
            return
        shop.key, shop.read_key = connecting.KEY, "practice-read-key"
        url = self.house.fronts[name].url
        self._act(lambda: connecting.enter_key(self.ids[name], url, shop.generation), watched=False)
