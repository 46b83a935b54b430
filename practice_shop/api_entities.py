"""What X-Cart 5.5's API prints: strictly typed output that crashes on a null where it needs a value."""

from datetime import UTC, datetime, timedelta, timezone

from . import addon_entities
from .records import Address, Event, Order, Product, Profile, Status, Surcharge, Transaction, Variant
from .replies import number


class TypedOutputCrash(Exception):
    """A null where the output object needs a value: the whole answer becomes a 500."""


def utc(seconds: int) -> str:
    """Order dates: UTC, and no colon in the offset."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def local(seconds: int, utc_offset: int) -> str:
    """Product dates: the server's own zone, with a colon."""
    return datetime.fromtimestamp(seconds, timezone(timedelta(seconds=utc_offset))).isoformat()


def _wanted(value):
    if value is None:
        raise TypedOutputCrash
    return value


def order(store, order: Order) -> dict:
    """One order, the same in a list and alone. Raises `TypedOutputCrash`."""
    profile = order.profile
    return {
        "order_number": _wanted(order.number),
        "id": order.id,
        "total": number(order.total),
        "sub_total": number(order.subtotal),
        "email": profile.login if profile else "",
        "items": [_item(item, order) for item in order.items],
        "billing_address": _address(profile, profile.billing) if profile else None,
        "shipping_address": _address(profile, profile.shipping) if profile else None,
        "create_date": utc(order.date),
        "update_date": utc(order.renewed),
        "payment_status": status(store.status("payment", order.payment_id)),
        "shipping_status": status(store.status("shipping", order.shipping_id)),
        "customer_id": order.customer.id if order.customer else None,
        "order_profile_id": profile.id if profile else None,
        "shipping_id": order.method_id or None,
        "shipping_method_name": order.method_name,
        "notes": order.notes,
        "admin_notes": order.admin_notes,
        "currency": _wanted(order.currency),
        "stock_status": _wanted(order.stock_status),
        "surcharges": [_surcharge(row) for row in order.surcharges],
        "tracking_numbers": [tracking(row) for row in order.trackings],
    }


def status(status: Status | None) -> dict | None:
    if status is None:
        return None
    return {"id": status.id, "code": _wanted(status.code), "name": status.name, "customer_name": status.name}


def tracking(row) -> dict:
    return {"id": row.id, "date": utc(row.at), "value": row.value}


def _item(item, order: Order) -> dict:
    return {
        "variant": item.variant_id,
        "id": item.id,
        "product_id": _wanted(item.product_id),
        "sku": item.sku,
        "update_date": utc(order.date),
        "name": item.name,
        "price": number(item.price),
        "item_net_price": number(item.net_price),
        "discounted_subtotal": number(item.discounted_subtotal),
        "amount": item.amount,
        "backordered_amount": item.backordered,
        "surcharges": [],
    }


def _surcharge(row: Surcharge) -> dict:
    return addon_entities.surcharge_columns(row)


def _address(profile: Profile, address: Address | None) -> dict | None:
    if address is None:
        return None
    shared = profile.billing == profile.shipping
    return {
        "id": profile.id * 2 + (0 if shared or address is profile.billing else 1),
        "is_billing": address is profile.billing or shared,
        "is_shipping": address is profile.shipping or shared,
        "is_work": False,
        "type": "",
        "title": address.title,
        "firstname": address.firstname,
        "lastname": address.lastname,
        "phone": address.phone,
        "street": address.street,
        "zipcode": address.zipcode,
        "city": address.city,
        "country_code": address.country,
        "state": 500 + sum(address.state.encode()) if address.state else None,
        "state_name": address.state_name,
        "custom_fields": [],
    }


def transaction(row: Transaction, order: Order) -> dict:
    """A payment transaction; `status` holds the method's name, a defect of the real one."""
    return {
        "id": row.id,
        "public_id": row.public_id,
        "public_txn_id": row.public_id,
        "method_id": 2,
        "type": row.type,
        "date": utc(row.at),
        "status": row.method,
        "name": row.method,
        "local_name": row.title,
        "currency": order.currency,
        "value": number(row.value),
        "note": row.note,
        "data": [],
        "backend_transactions": [],
    }


def event(row: Event) -> dict:
    data, description = row.data, row.description
    if row.codes is not None:
        old, new = row.data["oldStatus"], row.data["newStatus"]
        what = "fulfillment" if "SHIPPING" in row.code else "payment"
        description = f"Order {what} status changed from {old} to {new}"
        data = {
            "orderId": row.data["orderId"],
            "oldStatus": old,
            "newStatus": new,
            "oldStatusCode": row.codes[0],
            "newStatusCode": row.codes[1],
        }
    return {
        "id": row.id,
        "date": utc(row.at),
        "code": row.code,
        "description": description,
        "data": data,
        "comment": row.comment or row.code,
        "profile_id": None,
        "profile_name": None,
        "ip": "127.0.0.1",
        "details": [],
    }


def product(store, product: Product) -> dict:
    """One product. Raises `TypedOutputCrash` for one without SKU."""
    offset = store.server_utc_offset
    return {
        "id": product.id,
        "sku": _wanted(product.sku),
        "name": product.name,
        "description": addon_entities.description(product),
        "brief_description": addon_entities.brief(product),
        "meta_tags": "",
        "meta_description": addon_entities.brief(product),
        "meta_title": "",
        "price": number(product.price),
        "enabled": product.enabled,
        "weight": number(product.weight),
        "separate_box": False,
        "width": 0,
        "length": 0,
        "height": 0,
        "free_shipping": product.free_shipping,
        "taxable": True,
        "create_date": local(product.created, offset),
        "update_date": local(product.updated, offset),
        "arrival_date": local(product.arrival - (product.arrival + offset) % 86400, offset),
        "inventory_traceable": product.inventory_enabled,
        "amount": product.amount,
        "product_class": None,
        "tax_class": None,
        "memberships": [],
        "clean_url": f"product-{product.id}" if product.images else "",
        "images": [
            {
                "id": product.id * 10 + index,
                "position": 10 + index,
                "alt": "",
                "url": f"{store.url}/images/product/{path}",
                "width": 732,
                "height": 880,
            }
            for index, path in enumerate(product.images)
        ],
    }


def variant(variant: Variant) -> dict:
    return {
        "id": variant.id,
        "price": number(variant.price),
        "default_price": variant.default_price,
        "amount": variant.amount,
        "default_amount": variant.default_amount,
        "weight": number(variant.weight),
        "default_weight": variant.default_weight,
        "default_variant": variant.default_value,
        "sku": variant.sku,
        "image": None,
        "attribute_checkbox_values": [],
        "attribute_select_values": [variant.id] if variant.attributes else [],
    }
