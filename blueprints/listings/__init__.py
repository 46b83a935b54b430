"""Listings: the products and variants of the shops, their links, and drift."""

from blueprints.listings import drift, routes

blueprints = [each.bp for each in (routes, drift)]

__all__ = ["blueprints"]
