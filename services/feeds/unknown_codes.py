"""Several unknown codes at once, made into fed stock items. What is done with one code is in ``offers``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from errors import Conflict, InvalidInput
from services.feeds import offers


@dataclass(frozen=True, slots=True)
class Created:
    """``created`` counts the new stock items; ``left`` are sentences about codes of which none could be made."""

    created: int
    left: list[str]


def create_items(offer_ids: Sequence[int], actor: str) -> Created:
    """Add a fed stock item for each of these codes, with the code as its SKU. A code that cannot be one, or is one already, is left out. Raises
    NotFound."""
    created, left = 0, []
    for offer_id in offer_ids:
        code = offers.get_offer(offer_id).code
        try:
            offers.create_item(offer_id, code, actor)
        except (Conflict, InvalidInput) as error:
            left.append(f"{code}: {error.message}")
        else:
            created += 1
    return Created(created, left)
