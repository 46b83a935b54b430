"""Event endpoints: where other programs get events, and what became of them."""

from blueprints.events import endpoints

blueprints = [endpoints.bp]

__all__ = ["blueprints"]
