"""The add-on's complex schema: orders and products with everything a download needs in one answer."""

from datetime import UTC, datetime, timedelta, timezone

from . import addon_entities as rows
from .records import Address, Order, Product
from .replies import number

HUMAN_STATUS = {
    "I": "Initialized",
    "P": "In progress",
    "S": "Completed",
    "W": "Pending",
    "F": "Failed",
    "C": "Canceled",
    "V": "Voided",
}


class BrokenOrder(Exception):
    """The shop's program fails on this order: it has no profile, or no currency."""


def iso(seconds: int, utc_offset: int = 0) -> str:
    """A time as the complex schema prints it: ISO 8601 with the server's offset (`utc_offset` in seconds)."""
    zone = timezone(timedelta(seconds=utc_offset)) if utc_offset else UTC
    return datetime.fromtimestamp(seconds, zone).isoformat()


def product(store, product: Product) -> dict:
    text = {"name": product.name, "description": rows.description(product), "shortDescription": rows.brief(product)}
    return {
        "sku": product.sku,
        "productId": product.id,
        **text,
        "price": number(product.price),
        "weight": number(product.weight),
        "quantity": product.amount,
        "releaseDate": iso(product.arrival, store.server_utc_offset),
        "image": [f"{store.url}/images/product/{path}" for path in product.images],
        "URL": product_url(store, product),
        "enabled": product.enabled,
        "freeShipping": product.free_shipping,
        "categories": list(product.categories),
        "memberships": [],
        "translations": {"en": text},
    }


def product_url(store, product: Product) -> str:
    return f"{store.url}/?target=product&amp;product_id={product.id}"


def order(store, order: Order) -> dict:
    """One order. Raises `BrokenOrder` where the real shop's page ends in a 500."""
    if order.profile is None or order.currency is None:
        raise BrokenOrder(order.id)
    payment = store.status("payment", order.payment_id)
    shipping = store.status("shipping", order.shipping_id)
    offset = store.server_utc_offset
    cost = store.shipping_cost(order)
    return {
        "orderId": order.id,
        "orderNumber": order.number,
        "subtotal": number(order.total - cost),
        "total": number(order.total),
        "shippingCost": number(cost),
        "paymentFee": 0,
        "taxAmount": number(round(sum(row.value for row in order.surcharges if row.type == "tax"), 2)),
        "discountValue": number(sum(row.value for row in order.surcharges if row.type == "discount" and not row.include)),
        "otherSurcharges": _other_surcharges(order),
        "currency": order.currency,
        "items": [_item(store, item) for item in order.items],
        "orderDate": iso(order.date, offset),
        "updateDate": iso(order.renewed, offset),
        "trackingNumber": order.trackings[0].value if order.trackings else "",
        "customerNotes": order.notes,
        "adminNotes": order.admin_notes,
        "coupon": order.coupons,
        "customerInfo": _customer(order, offset),
        "billingInfo": _address(order.profile.billing),
        "shippingInfo": _address(order.profile.shipping),
        "paymentMethod": order.payment_method or (order.transactions[0].title if order.transactions else ""),
        "paymentStatus": (payment.code or "") if payment else "",
        "shippingMethod": order.method_name,
        "shippingStatus": (shipping.code or "") if shipping else "",
        "transactions": [
            {
                "id": row.public_id,
                "type": row.type,
                "value": number(row.value),
                "status": row.status,
                "human_status": HUMAN_STATUS[row.status],
                "method": row.method,
                "note": row.note,
            }
            for row in order.transactions
        ],
        "details": [{"code": detail.id, "label": detail.label, "value": detail.value} for detail in order.details],
    }


def _other_surcharges(order: Order) -> dict | list:
    """Keyed by code, so that two of one code hide each other; an empty one prints as a list, as PHP does."""
    found = {
        row.code: {"name": row.name, "value": number(row.value)}
        for row in order.surcharges
        if row.type not in ("tax", "discount", "shipping")
    }
    return found or []


def _item(store, item) -> dict:
    sold = store.products.get(item.product_id)
    return {
        "sku": item.sku,
        "productId": sold.id if sold else None,
        "name": sold.name if sold else item.name,
        "description": rows.description(sold) if sold else "",
        "shortDescription": rows.brief(sold) if sold else "",
        "attributes": dict(item.attributes) or [],
        "price": number(item.price),
        "weight": number(sold.weight) if sold else 0,
        "quantity": item.amount,
        "subtotal": number(item.total),
        "total": number(item.total),
        "releaseDate": iso(sold.arrival, store.server_utc_offset) if sold else None,
        "URL": product_url(store, sold) if sold else None,
        "enabled": sold.enabled if sold else True,
        "freeShipping": sold.free_shipping if sold else False,
    }


def _customer(order: Order, offset: int) -> dict:
    profile = order.profile
    customer = order.customer or profile
    return {
        "profileId": customer.id,
        "isAnonymous": profile.anonymous,
        "login": profile.login,
        "email": profile.login,
        "status": "E",
        "isAdmin": False,
        "addedDate": iso(profile.added, offset),
        "membership": "",
        "firstname": profile.billing.firstname if profile.billing else "",
        "lastname": profile.billing.lastname if profile.billing else "",
    }


def _address(address: Address | None) -> dict | None:
    if address is None:
        return None
    return {
        "country": address.country,
        "state": address.state,
        "firstname": address.firstname,
        "lastname": address.lastname,
        "address": address.street,
        "city": address.city,
        "zipcode": address.zipcode,
        "phone": address.phone,
        "isDefaultShippingAddress": True,
        "isDefaultBillingAddress": True,
    }
