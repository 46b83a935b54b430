"""Controls a running practice shop over HTTP, under `/_practice/`: JSON in, JSON out.

X-Cart has nothing like this. It lets another process sell, edit, break and inspect the shop.
"""

import json
from datetime import UTC, datetime

from .faults import FAULTS
from .generate import Seller
from .page import page
from .replies import Reply

PREFIX = "/_practice"
OF_AN_ORDER = ("email", "notes", "number", "at", "profile", "currency")
"""What `sell` takes of each order beside its lines and statuses."""


class Refused(Exception):
    """What was asked makes no sense here. The sentence goes back with the status."""

    def __init__(self, sentence: str, status: int = 400):
        super().__init__(sentence)
        self.status = status


class Control:
    """The steering of one shop."""

    def __init__(self, shop, seller: Seller):
        self.shop = shop
        self.seller = seller

    def answer(self, request, path: str) -> Reply:
        """The answer to one control request; `path` is what follows `/_practice`."""
        try:
            if path in ("", "/"):
                return Reply(200, page(self.shop).encode(), {"Content-Type": "text/html; charset=utf-8"})
            return _json(self._run(request.method, path.strip("/").split("/"), request))
        except Refused as refusal:
            return _json({"error": str(refusal)}, refusal.status)
        except (ValueError, TypeError, KeyError) as failure:
            return _json({"error": str(failure)}, 400)

    def _run(self, method: str, parts: list[str], request):
        name = parts[0].replace("-", "_")
        if len(parts) > 1:
            name = "_".join((name, *parts[2:]))
        act = getattr(self, f"{method.lower()}_{name}", None)
        if act is None:
            raise Refused(f"There is no {method} /{'/'.join(parts)} here.", 404)
        given = dict(request.query) if method == "GET" else _object(request.body)
        if len(parts) == 1:
            return act(given)
        if not parts[1].isascii() or not parts[1].isdigit():
            raise Refused(f"{parts[1]!r} is no id.", 404)
        return act(int(parts[1]), given)

    # Looking

    def get_state(self, given: dict) -> dict:
        shop = self.shop
        with shop.log_lock:
            methods: dict[str, int] = {}
            for entry in shop.requests:
                methods[entry["method"]] = methods.get(entry["method"], 0) + 1
        return {**shop.store.summary(), "requests": methods, "mode": shop.mode.as_dict(), "faults": shop.faults.as_dict()}

    def get_requests(self, given: dict) -> list:
        last = int(given.get("last", 100))
        with self.shop.log_lock:
            return list(self.shop.requests[-last:]) if last > 0 else []

    def post_clear_requests(self, given: dict) -> dict:
        self.shop.clear_requests()
        return {"requests": 0}

    def get_mails(self, given: dict) -> list:
        return list(self.shop.store.mails)

    def get_order(self, order_id: int, given: dict) -> dict:
        return _order(self.shop.store, self._order(order_id))

    def get_product(self, given: dict) -> dict:
        store = self.shop.store
        sku = given.get("sku", "")
        with store.lock:
            variant = store.variant_by_sku(sku)
            product = store.products[variant.product_id] if variant else store.product_by_sku(sku)
            if product is None:
                raise Refused(f"No product or variant has the SKU {sku!r}.", 404)
            return _product(store, product)

    # Faults, modes, keys

    def get_faults(self, given: dict) -> dict:
        return {"set": self.shop.faults.as_dict(), "known": {name: text for name, (_, text) in FAULTS.items()}}

    def post_faults(self, given: dict) -> dict:
        self.shop.faults.replace(given)
        return self.shop.faults.as_dict()

    def get_mode(self, given: dict) -> dict:
        return self.shop.mode.as_dict()

    def post_mode(self, given: dict) -> dict:
        self.shop.mode.set(**given)
        return self.shop.mode.as_dict()

    def post_keys(self, given: dict) -> dict:
        """Replace or revoke (null) `key` and `read_key`."""
        for name in ("key", "read_key"):
            if name in given:
                if given[name] is not None and not isinstance(given[name], str):
                    raise Refused(f"{name} is a text, or null to revoke it.")
                setattr(self.shop, name, given[name])
        return {"key": self.shop.key, "read_key": self.shop.read_key}

    def post_switches(self, given: dict) -> dict:
        """The store's own switches, such as whether mails fail."""
        return self.shop.store.set_switches(given)

    # Acting as the merchant, or as customers

    def post_sell(self, given: dict) -> dict:
        store = self.shop.store
        allowed = {"sku", "quantity", "payment", "shipping", "count", "lines", *OF_AN_ORDER}
        if set(given) - allowed:
            raise Refused(f"sell knows {', '.join(sorted(allowed))}.")
        count = given.get("count", 1)
        if not isinstance(count, int) or not 1 <= count <= 10000:
            raise Refused("count is a number from 1 to 10000.")
        orders = []
        for _ in range(count):
            with store.lock:
                orders.append(self._sell_one(given))
        return {"orders": orders}

    def _sell_one(self, given: dict) -> int:
        payment, shipping = given.get("payment", "P"), given.get("shipping", "N")
        store = self.shop.store
        if "sku" not in given and "lines" not in given:
            return self.seller.sell(payment=payment, shipping=shipping, at=given.get("at"))
        more = {name: given[name] for name in OF_AN_ORDER if name in given}
        lines = [self._line(line) for line in given["lines"]] if "lines" in given else [self._line(given)]
        return store.place_order(lines, payment=payment, shipping=shipping, **{"currency": store.currency, **more})

    def post_order_status(self, order_id: int, given: dict) -> dict:
        order = self._order(order_id)
        self.shop.store.set_status(order.id, payment=given.get("payment"), shipping=given.get("shipping"))
        return _order(self.shop.store, order)

    def post_order_cancel(self, order_id: int, given: dict) -> dict:
        order = self._order(order_id)
        self.shop.store.cancel_order(order.id)
        return _order(self.shop.store, order)

    def post_order_edit(self, order_id: int, given: dict) -> dict:
        """`lines` are objects with `sku`, and where wanted `quantity`, `price`, `options` (an object) and `item` (the id to keep)."""
        order = self._order(order_id)
        with self.shop.store.lock:
            self.shop.store.edit_order(order.id, [self._line(line) for line in given["lines"]])
        return _order(self.shop.store, order)

    def _line(self, line: dict) -> tuple:
        options = line.get("options")
        chosen = list(options.items()) if isinstance(options, dict) else None
        return self._what(line["sku"]), line.get("quantity", 1), line.get("price"), chosen, line.get("item")

    def post_order_delete(self, order_id: int, given: dict) -> dict:
        """The merchant deletes an order for good: lists leave it out, asked alone it is `null` (5.4) or 404 (5.5)."""
        return {"deleted": self.shop.store.delete_order(self._order(order_id).id)}

    def post_order_change(self, order_id: int, given: dict) -> dict:
        """Change an order's `number`, `placed` (unix seconds) or `email`, as a merchant may."""
        self.shop.store.change_order(self._order(order_id).id, **given)
        return _order(self.shop.store, self._order(order_id))

    def post_delete_orders(self, given: dict) -> dict:
        """Delete several orders: `orders` are their ids, or all where it is left out."""
        store = self.shop.store
        with store.lock:
            ids = list(given.get("orders", store.orders))
            return {"deleted": sum(store.delete_order(order_id) for order_id in ids)}

    def post_backup(self, given: dict) -> dict:
        """Back the shop up; `restore` goes back to it."""
        self.shop.store.backup()
        return self.shop.store.summary()

    def post_restore(self, given: dict) -> dict:
        """Restore the last backup: ids and numbers of orders placed since then are given again to new ones."""
        self.shop.store.restore()
        return self.shop.store.summary()

    def post_order_tracking(self, order_id: int, given: dict) -> dict:
        """Somebody types a tracking number (`value`) into the shop's own admin page."""
        order = self._order(order_id)
        self.shop.store.add_tracking(order, str(given["value"]))
        return _order(self.shop.store, order)

    def post_order_break(self, order_id: int, given: dict) -> dict:
        """Make an order the shop cannot print: `how` is product, currency, status or profile."""
        order = self._order(order_id)
        self.shop.store.break_order(order.id, given.get("how", "product"))
        return _order(self.shop.store, order)

    def post_order_repair(self, order_id: int, given: dict) -> dict:
        order = self._order(order_id)
        self.shop.store.repair_order(order.id)
        return _order(self.shop.store, order)

    def post_product(self, given: dict) -> dict:
        """The merchant adds a product: `sku`, and where wanted `name`, `price` and `amount`."""
        store = self.shop.store
        sku = str(given["sku"])
        if set(given) - {"sku", "name", "price", "amount"}:
            raise Refused("product knows sku, name, price and amount.")
        if any(not isinstance(given.get(name, 0), int | float) for name in ("price", "amount")):
            raise Refused("price and amount are numbers.")
        more = {"name": str(given.get("name", sku)), "price": given.get("price", 10), "amount": given.get("amount", 5)}
        return _product(store, store.products[store.add_product(sku=sku, **more)])

    def post_product_amount(self, product_id: int, given: dict) -> dict:
        store = self.shop.store
        if product_id not in store.products:
            raise Refused(f"There is no product {product_id}.", 404)
        store.set_amount(product_id, given["amount"])
        return _product(store, store.products[product_id])

    def post_variant_amount(self, variant_id: int, given: dict) -> dict:
        store = self.shop.store
        if variant_id not in store.variants:
            raise Refused(f"There is no variant {variant_id}.", 404)
        store.set_variant_amount(variant_id, given["amount"])
        return _product(store, store.products[store.variants[variant_id].product_id])

    def post_product_sku(self, product_id: int, given: dict) -> dict:
        store = self.shop.store
        if product_id not in store.products:
            raise Refused(f"There is no product {product_id}.", 404)
        store.rename(product_id, str(given["sku"]))
        return _product(store, store.products[product_id])

    def post_product_delete(self, product_id: int, given: dict) -> dict:
        return {"deleted": self.shop.store.delete_product(product_id)}

    def _what(self, sku: str):
        store = self.shop.store
        variant = store.variant_by_sku(sku)
        if variant is not None:
            return (variant.product_id, variant.id)
        product = store.product_by_sku(sku)
        if product is None:
            raise Refused(f"No product or variant has the SKU {sku!r}.", 404)
        return product.id

    def _order(self, order_id: int):
        order = self.shop.store.order(order_id)
        if order is None:
            raise Refused(f"There is no order {order_id}.", 404)
        return order


def _object(body: bytes) -> dict:
    if not body:
        return {}
    try:
        data = json.loads(body)
    except ValueError:
        raise Refused("The body is not JSON.") from None
    if not isinstance(data, dict):
        raise Refused("The body is a JSON object.")
    return data


def _json(value, status: int = 200) -> Reply:
    body = json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "replace")
    return Reply(status, body, {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"})


def _order(store, order) -> dict:
    with store.lock:
        payment, shipping = store.status("payment", order.payment_id), store.status("shipping", order.shipping_id)
        return {
            "order_id": order.id,
            "number": order.number,
            "placed": datetime.fromtimestamp(order.date, UTC).isoformat(),
            "changed": datetime.fromtimestamp(order.renewed, UTC).isoformat(),
            "payment": payment.code if payment else None,
            "shipping": shipping.code if shipping else None,
            "stock_status": order.stock_status,
            "email": order.profile.login if order.profile else None,
            "total": order.total,
            "currency": order.currency,
            "lines": [
                {
                    "item": item.id,
                    "sku": item.sku,
                    "name": item.name,
                    "quantity": item.amount,
                    "price": item.price,
                    "options": dict(item.attributes),
                }
                for item in order.items
            ],
            "tracking": [tracking.value for tracking in order.trackings],
            "history": [event.code for event in order.events],
        }


def _product(store, product) -> dict:
    return {
        "product_id": product.id,
        "sku": product.sku,
        "name": product.name,
        "price": product.price,
        "amount": product.amount,
        "inventory_enabled": product.inventory_enabled,
        "enabled": product.enabled,
        "variants": [
            {"id": variant.id, "sku": variant.sku, "amount": variant.amount, "default_amount": variant.default_amount}
            for variant in (store.variants[variant_id] for variant_id in store.variants_of.get(product.id, ()))
        ],
    }
