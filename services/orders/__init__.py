"""Stored orders: their download page by page, how each is stored once and changed, holds that a person fixes, search, lists, notes, printed
documents and exports.

Not for what one order is (identity, money, holds: ``order_basics``), its stock (``stock``) or its shipments (``shipping``)."""
