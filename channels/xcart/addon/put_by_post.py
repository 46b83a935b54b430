"""Writing where the shop's host blocks PUT: the add-on takes ``POST …&_method=put`` for PUT (X-Cart 5.4, observed).

A POST whose query is lost on the way makes a new row in the shop, whatever id its path names, and a list of a hundred rows makes a
hundred. So one due product with its own id goes first, and afterwards that product and the newest product id are read. After that
each row still goes alone, so that a query lost later makes one row at most. On any doubt POST is not used again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from channels.results import StockChange
from channels.xcart.addon.client import PRODUCTS, VARIANTS, Addon, limit, order_by
from channels.xcart.addon.listings import AddonListings
from channels.xcart.parsing.values import first_number, text
from errors import ChannelError, MethodBlocked

KEYS = {PRODUCTS: "product_id", VARIANTS: "id"}
"""Entity -> the name of its id."""
_ORDERS = {PRODUCTS: "p.product_id", VARIANTS: "v.id"}
_NOUNS = {PRODUCTS: ("a new product", "new products"), VARIANTS: ("a new variant", "new variants")}


class PutByPost:
    """``state`` is "" (never tried), "proven" (it worked in the last run that needed it) or "doubted" (never to be tried again).
    It begins with what is remembered of the integration; in each run one row proves it again before it is used. ``remember`` is
    called with each new state, before anything is sent that may leave a doubt: a worker may be killed while it waits for the answer."""

    def __init__(self, shop: Addon, listings: AddonListings, state: str = ""):
        self.shop = shop
        self.listings = listings
        self.remember: Callable[[str], None] = lambda state: None
        self.state = state
        self.proven = False
        self._newest: dict[str, int] = {}

    @property
    def may_be_tried(self) -> bool:
        return self.state != "doubted" and not self.proven

    def put_works(self, stored: bool) -> None:
        """``stored``: rows were stored by the way that is in use now. Where that is PUT, POST is not needed any more."""
        if stored and not self.proven and self.state == "proven":
            self._note("")

    def prove(self, row: int, change: StockChange, blocked: MethodBlocked) -> ChannelError | None:
        """Send one product's quantity; None if the shop has it afterwards and has no new product, else why Cartlink
        goes on without. Nothing is sent for a product that the shop does not have or that has the quantity already."""
        try:
            self._newest[PRODUCTS] = self._newest_id(PRODUCTS)
            present = self.listings.read_quantities([change.external_id]).get(change.external_id)
        except ChannelError as exc:
            return exc
        if row < 1 or row > self._newest[PRODUCTS] or present is None or present == change.quantity:
            return blocked
        self._note("doubted")
        # What the shop has afterwards decides, whatever it answers.
        with suppress(ChannelError):
            self.shop.put_by_post(f"{PRODUCTS}/{row}", {"amount": change.quantity})
        try:
            doubt = self._doubt(PRODUCTS)
            if not doubt and self.listings.read_quantities([change.external_id]).get(change.external_id) == change.quantity:
                self._note("proven")
                self.proven = True
                return None
        except ChannelError as exc:
            doubt = f" It could not be seen what became of it: {exc.message}"
        return self._given_up(blocked, doubt)

    def put(self, entity: str, row: int, quantity: int) -> dict[str, Any]:
        """A write of one row after the proof. Raises MethodBlocked if the answer leaves a doubt."""
        if entity not in self._newest:
            self._newest[entity] = self._newest_id(entity)
        trouble: ChannelError | None = None
        try:
            answer = self.shop.put_by_post(f"{entity}/{row}", {"amount": quantity})
        except ChannelError as exc:
            trouble = exc
        else:
            # The shop answers null where it does not have the row any more, and with another row where it has made one.
            if answer is None:
                return {}
            if isinstance(answer, dict) and text(answer.get(KEYS[entity])) == str(row):
                return answer
        self._note("doubted")
        self.proven = False
        doubt = self._doubt(entity)
        if doubt or trouble is None:
            raise self._given_up(MethodBlocked(f"The host of {self.shop.host} blocks PUT."), doubt)
        self._note("proven")
        self.proven = True
        raise trouble

    def _note(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.remember(state)

    def _doubt(self, entity: str) -> str:
        """A sentence where the shop has new rows since; empty if it has none. May raise."""
        newest, before = self._newest_id(entity), self._newest[entity]
        if newest == before:
            return ""
        one, several = _NOUNS[entity]
        new = f"{one}, {newest}" if newest == before + 1 else f"{several}, {before + 1} to {newest}"
        return f" The shop has {new}: if that is empty, delete it in the shop."

    def _newest_id(self, entity: str) -> int:
        """The highest id of the shop's products or variants; 0 if it has none."""
        rows = self.shop.rows(entity, [*order_by(_ORDERS[entity], "DESC"), *limit(0, 1)])
        return int(first_number(bytes(rows[0]), KEYS[entity]) or 0) if rows else 0

    def _given_up(self, blocked: MethodBlocked, doubt: str) -> MethodBlocked:
        message = f"{blocked.message} Cartlink tried POST in its place; that did not work, and it will not try again.{doubt}"
        return MethodBlocked(message, blocked.advice, blocked.status_code)
