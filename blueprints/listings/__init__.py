"""Listings: the products and variants of the shops, their links, drift, stock previews and missing products."""

from blueprints.listings import drift, losses, routes, stock_preview

blueprints = [routes.bp, drift.bp, stock_preview.bp, losses.bp]

__all__ = ["blueprints"]
