"""Suppliers: their feeds, what these brought, unknown codes, and offers of stock items."""

from blueprints.feeds import codes, entries, feed, items, labels, run, setup, suppliers

entries.register()
blueprints = [suppliers.bp, setup.bp, feed.bp, run.bp, codes.bp, items.bp, labels.bp]

__all__ = ["blueprints"]
