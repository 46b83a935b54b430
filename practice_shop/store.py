"""The state of one practice shop: its catalogue, its orders, its statuses, its customers.

A store knows nothing of HTTP. Everything that reads or writes it over the wire holds `store.lock`.
Each change raises `catalogue_version` or `orders_version`, so that rendered pages can be kept until then.
"""

import copy
import pickle
import threading
import time
from collections import defaultdict

from . import statuses
from .records import Item, Order, Product, Status, Tracking, Variant
from .sales import Sales
from .switches import SWITCHES, check_switches

MAX_INT = 2147483647


class Store(Sales):
    """A shop to be filled by hand, by `generate.fill`, or by a loader of a test.

    `currency` is the ISO code new orders get, `natural_order` is "id" (what MySQL happens to do) or "any":
    lists without an explicit order then come in an order of their own on each page, as the real shop may.
    `supports_update_date` is whether `_cnd[updateDate]` filters (only where a marketing add-on is enabled).
    `has_variants_module` switched off makes the variants' path unknown. `newer_api` turns the `api` generation into
    what a version after the observed one may do: a readable description, more filters, a path for tracking numbers.
    With `most_amount` the shop stores no larger quantity, as a plugin that limits them does.
    """

    def __init__(self, *, clock=time.time, currency: str = "USD"):
        self.lock = threading.RLock()
        self._clock = clock
        self.clock_skew = 0.0
        self.currency = currency
        self.natural_order = "id"
        self.supports_update_date = False
        self.has_variants_module = True
        self.newer_api = False
        self.server_utc_offset = 0
        self.url = "http://shop.example"
        self.products: dict[int, Product] = {}
        self.variants: dict[int, Variant] = {}
        self.orders: dict[int, Order] = {}
        self.trackings: dict[int, Tracking] = {}
        self.statuses: dict[str, dict[int, Status]] = {
            "payment": statuses.table(statuses.PAYMENT),
            "shipping": statuses.table(statuses.SHIPPING),
        }
        self.variants_of: dict[int, list[int]] = defaultdict(list)
        self.items: dict[int, Item] = {}
        self.items_of: dict[int, set[int]] = defaultdict(set)
        self.mails: list[dict] = []
        self.sessions: set[str] = set()
        self.mail_fails = False
        self.most_amount: int | None = None
        self.catalogue_version = 0
        self.orders_version = 0
        self._last_ids: dict[str, int] = defaultdict(int)
        self._backup: Store | None = None

    # Time

    @property
    def clock(self):
        """Callable returning the shop's own unix time, skew included. Assign a callable to replace the clock."""
        return self._now

    @clock.setter
    def clock(self, value) -> None:
        self._clock = value

    def _now(self) -> float:
        return self._clock() + self.clock_skew

    def now(self) -> int:
        """The shop's own time in whole unix seconds."""
        return int(self._now())

    def next_id(self, table: str) -> int:
        """The next auto-increment id of `table`."""
        self._last_ids[table] += 1
        return self._last_ids[table]

    def reserve_ids(self, table: str, highest: int) -> None:
        """Make sure later rows of `table` get ids above `highest`."""
        self._last_ids[table] = max(self._last_ids[table], highest)

    # Catalogue

    def add_product(self, *, sku, name, price, amount=0, inventory_enabled=True, enabled=True, id=None, **more) -> int:
        """Put a product into the catalogue and return its id. `more` sets further fields of `Product`; the parameters are its fields too."""
        with self.lock:
            if id is None:
                id = self.next_id("product")
            self.reserve_ids("product", id)
            now = self.now()
            more.setdefault("created", now)
            more.setdefault("updated", more["created"])
            more.setdefault("arrival", more["created"])
            self.products[id] = Product(
                id=id,
                sku=sku,
                name=name,
                price=price,
                amount=amount,
                inventory_enabled=inventory_enabled,
                enabled=enabled,
                **more,
            )
            self.touch_product(id, face=False)
            return id

    def add_variant(self, product_id, *, sku, amount=0, default_amount=False, attributes=None, id=None, **more) -> int:
        """Give a product a variant and return the variant's id.

        With `default_amount` the variant takes its product's stock and its own `amount` is ignored. The parameters are fields of `Variant`.
        """
        with self.lock:
            product = self.products[product_id]
            if id is None:
                id = self.next_id("variant")
            self.reserve_ids("variant", id)
            more.setdefault("price", product.price)
            more.setdefault("default_value", not self.variants_of[product_id])
            self.variants[id] = Variant(
                id=id,
                product_id=product_id,
                sku=sku,
                amount=amount,
                default_amount=default_amount,
                attributes=dict(attributes or {}),
                **more,
            )
            self.variants_of[product_id].append(id)
            self.touch_product(product_id, face=False)
            return id

    def delete_product(self, product_id: int) -> bool:
        """Take a product out of the shop: order lines keep its name and SKU and lose its id."""
        with self.lock:
            if self.products.pop(product_id, None) is None:
                return False
            for variant_id in self.variants_of.pop(product_id, []):
                del self.variants[variant_id]
            for item_id in self.items_of.pop(product_id, ()):
                item = self.items[item_id]
                item.product_id = item.variant_id = None
                self.orders[item.order_id].revision += 1
            self.catalogue_version += 1
            self.orders_version += 1
            return True

    def delete_variant(self, variant_id: int) -> bool:
        with self.lock:
            variant = self.variants.pop(variant_id, None)
            if variant is None:
                return False
            self.variants_of[variant.product_id].remove(variant_id)
            self.touch_product(variant.product_id)
            return True

    def touch_product(self, product_id: int, face: bool = True) -> None:
        """Note that a product changed. `face` says that orders show the change (its name, weight, address)."""
        product = self.products.get(product_id)
        if product is not None:
            product.revision += 1
        self.catalogue_version += 1
        if face:
            for item_id in self.items_of.get(product_id, ()):
                self.orders[self.items[item_id].order_id].revision += 1
            self.orders_version += 1

    def set_amount(self, product_id: int, amount: int) -> None:
        """Set a product's quantity as the shop does: never below zero, never above what its column holds."""
        with self.lock:
            product = self.products[product_id]
            product.amount = self._accepted(amount)
            product.updated = self.now()
            product.need_process = False
            self.touch_product(product_id, face=False)

    def set_variant_amount(self, variant_id: int, amount: int) -> None:
        """Set a variant's own quantity, with the same limits as a product's."""
        with self.lock:
            variant = self.variants[variant_id]
            variant.amount = self._accepted(amount)
            self.touch_product(variant.product_id, face=False)

    def _accepted(self, amount: int) -> int:
        most = MAX_INT if self.most_amount is None else self.most_amount
        return min(max(int(amount), 0), most)

    def rename(self, product_id: int, sku: str | None, *, variant_id: int | None = None) -> None:
        """Give a product, or one of its variants, another SKU. Orders keep the SKU of the sale (5.4 and 5.5, observed)."""
        with self.lock:
            thing = self.products[product_id] if variant_id is None else self.variants[variant_id]
            thing.sku = sku
            self.touch_product(product_id, face=False)

    def amount(self, product_id: int) -> int:
        """The product's own quantity now."""
        with self.lock:
            return self.products[product_id].amount

    def variant_amount(self, variant_id: int) -> int:
        """The variant's quantity now: its own, or its product's where it takes that."""
        with self.lock:
            variant = self.variants[variant_id]
            return self.products[variant.product_id].amount if variant.default_amount else variant.amount

    def product_by_sku(self, sku: str) -> Product | None:
        """The first product with exactly this SKU. The shop does not keep SKUs apart: there may be more."""
        with self.lock:
            return next((product for product in self.products.values() if product.sku == sku), None)

    def variant_by_sku(self, sku: str) -> Variant | None:
        with self.lock:
            return next((variant for variant in self.variants.values() if variant.sku == sku), None)

    # Orders and what belongs to them

    def order(self, order_id: int) -> Order | None:
        """The order with this id, or None."""
        with self.lock:
            return self.orders.get(order_id)

    def adopt_order(self, order: Order) -> None:
        """Put a ready-made order into the shop, with the ids it and its parts already have."""
        with self.lock:
            self.orders[order.id] = order
            self.reserve_ids("order", order.id)
            for item in order.items:
                self.items[item.id] = item
                self.reserve_ids("item", item.id)
                if item.product_id is not None:
                    self.items_of[item.product_id].add(item.id)
            for tracking in order.trackings:
                self.trackings[tracking.id] = tracking
            for table, parts in (
                ("surcharge", order.surcharges),
                ("tracking", order.trackings),
                ("transaction", order.transactions),
                ("event", order.events),
                ("profile", [profile for profile in (order.profile, order.customer) if profile]),
            ):
                self.reserve_ids(table, max((part.id for part in parts), default=0))
            self.touch_order(order, renewed=False)

    def tracking(self, order_id: int) -> list[str]:
        """The tracking numbers of an order, in the order they were added, duplicates included."""
        with self.lock:
            return [tracking.value for tracking in self.orders[order_id].trackings]

    def touch_order(self, order: Order, renewed: bool = True) -> None:
        """Note that an order changed. `renewed` moves `lastRenewDate`: tracking numbers do not."""
        if renewed:
            order.renewed = self.now()
        order.revision += 1
        self.orders_version += 1

    def add_tracking(self, order: Order | None, value: str) -> Tracking:
        """Write a tracking number, once more if it is there already. Without an order it is an orphan."""
        with self.lock:
            tracking = Tracking(self.next_id("tracking"), order.id if order else None, value, self.now())
            self.trackings[tracking.id] = tracking
            if order is not None:
                order.trackings.append(tracking)
                self.touch_order(order, renewed=False)
            return tracking

    def change_tracking(self, tracking: Tracking, value: str) -> None:
        with self.lock:
            tracking.value = value
            order = self.orders.get(tracking.order_id)
            if order is not None:
                self.touch_order(order, renewed=False)

    def delete_tracking(self, tracking_id: int) -> bool:
        with self.lock:
            tracking = self.trackings.pop(tracking_id, None)
            if tracking is None:
                return False
            order = self.orders.get(tracking.order_id)
            if order is not None:
                order.trackings.remove(tracking)
                self.touch_order(order, renewed=False)
            return True

    def delete_order(self, order_id: int) -> bool:
        with self.lock:
            order = self.orders.pop(order_id, None)
            if order is None:
                return False
            for item in order.items:
                self._forget_item(item)
            for tracking in order.trackings:
                self.trackings.pop(tracking.id, None)
            self.orders_version += 1
            return True

    # Statuses

    def status(self, kind: str, status_id: int | None) -> Status | None:
        """The row of a status; `kind` is "payment" or "shipping"."""
        return self.statuses[kind].get(status_id) if status_id is not None else None

    def status_by_code(self, kind: str, code: str) -> Status | None:
        """The status with this code, compared as MySQL compares: without regard to case."""
        wanted = str(code).casefold()
        return next((s for s in self.statuses[kind].values() if s.code is not None and s.code.casefold() == wanted), None)

    def add_status(self, kind: str, code: str | None, name: str, position: int | None = None) -> int:
        """Add a status of the merchant's own; `code` may be None. Returns its id."""
        with self.lock:
            rows = self.statuses[kind]
            status_id = max(rows) + 1
            rows[status_id] = Status(status_id, code, position if position is not None else status_id * 10, name)
            return status_id

    def delete_status(self, kind: str, status_id: int) -> bool:
        with self.lock:
            if self.statuses[kind].pop(status_id, None) is None:
                return False
            for order in self.orders.values():
                if order.status_id(kind) == status_id:
                    order.set_status(kind, None)
                    order.revision += 1
            self.orders_version += 1
            return True

    def change_status_row(self, kind: str, status: Status, **fields) -> None:
        """Change a status itself (its code, its name), for every order of the shop."""
        with self.lock:
            for name, value in fields.items():
                setattr(status, name, value)
            for order in self.orders.values():
                if status.id in (order.payment_id, order.shipping_id):
                    order.revision += 1
            self.orders_version += 1

    def set_switches(self, switches: dict) -> dict:
        """Set the shop's own switches by name and return them all. Raises ValueError for what there is not."""
        check_switches(switches)
        with self.lock:
            for name, value in switches.items():
                setattr(self, name, value)
            self.catalogue_version += 1
            self.orders_version += 1
        return {name: getattr(self, name) for name in SWITCHES}

    def snapshot(self) -> "Store":
        """A copy of the shop as it is now, untouched by what happens later."""
        with self.lock:
            frozen = copy.copy(self)
            tables = {name: value for name, value in vars(self).items() if isinstance(value, (dict, list, set))}
            vars(frozen).update(pickle.loads(pickle.dumps(tables, pickle.HIGHEST_PROTOCOL)))
            frozen.lock = threading.RLock()
            return frozen

    def backup(self) -> None:
        """Remember the shop as it is now, for `restore`."""
        self._backup = self.snapshot()

    def restore(self) -> None:
        """Go back to the last `backup`, as a merchant does: orders, stock and the counters of ids are those of then, so that ids
        and numbers are given again to new orders. Raises ValueError where there is no backup."""
        backup = self._backup
        if backup is None:
            raise ValueError("There is no backup.")
        with self.lock:
            catalogue, orders = self.catalogue_version, self.orders_version
            tables = {name: value for name, value in vars(backup).items() if isinstance(value, (dict, list, set))}
            vars(self).update(pickle.loads(pickle.dumps(tables, pickle.HIGHEST_PROTOCOL)))
            self.catalogue_version, self.orders_version = catalogue + 1, orders + 1
            for row in (*self.orders.values(), *self.products.values()):
                # Rendered pages are kept by revision: one of before the restore must not be shown again.
                row.revision += 1000 + self.orders_version

    def summary(self) -> dict:
        """Counts and sums of the shop, for a page or a test."""
        with self.lock:
            return {
                "products": len(self.products),
                "disabled_products": sum(not product.enabled for product in self.products.values()),
                "variants": len(self.variants),
                "orders": len(self.orders),
                "trackings": len(self.trackings),
                "units_on_hand": sum(product.amount for product in self.products.values())
                + sum(variant.amount for variant in self.variants.values()),
                "orders_total": round(sum(order.total for order in self.orders.values()), 2),
                "sessions": len(self.sessions),
                "mails": len(self.mails),
                "catalogue_version": self.catalogue_version,
                "orders_version": self.orders_version,
                "statuses": {
                    kind: {row.code or f"#{row.id}": row.name for row in rows.values()} for kind, rows in self.statuses.items()
                },
            }
