"""Changes of stock that other programs send: one item by a difference, many items in one transaction, each with its own result.

Unlike an imported file, a row may add to what is there, and may say what it expects to be there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from errors import Conflict, InvalidInput, NotFound
from extensions import writing
from models import StockItem
from services.common.deadlocks import retry_on_deadlock
from services.stock import fed, ledger, skus
from services.stock import items as stock_items

ADJUSTED = "adjusted"
"""The cause in the ledger of a change by a difference."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Set on hand to ``quantity``, or add ``delta`` to it: one of them. With ``expected``, only if that much is on hand."""

    sku: str
    quantity: int | None = None
    delta: int | None = None
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """``state`` is changed, unchanged or failed; a failed row has a code and a sentence."""

    state: str
    item_id: int | None = None
    code: str = ""
    sentence: str = ""


class RowsRefused(Conflict):
    """Some rows of what should be done whole or not at all cannot be done. ``results`` has them all."""

    status = 422
    code = "rows_refused"

    def __init__(self, results: Sequence[Result]):
        super().__init__("Some rows cannot be done, so none was.")
        self.results = list(results)


@retry_on_deadlock
def adjust(item_id: int, delta: int, actor: str, note: str) -> None:
    """Add ``delta`` to what is on hand. Raises NotFound, or InvalidInput where the result would not be possible."""
    with writing():
        item = ledger.load_items([item_id]).get(item_id)
        if item is None:
            raise NotFound("There is no such stock item.")
        quantity = item.on_hand + delta
        if not 0 <= quantity <= stock_items.MOST:
            raise InvalidInput(f"{item.sku} has {item.on_hand} on hand, so {delta} is not possible.", field="delta")
        stock_items.put_on_hand([(item, quantity)], ledger.Reason(actor, ADJUSTED, note=note))


@retry_on_deadlock
def change_many(wanted: Sequence[Wanted], actor: str, *, atomic: bool) -> list[Result]:
    """Do each row that can be done, in one transaction; answers with a result for each, in their order.

    Raises RowsRefused where ``atomic`` and a row cannot be done; nothing is changed then."""
    with writing():
        found = skus.find_items(row.sku for row in wanted)
        items = ledger.load_items({item_id for row in wanted if (item_id := found.get(row.sku)) is not None})
        results: list[Result] = []
        quantities: dict[int, int] = {}
        for row in wanted:
            item = items.get(found.get(row.sku) or -1)
            results.append(_result(row, item, found.could_mean(row.sku), quantities))
        if atomic and any(result.state == "failed" for result in results):
            raise RowsRefused(results)
        for cause, differs in (("set", False), (ADJUSTED, True)):
            chosen = [
                (items[result.item_id], quantities[result.item_id])
                for row, result in zip(wanted, results, strict=True)
                if result.state == "changed" and result.item_id is not None and (row.delta is not None) is differs
            ]
            stock_items.put_on_hand(chosen, ledger.Reason(actor, cause))
        return results


def _result(row: Wanted, item: StockItem | None, several: Sequence[str], quantities: dict[int, int]) -> Result:
    """What becomes of a row; its quantity goes into ``quantities``."""
    if several:
        return Result("failed", code="ambiguous_sku", sentence=f"{row.sku} could be {' or '.join(several)}.")
    if item is None:
        return Result("failed", code="unknown_sku", sentence=f"There is no stock item with the SKU {row.sku}.")
    if item.id in quantities:
        return Result("failed", item.id, "repeated_sku", f"{item.sku} is in an earlier row.")
    quantities[item.id] = quantity = item.on_hand + row.delta if row.delta is not None else row.quantity or 0
    if row.expected is not None and row.expected != item.on_hand:
        return Result("failed", item.id, "not_as_expected", f"{item.sku} has {item.on_hand} on hand, not {row.expected}.")
    if item.fed and quantity != item.on_hand:
        return Result("failed", item.id, fed.FedStock.code, f"{fed.sentence(item.sku)} {fed.ADVICE}")
    if not 0 <= quantity <= stock_items.MOST:
        return Result("failed", item.id, "invalid_quantity", f"{quantity} is not a possible quantity.")
    return Result("changed" if quantity != item.on_hand else "unchanged", item.id)
