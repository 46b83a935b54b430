"""What a reading by change keeps for the next one: the rows at the top of the shop's list."""

from __future__ import annotations

import zlib

import msgspec

LONGEST = 20_000
"""Rows. If more have changed, the next reading takes all of them again."""


class Seen(msgspec.Struct, array_like=True, frozen=True):
    """One row: its id (0 if not known), its last change in unix seconds (0 if not known), and whether the shop could not
    print it in its list."""

    id: int
    changed: int
    bad: bool = False


class Memory(msgspec.Struct):
    """``rows`` from the top of the list. ``whole`` is False for a reading that has not ended. Where a row is unreadable and its
    order is not known, ``again`` is when (unix seconds) it is asked for again, for the ``tries``-th time. Rows that changed at
    ``unsettled`` (unix seconds, the shop's clock) or later may have changed once more in the same second: the next reading reads them again.
    Until ``plain_until`` (unix seconds) orders are read one by one, because the shop's list fails for all of them."""

    since: int
    rows: list[Seen]
    whole: bool = False
    again: int = 0
    tries: int = 0
    unsettled: int = 0
    plain_until: int = 0

    def packed(self) -> bytes:
        if len(self.rows) > LONGEST:
            return b""
        return zlib.compress(msgspec.msgpack.encode(self), 1)

    def all_printable(self) -> Memory:
        """The same rows where their list is not asked: none of them counts as one that the shop cannot print."""
        rows = [Seen(row.id, row.changed) if row.id and row.changed else row for row in self.rows]
        return msgspec.structs.replace(self, rows=rows)

    @classmethod
    def unpacked(cls, data: bytes) -> Memory | None:
        """None if there is nothing, or what an older version left."""
        try:
            return msgspec.msgpack.decode(zlib.decompress(data), type=cls) if data else None
        except (zlib.error, msgspec.MsgspecError):
            return None


def readable_part(memory: bytes, count: int) -> tuple[int, int]:
    """The part (offset, number of rows) of the first ``count`` rows that one request can get from the shop although some cannot be printed:
    the rows above the first of these, or the one row below them. Whatever changes moves to the top, and so moves that row too."""
    kept = Memory.unpacked(memory)
    rows = kept.rows[:count] if kept is not None and kept.whole else []
    faulty = next((place for place, row in enumerate(rows) if row.bad), count)
    if faulty:
        return 0, faulty
    return next((place for place, row in enumerate(rows) if not row.bad), len(rows)), 1
