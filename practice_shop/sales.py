"""Changes of a shop's orders and stock: selling, paying, shipping, editing, cancelling."""

from datetime import datetime

from . import statuses
from .records import Address, Event, Item, Order, Profile, Surcharge, Transaction

SURCHARGE_CLASSES = {
    "shipping": "XLite\\Logic\\Order\\Modifier\\Shipping",
    "tax": "XLite\\Module\\CDev\\SalesTax\\Logic\\Order\\Modifier\\Tax",
    "discount": "XLite\\Module\\CDev\\Coupons\\Logic\\Order\\Modifier\\Discount",
    "handling": "XLite\\Logic\\Order\\Modifier\\Handling",
}
SURCHARGE_WEIGHTS = {"shipping": 0, "discount": 100, "handling": 150, "tax": 200}


class Sales:
    """The acts on orders. Mixed into `Store`, whose tables it works on."""

    def place_order(
        self,
        lines,
        payment: str | None = "P",
        shipping: str | None = "N",
        at: datetime | float | None = None,
        shipping_cost: float = 0,
        surcharges=(),
        email: str = "customer@example.com",
        notes: str = "",
        number: str | None = None,
        profile: bool = True,
        currency: str | None = "USD",
        *,
        address: Address | None = None,
        shipping_address: Address | None = None,
        anonymous: bool = True,
        customer_id: int | None = None,
        payment_method: str = "Phone Ordering",
        method: tuple[int, str] = (1, "Courier"),
        coupons=(),
        take_stock: bool = True,
    ) -> int:
        """Sell: store an order, take its units off the shelf, and return its id.

        `lines` are (product id or (product id, variant id), quantity), optionally with a price as third.
        `at` is a datetime or unix seconds, now by default. `surcharges` are (type, code, name, value,
        include, available), the last two optional. An order without `profile` makes complex pages crash.
        Each field of an order can be given, so there are many parameters. Tests name the few they need.
        """
        with self.lock:
            placed = self.now() if at is None else int(at.timestamp() if isinstance(at, datetime) else at)
            order = Order(
                id=self.next_id("order"),
                number=number,
                date=placed,
                renewed=placed,
                payment_id=self._status_id("payment", payment),
                shipping_id=self._status_id("shipping", shipping),
                currency=currency,
                payment_method=payment_method,
                method_id=method[0],
                method_name=method[1],
                notes=notes,
                coupons=list(coupons),
            )
            if number is None:
                order.number = str(order.id)
            for line in lines:
                order.items.append(self._line(order, *line))
            rows = [("shipping", "SHIPPING", "Shipping cost", shipping_cost), *surcharges]
            order.surcharges = [self._surcharge(*row) for row in rows]
            if profile:
                self._attach_profiles(order, email, anonymous, customer_id, address, shipping_address)
            self._total(order)
            self._add_transaction(order, payment)
            if take_stock and not statuses.puts_back(order.payment_id, order.shipping_id):
                self._move_stock(order, -1)
                order.stock_status = "reduced"
            self.orders[order.id] = order
            self.touch_order(order, renewed=False)
            return order.id

    def set_status(self, order_id: int, payment: str | None = None, shipping: str | None = None) -> None:
        """Change an order's statuses by code, as an admin does: history, stock and mails included."""
        with self.lock:
            order = self.orders[order_id]
            changes = {}
            if payment is not None:
                changes["payment"] = self._status_id("payment", payment)
            if shipping is not None:
                changes["shipping"] = self._status_id("shipping", shipping)
            self.apply_statuses(order, changes, author="admin@example.com")

    def apply_statuses(self, order: Order, changes: dict[str, int], author: str = "REST API") -> bool:
        """Set statuses by id; `changes` maps "payment" or "shipping" to one. Returns whether any changed.

        Setting the status an order already has does nothing: no history, no mail.
        """
        with self.lock:
            before = {kind: order.status_id(kind) for kind in changes}
            was_back = self._is_back(order)
            real = [kind for kind in ("payment", "shipping") if kind in changes and before[kind] != changes[kind]]
            if not real:
                return False
            for kind in real:
                old = self.status(kind, before[kind])
                new = self.status(kind, changes[kind])
                order.set_status(kind, changes[kind])
                self._remember(
                    order,
                    f"CHANGE {kind.upper()} STATUS ORDER",
                    f"Order {kind} status changed from {{{{oldStatus}}}} to {{{{newStatus}}}}",
                    {"orderId": order.id, "newStatus": new.name, "oldStatus": old.name if old else ""},
                    author,
                )
                order.events[-1].codes = (old.code if old else None, new.code)
            self._stock_follows_statuses(order, was_back, author)
            self.touch_order(order)
            self._send_mails(order, {kind: self.status(kind, changes[kind]).code for kind in real}, author)
            return True

    def cancel_order(self, order_id: int) -> None:
        """Cancel: the payment status becomes C and the units go back to the shelf."""
        self.set_status(order_id, payment="C")

    def edit_order(self, order_id: int, lines) -> None:
        """Replace an order's lines, as an admin editing it: sums and stock follow, the change date moves.

        A line is (what, quantity, price, options, item id), the last three optional. It keeps the id it names, or that of an
        old line of the same product, variant and options; item id 0 makes a new line in any case."""
        with self.lock:
            order = self.orders[order_id]
            holds_stock = not self._is_back(order)
            if holds_stock:
                self._move_stock(order, +1)
            before = list(order.items)
            for item in before:
                self._forget_item(item)
            order.items = [self._kept_line(before, self._line(order, *line)) for line in lines]
            if holds_stock:
                self._move_stock(order, -1)
            self._total(order)
            self._remember(order, "ORDER EDITED", "Order has been edited", {"orderId": order.id}, "admin@example.com")
            self.touch_order(order)

    def change_order(
        self, order_id: int, number: str | None = None, placed: float | None = None, email: str | None = None
    ) -> None:
        """Change what an order is known by; the change date moves."""
        with self.lock:
            order = self.orders[order_id]
            order.number = number if number is not None else order.number
            order.date = int(placed) if placed is not None else order.date
            if email is not None and order.profile is not None:
                order.profile.login = email
            self.touch_order(order)

    def empty_order(self) -> Order:
        """A new order with nothing in it and no number: what a careless POST leaves behind."""
        with self.lock:
            now = self.now()
            order = Order(
                id=self.next_id("order"),
                number=None,
                date=now,
                renewed=now,
                payment_id=None,
                shipping_id=None,
                payment_method="",
                method_id=0,
                method_name="",
            )
            self.orders[order.id] = order
            self.touch_order(order)
            return order

    def shipping_cost(self, order: Order) -> float:
        """What shipping adds to the order."""
        return sum(row.value for row in order.surcharges if row.type == "shipping" and not row.include)

    def break_order(self, order_id: int, how: str = "product") -> None:
        """Make an order that the shop cannot print, without moving `lastRenewDate`. `how` is `product` (a line's product is
        gone), `currency`, `status` (a payment status without code) or `profile` (5.4 alone; 5.5 prints it)."""
        with self.lock:
            order = self.orders[order_id]
            if how == "product":
                order.items[0].product_id = None
            elif how == "currency":
                order.currency = None
            elif how == "status":
                codeless = [row.id for row in self.statuses["payment"].values() if row.code is None]
                order.payment_id = codeless[0] if codeless else self.add_status("payment", None, "Checked by phone")
            elif how == "profile":
                order.profile = None
            else:
                raise ValueError(f"an order cannot be broken by {how!r}")
            self.touch_order(order, renewed=False)

    def repair_order(self, order_id: int) -> None:
        """Make an order printable again, without moving `lastRenewDate` (5.5, observed)."""
        with self.lock:
            order = self.orders[order_id]
            for item in order.items:
                item.product_id = item.product_id or next(iter(self.products))
            order.currency = order.currency or self.currency
            if self.statuses["payment"][order.payment_id].code is None:
                order.payment_id = self._status_id("payment", "P")
            if order.profile is None:
                self._attach_profiles(order, "customer@example.com", True, None, None, None)
            self.touch_order(order, renewed=False)

    # Parts of the acts above

    def _kept_line(self, before: list[Item], item: Item) -> Item:
        """A line of an edited order under the id it had before the edit."""
        wanted = item.kept_as
        same = [
            old for old in before
            if old.id == wanted
            or (wanted is None and (old.product_id, old.variant_id, old.attributes) == (item.product_id, item.variant_id, item.attributes))
        ]  # fmt: skip
        if same:
            before.remove(same[0])
            self._forget_item(item)
            item.id = same[0].id
            self.items[item.id] = item
            self.items_of[item.product_id].add(item.id)
        return item

    def _line(
        self, order: Order, what, quantity: int, price: float | None = None, options=None, item_id: int | None = None
    ) -> Item:
        product_id, variant_id = what if isinstance(what, tuple) else (what, None)
        product = self.products[product_id]
        variant = self.variants[variant_id] if variant_id is not None else None
        sku = (variant.sku if variant else None) or product.sku or ""
        if price is None:
            price = variant.price if variant and not variant.default_price else product.price
        item = Item(
            id=self.next_id("item"),
            order_id=order.id,
            product_id=product_id,
            variant_id=variant_id,
            sku=sku,
            name=product.name,
            price=price,
            net_price=price,
            amount=quantity,
            attributes=tuple(map(tuple, options))
            if options is not None
            else tuple(variant.attributes.items())
            if variant
            else (),
            kept_as=item_id,
        )
        self.items[item.id] = item
        self.items_of[product_id].add(item.id)
        return item

    def _forget_item(self, item: Item) -> None:
        del self.items[item.id]
        if item.product_id is not None:
            self.items_of[item.product_id].discard(item.id)

    def _surcharge(self, type, code, name, value, include=False, available=True) -> Surcharge:
        class_name = SURCHARGE_CLASSES.get(type, SURCHARGE_CLASSES["handling"])
        if type == "tax" and include:
            class_name = "XLite\\Module\\CDev\\VAT\\Logic\\Order\\Modifier\\Tax"
        weight = SURCHARGE_WEIGHTS.get(type, 300)
        return Surcharge(self.next_id("surcharge"), type, code, name, value, include, available, weight, class_name)

    def _total(self, order: Order) -> None:
        order.subtotal = sum(item.total for item in order.items)
        order.total = order.subtotal + sum(row.value for row in order.surcharges if row.available and not row.include)
        discount = sum(row.value for row in order.surcharges if row.type == "discount" and not row.include)
        for item in order.items:
            item.discounted = item.total + discount * item.total / order.subtotal if discount and order.subtotal else None

    def _attach_profiles(self, order, email, anonymous, customer_id, address, shipping_address) -> None:
        billing = address or Address("Ann", "Lee", "51 apt, 87 street", "Edmond", "73003", "US", "OK", "0123456789", "Oklahoma")
        delivery = shipping_address or billing
        if customer_id is None:
            customer_id = self.next_id("profile")
        copy_id = self.next_id("profile")
        order.customer = Profile(customer_id, email, anonymous, order.date)
        order.profile = Profile(copy_id, email, anonymous, order.date, billing, delivery)

    def _add_transaction(self, order: Order, payment: str | None) -> None:
        transaction_id = self.next_id("transaction")
        order.transactions.append(
            Transaction(
                id=transaction_id,
                at=order.date,
                public_id=f"{order.id:06d}-{transaction_id % 46656:04X}",
                method=order.payment_method.replace(" ", ""),
                title=order.payment_method,
                status=statuses.TRANSACTION_STATUS.get(payment or "", "W"),
                value=order.total,
            )
        )

    def _status_id(self, kind: str, code: str | int | None) -> int | None:
        if code is None or isinstance(code, int):
            return code
        status = self.status_by_code(kind, code)
        if status is None:
            raise KeyError(f"this shop has no {kind} status {code!r}")
        return status.id

    def _remember(self, order: Order, code: str, description: str, data, author: str, comment: str = "") -> None:
        event_id = self.next_id("event")
        order.events.append(Event(event_id, self.now(), code, description, data, comment, author))

    def _is_back(self, order: Order) -> bool:
        """Whether the order's units are on the shelf: by its statuses, else by what was done with them last."""
        by_table = statuses.puts_back(order.payment_id, order.shipping_id)
        return order.stock_status == "increased" if by_table is None else by_table

    def _stock_follows_statuses(self, order: Order, was_returned: bool, author: str) -> None:
        is_returned = self._is_back(order)
        if was_returned == is_returned:
            return
        self._move_stock(order, +1 if is_returned else -1)
        order.stock_status = "increased" if is_returned else "reduced"
        self._remember(order, "CHANGE PRODUCT AMOUNT GROUPED", "[Inventory] Product quantities changed", [], author)

    def _move_stock(self, order: Order, sign: int) -> None:
        for item in order.items:
            product = self.products.get(item.product_id)
            if product is None or not product.inventory_enabled:
                continue
            variant = self.variants.get(item.variant_id)
            if variant is not None and not variant.default_amount:
                variant.amount = max(variant.amount + sign * item.amount, 0)
            else:
                product.amount = max(product.amount + sign * item.amount, 0)
            product.sales = max(product.sales - sign * item.amount, 0)
            self.touch_product(product.id, face=False)

    def _send_mails(self, order: Order, changes: dict[str, str | None], author: str) -> None:
        """Send the mails of a change. They contain the tracking numbers known at this moment."""
        for mail, readers in statuses.mails_for(changes):
            for reader in readers:
                outcome = "FAILED" if self.mail_fails else "SENT"
                self._remember(
                    order,
                    f"EMAIL {reader.upper()} {outcome}",
                    f"{'Failure sending email' if self.mail_fails else 'Email sent'} to the {reader}",
                    {"orderId": order.id},
                    author,
                    "Send mail FAILED: no mail server." if self.mail_fails and reader == "admin" else "",
                )
                if reader == "customer" and not self.mail_fails:
                    self.mails.append(
                        {
                            "order_id": order.id,
                            "to": order.profile.login if order.profile else None,
                            "mail": mail,
                            "changes": changes,
                            "tracking": [tracking.value for tracking in order.trackings],
                            "at": self.now(),
                        }
                    )
