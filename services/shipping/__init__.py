"""Shipments and their way to the shop: ship orders, files of tracking numbers, undo and void, write-backs, and what a person has to enter in a
shop by hand.

Not for reading from a shop that an order was shipped there, which is in ``orders``."""
