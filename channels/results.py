"""What is sent to a shop and what became of it: quantities and shipments. Part of the contract in ``channels/base.py``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from errors import ChannelError


@dataclass(frozen=True, slots=True)
class StockChange:
    """``now`` is the quantity the shop had when it was last read, None if that is not known."""

    external_id: str
    quantity: int
    now: int | None = None


StockOutcome = Literal["stored", "refused", "not_done", "other_value"]
"""``stored``: the shop has the quantity. ``refused``: the shop's own program does not accept it for this row. ``other_value``: the
shop stored a third quantity. ``not_done``: anything else; the row can be sent again."""


@dataclass(frozen=True, slots=True)
class StockResult:
    """What became of one StockChange. ``stored`` is the quantity the shop answered with, None if it did not say.
    ``trouble`` is the error because of which a row is not done, None if the shop answered for this row. ``outdated``: the shop sells
    the listing in another way than when it was last read."""

    external_id: str
    outcome: StockOutcome
    stored: int | None
    reason: str = ""
    trouble: ChannelError | None = field(default=None, compare=False, repr=False)
    outdated: bool = field(default=False, compare=False)

    @property
    def ok(self) -> bool:
        return self.outcome == "stored"


@dataclass(frozen=True, slots=True)
class ShipmentResult:
    """What became of marking an order shipped. ``sent`` is False if the shop was already there; ``note`` says why, or
    what a person still has to do. ``by_hand`` are the tracking numbers that the shop has no way to take."""

    sent: bool
    shipping_status: str
    tracking_numbers: tuple[str, ...]
    note: str = ""
    by_hand: tuple[str, ...] = ()
