"""Shipping orders, one or several, undoing and changing shipments, importing tracking numbers from files, and carriers."""

from blueprints.shipping import batches, carriers, files, presets, sheet, ship, shipment

blueprints = [sheet.bp, ship.bp, batches.bp, shipment.bp, files.bp, carriers.bp, presets.bp]

__all__ = ["blueprints"]
