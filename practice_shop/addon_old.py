"""What older add-ons do differently, read from program code of 2014 and from release notes, not observed.

"5.3" (before 5.3.2.11) reads no JSON bodies. "5.1" has one key, no search conditions, no complex schema, and keeps
a product's quantity in a separate entity.
"""

AGES = ("5.4", "5.3", "5.1")
MOVED_COLUMNS = ("inventoryEnabled", "amount", "lowLimitEnabledCustomer", "lowLimitEnabled", "lowLimitAmount")


def reads_json(age: str) -> bool:
    return age == "5.4"


def is_oldest(age: str) -> bool:
    return age == "5.1"


def nest_inventory(row: dict, *, single: bool) -> dict:
    """A product's columns without quantity; a single product shows it as a related entity."""
    old = {name: value for name, value in row.items() if name not in MOVED_COLUMNS}
    if single:
        old["inventory"] = {
            "inventoryId": row["product_id"],
            "enabled": row["inventoryEnabled"],
            "amount": row["amount"],
            "lowLimitEnabled": row["lowLimitEnabled"],
            "lowLimitAmount": row["lowLimitAmount"],
        }
    return old


def unnest_inventory(data: dict) -> dict:
    """What a write to an old product means in today's columns; a quantity at the top is an unknown field there."""
    known = {name: value for name, value in data.items() if name not in MOVED_COLUMNS}
    inventory = data.get("inventory")
    if isinstance(inventory, dict):
        if "amount" in inventory:
            known["amount"] = inventory["amount"]
        if "enabled" in inventory:
            known["inventoryEnabled"] = inventory["enabled"]
    return known
