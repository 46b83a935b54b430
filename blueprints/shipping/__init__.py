"""Shipping orders, one or several, undoing and changing shipments, and importing tracking numbers from a CSV file."""

from blueprints.shipping import batches, files, sheet, ship, shipment

blueprints = [sheet.bp, ship.bp, batches.bp, shipment.bp, files.bp]

__all__ = ["blueprints"]
