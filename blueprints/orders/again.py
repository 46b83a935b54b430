"""What is said when something is to be read from shops again."""

from __future__ import annotations

from collections.abc import Sequence

from blueprints.labels import plural
from services.orders.rereading import Asked


def reading_again(asked: Asked) -> tuple[str, str]:
    """The message and its kind, for ``toast``. It promises nothing of a shop that cannot be asked now."""
    if not asked.orders:
        return "No order was left to read again.", "info"
    if not asked.later:
        return f"{plural(asked.orders, 'order')} {'is' if asked.orders == 1 else 'are'} being read again from the shop.", "info"
    return f"{plural(asked.orders, 'order')} will be read again. {not_now(asked.later)}", "warning"


def not_now(shops: Sequence[str]) -> str:
    """That these shops cannot be asked now."""
    where = "its page says" if len(shops) == 1 else "their pages say"
    return f"Nothing can be read from {', '.join(shops)} at the moment; {where} why."
