"""The add-on's default schema, one entity with everything it is related to, one level deep."""

from . import addon_entities as rows
from .records import Order, Product, Variant
from .replies import number


def product(store, entity: Product) -> dict:
    """A product with its variants, attributes, pictures and what else belongs to it."""
    variants = [store.variants[variant_id] for variant_id in store.variants_of.get(entity.id, ())]
    attributes = list(rows.attribute_ids(store, entity.id).values())
    row = rows.product_columns(entity)
    row |= dict.fromkeys(
        ("couponProducts", "featuredProducts", "views_stats", "purchase_stats", "saleDiscountProducts", "tabs"), ()
    )
    row["variants"] = [rows.variant_columns(variant) for variant in variants]
    row["variantsAttributes"] = [rows.attribute_columns(attribute) for attribute in attributes]
    row |= dict.fromkeys(("reviews", "upsellingProducts", "upsellingParentProducts"), ())
    row["categoryProducts"] = [
        {"id": entity.id * 10 + index, "orderby": entity.id, "orderbyInProduct": 0} for index in range(len(entity.categories))
    ]
    row["order_items"] = [rows.item_columns(store.items[item_id]) for item_id in sorted(store.items_of.get(entity.id, ()))]
    row["images"] = [rows.image_columns(entity, index) for index in range(len(entity.images))]
    row["productClass"] = row["taxClass"] = None
    row["attributes"] = [rows.attribute_columns(attribute) for attribute in attributes]
    row |= dict.fromkeys(("attributeValueC", "attributeValueT"), ())
    row["attributeValueS"] = [rows.select_value_columns(variant, 10 * place) for place, variant in enumerate(variants, 1)]
    row["attributeValueH"] = ()
    price = number(entity.price)
    quick = [{"minPrice": price, "maxPrice": price, "id": entity.id * 2 + index, "price": price} for index in (0, 1)]
    row["quickData"] = [] if entity.need_process else quick
    row["memberships"] = ()
    row["cleanURLs"] = [{"id": entity.id, "cleanURL": f"product-{entity.id}.html"}] if entity.images else []
    row["translations"] = [rows.translation_columns(entity)]
    return row


def created_product(store, entity: Product) -> dict:
    """What a POST answers: some relations of a product just made are null, not empty."""
    row = product(store, entity)
    return row | dict.fromkeys(("views_stats", "purchase_stats", "reviews", "attributeValueH"))


def variant(store, entity: Variant) -> dict:
    row = rows.variant_columns(entity)
    row["product"] = rows.product_columns(store.products[entity.product_id])
    row["image"] = None
    row["attributeValueC"] = ()
    row["attributeValueS"] = [rows.select_value_columns(entity, 10)] if entity.attributes else []
    row["orderItems"] = [
        rows.item_columns(store.items[item_id])
        for item_id in sorted(store.items_of.get(entity.product_id, ()))
        if store.items[item_id].variant_id == entity.id
    ]
    return row


def order(store, entity: Order) -> dict:
    """An order with its lines, statuses, payments, customer and history."""
    row = rows.order_columns(entity)
    row["usedCoupons"] = [
        {"id": entity.id * 10 + index, "code": code, "value": 0, "type": "$"} for index, code in enumerate(entity.coupons)
    ]
    row |= dict.fromkeys(("uspsShipment", "capostParcels", "capostReturns"), ())
    row |= dict.fromkeys(("capostOffice", "not_finished_order", "reviewKey"))
    row["profile"] = rows.profile_columns(entity.profile)
    row["orig_profile"] = rows.profile_columns(entity.customer)
    row["paymentStatus"] = rows.status_columns(store.status("payment", entity.payment_id))
    row["shippingStatus"] = rows.status_columns(store.status("shipping", entity.shipping_id))
    row["details"] = [
        {"detail_id": detail.id, "name": detail.name, "label": detail.label, "value": detail.value} for detail in entity.details
    ]
    row["trackingNumbers"] = [rows.tracking_columns(tracking) for tracking in entity.trackings]
    row["events"] = [rows.event_columns(event) for event in entity.events]
    row["items"] = [rows.item_columns(item) for item in entity.items]
    row["surcharges"] = [rows.surcharge_columns(surcharge) for surcharge in entity.surcharges]
    row["payment_transactions"] = [rows.transaction_columns(row) for row in entity.transactions]
    row["currency"] = rows.currency_columns(entity.currency) if entity.currency else None
    row["backorderCompetitors"] = ()
    return row


def status(entity) -> dict:
    row = rows.status_columns(entity)
    row["translations"] = [{"name": entity.name, "customerName": entity.name, "label_id": entity.id, "code": "en"}]
    return row


def tracking(store, entity) -> dict:
    owner = store.orders.get(entity.order_id)
    return rows.tracking_columns(entity) | {"order": rows.order_columns(owner) if owner else None}


def item(store, entity) -> dict:
    """A line of an order with its product, its variant and its chosen options."""
    row = rows.item_columns(entity)
    row |= dict.fromkeys(("capostParcelItems", "capostReturnItems"), ())
    bought = store.variants.get(entity.variant_id)
    row["variant"] = rows.variant_columns(bought) if bought else None
    sold = store.products.get(entity.product_id)
    row["object"] = rows.product_columns(sold) if sold else None
    row["order"] = rows.order_columns(store.orders[entity.order_id])
    row["surcharges"] = ()
    row["attributeValues"] = [
        {"id": entity.id * 10 + index, "name": name, "value": value, "attributeId": index + 1}
        for index, (name, value) in enumerate(entity.attributes)
    ]
    return row


def event(entity, order: Order) -> dict:
    row = rows.event_columns(entity)
    row["details"] = ()
    row["order"] = rows.order_columns(order)
    row["author"] = rows.profile_columns(order.customer) if entity.author is None else None
    return row


def transaction(entity, order: Order) -> dict:
    """A payment of an order, with the order."""
    row = rows.transaction_columns(entity)
    row["order"] = rows.order_columns(order)
    row["payment_method"] = {
        "method_id": 4,
        "service_name": entity.method,
        "class": "Model\\Payment\\Processor\\Offline",
        "moduleName": "",
        "orderby": 50,
        "adminOrderby": 0,
        "enabled": True,
        "added": True,
        "type": "O",
        "fromMarketplace": False,
        "iconURL": None,
        "countries": None,
        "exCountries": None,
    }
    row |= dict.fromkeys(("data", "backend_transactions"), ())
    row["currency"] = rows.currency_columns(order.currency or "USD")
    return row


def surcharge(entity, order: Order) -> dict:
    return rows.surcharge_columns(entity) | {"owner": rows.order_columns(order)}
