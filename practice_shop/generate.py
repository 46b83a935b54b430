"""Fill a store with a believable shop: a catalogue, customers, and orders that add up as a real shop's do.

The same arguments give the same shop, at times counted back from the store's clock.
"""

import random

from . import names
from .store import Store

DAY = 86400
TAX_RATES = {"OK": 0.0853, "NY": 0.08875, "CA": 0.095}
VAT_RATES = {"AT": 0.20, "DE": 0.19, "BE": 0.21, "GB": 0.20, "PL": 0.23}
VARIANT_SHARE = 0.12
DELETED_SHARE = 0.02


def fill(store: Store, *, products: int, orders: int, days: float, seed: int, variant_share: float = VARIANT_SHARE) -> Store:
    """Put `products` products and `orders` orders of the last `days` days into an empty store, and return it. Of the products
    `variant_share` (0 to 1) have variants."""
    chance = random.Random(seed)
    with store.lock:
        opened = store.now() - int((days + 30) * DAY)
        for place in range(1, products + 1):
            add_product(store, chance, place, opened, variant_share)
        doomed = [
            add_product(store, chance, products + place, opened, variant_share)
            for place in range(1, _doomed(products, orders) + 1)
        ]
        start = store.now() - int(days * DAY)
        times = sorted(chance.randrange(start, store.now()) for _ in range(orders)) if days > 0 else [start] * orders
        seller = Seller(store, chance)
        for place, at in enumerate(times):
            age = (store.now() - at) / DAY
            statuses = _statuses(chance, age)
            use_doomed = doomed if place < orders // 3 else None
            seller.sell(at=at, payment=statuses[0], shipping=statuses[1], take_stock=False, only=use_doomed)
        for product_id in doomed:
            store.delete_product(product_id)
    return store


def _doomed(products: int, orders: int) -> int:
    return max(1, int(products * DELETED_SHARE)) if products > 5 and orders > 10 else 0


def add_product(store: Store, chance: random.Random, place: int, opened: int, variant_share: float = VARIANT_SHARE) -> int:
    """One product of the catalogue, some of them with variants. Returns its id."""
    noun, prefix, category = names.NOUNS[chance.randrange(len(names.NOUNS))]
    adjective = names.ADJECTIVES[chance.randrange(len(names.ADJECTIVES))]
    sku = f"{prefix}-{place:05d}"
    price = chance.choice((0.99, 0.95, 0.5, 0.0, 0.49)) + chance.randrange(2, 180)
    made = opened + chance.randrange(0, 20 * DAY)
    product_id = store.add_product(
        sku=sku,
        name=f"{adjective} {noun}",
        price=price,
        amount=0 if chance.random() < 0.05 else chance.randrange(1, 150),
        inventory_enabled=chance.random() >= 0.04,
        enabled=chance.random() >= 0.03,
        weight=chance.randrange(1, 60) / 10,
        created=made,
        free_shipping=chance.random() < 0.05,
        categories=(category,),
        images=(f"{prefix.lower()}_{place}.jpg",) if chance.random() < 0.7 else (),
    )
    if chance.random() < variant_share:
        option, values = names.OPTIONS[chance.randrange(len(names.OPTIONS))]
        for index, value in enumerate(values[: chance.randrange(2, len(values) + 1)]):
            store.add_variant(
                product_id,
                sku=None if chance.random() < 0.05 else f"{sku}-{index + 1}",
                amount=chance.randrange(0, 40),
                default_amount=chance.random() < 0.1,
                attributes={option: value},
                price=price + index,
                default_price=index == 0,
            )
    return product_id


def _statuses(chance: random.Random, age: float) -> tuple[str, str]:
    """Payment and shipping codes an order of this age in days is likely to have."""
    luck = chance.random()
    if luck < 0.04:
        return chance.choice(("C", "D")), chance.choice(("N", "WND"))
    if luck < 0.06 and age > 5:
        return "R", "R"
    if age > 4:
        return "P", "D" if luck < 0.6 else "S"
    if age > 1:
        return ("P", chance.choice(("N", "P", "S"))) if luck < 0.85 else (chance.choice(("Q", "A", "PP")), "N")
    return ("P", "N") if luck < 0.7 else (chance.choice(("Q", "A")), "N")


class Seller:
    """Makes orders as customers would: repeating people, taxes by place, coupons, fees, notes, tracking numbers."""

    def __init__(self, store: Store, chance: random.Random):
        self.store = store
        self.chance = chance
        self.customers: list[tuple] = []

    def sell(self, *, at=None, payment="P", shipping="N", take_stock=True, only=None, lines=None) -> int:
        """Place one order and return its id. `only` are product ids of which one is in it; `lines` fixes the lines."""
        chance, store = self.chance, self.store
        person, place, email, anonymous, customer_id = self._customer()
        lines = lines if lines is not None else self._lines(only)
        goods = sum(self._price(what) * quantity for what, quantity in lines)
        cost = chance.choice((0, 0, 1.5, 3.72, 4.95, 5.9, 12.5))
        surcharges, coupons = self._surcharges(goods, cost, place)
        billing = names.address(person, place)
        delivery = billing if chance.random() < 0.8 else names.address(person, chance.choice(names.PLACES))
        order_id = store.place_order(
            lines,
            payment=payment,
            shipping=shipping,
            at=at,
            shipping_cost=cost,
            surcharges=surcharges,
            email=email,
            notes=chance.choice(names.NOTES) if chance.random() < 0.1 else "",
            currency=store.currency,
            address=billing,
            shipping_address=delivery,
            anonymous=anonymous,
            customer_id=customer_id,
            payment_method=chance.choice(names.PAYMENTS),
            method=chance.choice(names.METHODS),
            coupons=coupons,
            take_stock=take_stock,
        )
        self._dress(store.orders[order_id], payment, shipping, take_stock)
        return order_id

    def _dress(self, order, payment: str, shipping: str, take_stock: bool) -> None:
        """What has happened to an order since it was placed: parcels sent, statuses moved, notes written."""
        chance, store = self.chance, self.store
        if shipping in ("S", "D"):
            for _ in range(1 if chance.random() < 0.95 else 2):
                store.add_tracking(order, f"1Z{chance.randrange(10**15, 10**16)}")
        if not take_stock:
            order.stock_status = "" if payment in ("C", "D") else "reduced"
            age = max(store.now() - order.date, 1)
            order.renewed = order.date + chance.randrange(0, min(age, 4 * DAY))
        if chance.random() < 0.08:
            order.admin_notes = f"checked, order {order.number}"
        order.recent = chance.random() < 0.4

    def _customer(self) -> tuple:
        chance = self.chance
        if self.customers and chance.random() < 0.5:
            return chance.choice(self.customers)
        person = chance.choice(names.PEOPLE)
        customer_id = self.store.next_id("profile")
        email = names.email(person, customer_id)
        customer = (person, chance.choice(names.PLACES), email, chance.random() < 0.5, customer_id)
        self.customers.append(customer)
        return customer

    def _lines(self, only) -> list:
        chance, store = self.chance, self.store
        highest = max(store.products, default=0)
        if not highest:
            return []
        wanted = [chance.choice(only)] if only else []
        for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
            product_id = chance.randrange(1, highest + 1)
            if product_id not in store.products:
                product_id = next(iter(store.products))
            wanted.append(product_id)
        return [(self._bought(product_id), chance.choice((1, 1, 1, 1, 2, 3))) for product_id in dict.fromkeys(wanted)]

    def _bought(self, product_id: int):
        variants = self.store.variants_of.get(product_id)
        return (product_id, self.chance.choice(variants)) if variants else product_id

    def _price(self, what) -> float:
        if isinstance(what, tuple):
            variant = self.store.variants[what[1]]
            if not variant.default_price:
                return variant.price
            what = what[0]
        return self.store.products[what].price

    def _surcharges(self, goods: float, cost: float, place: tuple) -> tuple[list, list]:
        chance = self.chance
        rows, coupons = [], []
        taxable = goods
        if chance.random() < 0.12:
            code = chance.choice(("SPRING", "WELCOME10", "ÜBERRASCHUNG"))
            rows.append(("discount", "DCOUPON", "Coupon discount", -round(goods * 0.1, 2)))
            coupons.append(code)
        elif goods > 300:
            rows.append(("discount", "DISCOUNT", "Volume discount", -round(goods * 0.05, 2)))
        taxable += sum(row[3] for row in rows)
        if chance.random() < 0.06:
            rows.append(("handling", "PACK", "Packing fee", 2.5))
        if chance.random() < 0.04:
            rows.append(("handling", "INSURED", "Insured shipping", 6.9))
        country, state = place[3], place[4]
        if state in TAX_RATES:
            rows.append(("tax", "CDEV.STAX.1", "Sales tax", round((taxable + cost) * TAX_RATES[state], 2)))
            if state == "CA":
                rows.append(("tax", "CDEV.STAX.2", "County tax", round(taxable * 0.01, 2)))
        elif country in VAT_RATES:
            rate = VAT_RATES[country]
            rows.append(("tax", "CDEV.VAT.1", "VAT", round(taxable * rate / (1 + rate), 2), True))
        return rows, coupons
