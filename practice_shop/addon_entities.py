"""The add-on's default schema: every entity of the shop with its columns as they are.

A list shows plain columns, a single one also what it is related to, one level deep. Keys and their order
are those of X-Cart 5.4 with the usual modules switched on, observed.
"""

import hashlib

from .records import Event, Item, Order, Product, Profile, Status, Surcharge, Tracking, Transaction, Variant
from .replies import number

CURRENCIES = {
    "USD": (840, "$", "$", "", 2),
    "EUR": (978, "€", "", " €", 2),
    "GBP": (826, "£", "£", "", 2),
    "JPY": (392, "¥", "¥", "", 0),
    "KWD": (414, "KD", "KD ", "", 3),
}


def currency_columns(code: str) -> dict:
    currency_id, symbol, prefix, suffix, decimals = CURRENCIES.get(code, (999, code, code + " ", "", 2))
    return {
        "currency_id": currency_id,
        "code": code,
        "symbol": symbol,
        "prefix": prefix,
        "suffix": suffix,
        "e": decimals,
        "decimalDelimiter": ".",
        "thousandDelimiter": "",
        "roundUp": "N",
    }


def product_columns(product: Product) -> dict:
    """A product as lists print it: columns only."""
    row = {
        "useCustomOG": False,
        "participateSale": False,
        "discountType": "sale_price",
        "salePriceValue": 0,
        "xcPendingBulkEdit": False,
        "freeShip": False,
        "shipForFree": False,
        "freightFixedFee": 0,
        "useAsSegmentCondition": False,
        "demo": False,
        "product_id": product.id,
        "price": number(product.price),
        "sku": product.sku,
        "enabled": product.enabled,
        "weight": number(product.weight),
        "useSeparateBox": False,
        "boxWidth": 0,
        "boxLength": 0,
        "boxHeight": 0,
        "itemsPerBox": 1,
        "free_shipping": product.free_shipping,
        "taxable": True,
        "arrivalDate": product.arrival,
        "date": product.created,
        "updateDate": product.updated,
        "needProcess": product.need_process,
        "inventoryEnabled": product.inventory_enabled,
        "amount": product.amount,
        "lowLimitEnabledCustomer": True,
        "lowLimitEnabled": False,
        "lowLimitAmount": 10,
        "attrSepTab": True,
        "metaDescType": "A",
        "sales": product.sales,
        "xcPendingExport": False,
        "entityVersion": _entity_version(product),
    }
    if product.extra:
        row.update(product.extra)
    return row


def variant_columns(variant: Variant) -> dict:
    """A variant as lists print it."""
    return {
        "discountType": "sale_price",
        "salePriceValue": 0,
        "defaultSale": True,
        "id": variant.id,
        "price": number(variant.price),
        "defaultPrice": variant.default_price,
        "amount": variant.amount,
        "defaultAmount": variant.default_amount,
        "weight": number(variant.weight),
        "defaultWeight": variant.default_weight,
        "sku": variant.sku,
        "variant_id": f"{variant.sku or variant.product_id}v{variant.id}",
        "defaultValue": variant.default_value,
    }


def order_columns(order: Order) -> dict:
    """An order as lists print it."""
    return {
        "mailchimpStoreId": "",
        "demo": order.demo,
        "order_id": order.id,
        "shipping_id": order.method_id,
        "shipping_method_name": order.method_name,
        "payment_method_name": order.payment_method,
        "tracking": order.legacy_tracking,
        "date": order.date,
        "lastRenewDate": order.renewed,
        "notes": order.notes,
        "adminNotes": order.admin_notes,
        "orderNumber": order.number,
        "recent": order.recent,
        "stockStatus": order.stock_status,
        "xcPendingExport": False,
        "total": number(order.total),
        "subtotal": number(order.subtotal),
    }


def profile_columns(profile: Profile | None) -> dict | None:
    """A customer with the password hash the real shop gives away here."""
    if profile is None:
        return None
    name = f"{profile.full_name} {profile.billing.firstname};" if profile.billing else ""
    return {
        "gaClientId": "",
        "socialLoginProvider": None,
        "socialLoginId": None,
        "pictureUrl": None,
        "profile_id": profile.id,
        "login": profile.login,
        "password": "SHA512:" + hashlib.sha256(profile.login.encode()).hexdigest(),
        "password_hint": "",
        "password_hint_answer": "",
        "passwordResetKey": "",
        "passwordResetKeyDate": 0,
        "access_level": 0,
        "cms_profile_id": 0,
        "cms_name": "",
        "added": profile.added,
        "first_login": 0,
        "last_login": 0,
        "status": "E",
        "statusComment": "",
        "referer": "",
        "language": "en",
        "last_shipping_id": 1 if profile.billing else 0,
        "last_payment_id": 0,
        "anonymous": profile.anonymous,
        "forceChangePassword": False,
        "dateOfLoginAttempt": 0,
        "countOfLoginAttempts": 0,
        "searchFakeField": name + profile.login,
        "xcPendingExport": False,
        "lastCheckoutEmail": "",
    }


def status_columns(status: Status | None) -> dict | None:
    return {"id": status.id, "code": status.code, "position": status.position} if status else None


def tracking_columns(tracking: Tracking) -> dict:
    return {"tracking_id": tracking.id, "value": tracking.value, "creationDate": tracking.at}


def item_columns(item: Item) -> dict:
    """A line of an order as lists print it."""
    return {
        "categoryAdded": "",
        "item_id": item.id,
        "name": item.name,
        "sku": item.sku,
        "price": number(item.price),
        "itemNetPrice": number(item.net_price),
        "discountedSubtotal": number(item.discounted_subtotal),
        "amount": item.amount,
        "backorderedAmount": item.backordered,
        "total": number(item.total),
        "subtotal": number(item.total),
    }


def surcharge_columns(row: Surcharge) -> dict:
    return {
        "id": row.id,
        "type": row.type,
        "code": row.code,
        "class": row.class_name,
        "include": row.include,
        "available": row.available,
        "value": number(row.value),
        "name": row.name,
        "weight": row.weight,
    }


def transaction_columns(transaction: Transaction) -> dict:
    return {
        "transaction_id": transaction.id,
        "date": transaction.at,
        "publicTxnId": transaction.public_id,
        "method_name": transaction.method,
        "method_local_name": transaction.title,
        "status": transaction.status,
        "value": number(transaction.value),
        "note": transaction.note,
        "type": transaction.type,
        "public_id": transaction.public_id,
    }


def event_columns(event: Event) -> dict:
    return {
        "event_id": event.id,
        "date": event.at,
        "code": event.code,
        "description": event.description,
        "data": event.data,
        "comment": event.comment,
        "authorName": event.author,
        "authorIp": "127.0.0.1" if event.author else "",
    }


def translation_columns(product: Product) -> dict:
    return {
        "ogMeta": "",
        "name": product.name,
        "description": description(product),
        "briefDescription": brief(product),
        "metaTags": "",
        "metaDesc": "",
        "metaTitle": "",
        "label_id": product.id,
        "code": "en",
    }


def image_columns(product: Product, index: int) -> dict:
    """A picture of a product."""
    path = product.images[index]
    return {
        "orderby": 10 + index,
        "alt": "",
        "width": 366,
        "height": 440,
        "hash": hashlib.md5(path.encode(), usedforsecurity=False).hexdigest(),
        "needProcess": True,
        "id": product.id * 10 + index,
        "path": path,
        "fileName": path,
        "mime": "image/jpeg",
        "storageType": "r",
        "size": 57153,
        "date": product.created,
    }


def description(product: Product) -> str:
    if product.description is not None:
        return product.description
    return f"<p>{product.name}: weight {number(product.weight)} lb, item {product.sku or product.id}.</p>"


def brief(product: Product) -> str:
    return product.brief if product.brief is not None else product.name


def attribute_ids(store, product_id: int) -> dict[str, int]:
    """The attributes a product's variants differ in, by name, with made-up stable ids."""
    names: dict[str, int] = {}
    for variant_id in store.variants_of.get(product_id, ()):
        for name in store.variants[variant_id].attributes:
            names.setdefault(name, int(hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:4], 16))
    return names


def attribute_columns(attribute_id: int) -> dict:
    return {
        "id": attribute_id,
        "position": 0,
        "displayAbove": False,
        "decimals": 0,
        "type": "S",
        "displayMode": "",
        "addToNew": "",
    }


def select_value_columns(variant: Variant, position: int) -> dict:
    return {
        "position": position,
        "priceModifier": 0,
        "priceModifierType": "p",
        "weightModifier": 0,
        "weightModifierType": "p",
        "defaultValue": False,
        "id": variant.id,
    }


def _entity_version(product: Product) -> str:
    seed = f"{product.id}/{product.revision}"
    digest = hashlib.md5(seed.encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"
