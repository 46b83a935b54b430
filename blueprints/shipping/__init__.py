"""Shipping orders, one or several, undoing and changing shipments, importing tracking numbers from a CSV file, and carriers."""

from blueprints.shipping import batches, carriers, files, sheet, ship, shipment

blueprints = [sheet.bp, ship.bp, batches.bp, shipment.bp, files.bp, carriers.bp]

__all__ = ["blueprints"]
