"""What is said when orders are to be read from their shops again."""

from __future__ import annotations

from blueprints.labels import plural
from services.orders.rereading import Asked


def reading_again(asked: Asked) -> tuple[str, str]:
    """The message and its kind, for ``toast``. It promises nothing of a shop that cannot be asked now."""
    if not asked.orders:
        return "No order was left to read again.", "info"
    if not asked.later:
        return f"{plural(asked.orders, 'order')} {'is' if asked.orders == 1 else 'are'} being read again from the shop.", "info"
    names = ", ".join(asked.later)
    return (
        f"{plural(asked.orders, 'order')} will be read again. Nothing can be read from {names} at the moment; its page says why.",
        "warning",
    )
