"""What holds for every X-Cart shop (channels/facts.py)."""

from __future__ import annotations

from urllib.parse import quote

from channels.facts import KindFacts
from channels.xcart.stages import puts_back, stage_of
from channels.xcart.statuses import NAMES

_PASTE_KEY = {
    "api": "Copy the read/write key from ‘Settings’, ‘API’ in your shop and paste it here.",
    "addon": "Copy the value of ‘API key (read/write)’ from your shop and paste it here.",
}


READY_CHOICES = {
    "paid": ("Paid orders", (("P", "*"),)),
    "authorised": ("Paid and authorised", (("P", "*"), ("A", "*"))),
}


def key_advice(verdict: str, generation: str) -> str:
    """The add-on answers a read-only key with an empty 403, which a host that blocks PUT can give too."""
    found = generation or "addon"
    blocked = (verdict, found) == ("read_only_key", "addon")
    return _PASTE_KEY[found] + (" If it is that key already, ask the shop's host whether it blocks PUT." if blocked else "")


def order_page(endpoint: str, admin_script: str, generation: str, number: str) -> str:
    """X-Cart 5.0 to 5.4 show an order by its number (5.4, program code). The path in 5.5 has not been observed."""
    if generation != "addon" or not number:
        return ""
    return f"{endpoint}/{quote(admin_script or 'admin.php')}?target=order&order_number={quote(number, safe='')}"


FACTS = KindFacts(
    stage=stage_of,
    puts_back=puts_back,
    statuses=NAMES,
    ready_statuses=READY_CHOICES["authorised"][1],
    ready_choices=READY_CHOICES,
    shipped_status="S",
    back_ordered=frozenset({"NBA"}),
    generations={"addon": "X-Cart 5.0 to 5.4", "api": "X-Cart 5.5 and later"},
    key_advice=key_advice,
    order_page=order_page,
)
