"""Lines of an order to ship: as a person names them in one line of text, ``CUP=2,#3=1``, or those that are in stock."""

from __future__ import annotations

from errors import Conflict, InvalidInput
from models import Order, OrderLine
from models.sku_key import sku_key
from services.common import whole_numbers


def pieces_of(order: Order, words: str) -> dict[int, int]:
    """``CUP=2,PLATE=1`` or ``#2=1`` (the order's second line) as pieces by line id.

    Raises InvalidInput, also where a SKU could mean two lines that both have units left."""
    pieces: dict[int, int] = {}
    for word in words.split(","):
        name, _, number = (part.strip() for part in word.rpartition("="))
        units = whole_numbers.parse(number)
        if "=" not in word or units is None:
            raise InvalidInput(f"{word.strip()!r} is not a line.", "Write SKU=PIECES, as in CUP=2, or #LINE=PIECES, as in #2=1.")
        line = _line(order, name)
        if line.id in pieces:
            raise InvalidInput(f"{name} is named twice.", "Name each line once.")
        pieces[line.id] = units
    return pieces


def in_stock(order: Order) -> dict[int, int]:
    """What is in stock of an order that is not shipped, as its page suggests it: pieces by line id. Raises Conflict where nothing is. Give the
    function itself to ``shipments.ship``, which calls it once nobody else can ship of the order."""
    pieces = {line.id: line.in_hand for line in order.lines if line.in_hand > 0}
    if not pieces:
        raise Conflict(f"Nothing of order {order.number or order.external_id} is in stock.", "Add stock first.")
    return pieces


def _line(order: Order, name: str) -> OrderLine:
    found = [line for line in order.lines if line.sku == name]
    found = found or [line for line in order.lines if line.sku_key and line.sku_key == sku_key(name)]
    if not found and name.startswith("#"):
        return _numbered(order, name[1:])
    if not found:
        raise InvalidInput(f"Order {order.number} has no line with the SKU {name!r}.", "`flask orders show` lists its lines.")
    left = [line for line in found if line.quantity > line.shipped] or found
    if len(left) > 1:
        numbers = " or ".join(f"'#{order.lines.index(line) + 1}=1'" for line in left)
        raise InvalidInput(f"{name} could mean {len(left)} lines of order {order.number}.", f"Name one: {numbers}.")
    return left[0]


def _numbered(order: Order, number: str) -> OrderLine:
    place = whole_numbers.parse(number) or 0
    if not 1 <= place <= len(order.lines):
        raise InvalidInput(f"Order {order.number} has no line #{number}.", f"It has lines #1 to #{len(order.lines)}.")
    return order.lines[place - 1]
