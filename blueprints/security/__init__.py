"""The audit trail: who changed what."""

from blueprints.security import audit

blueprints = [audit.bp]

__all__ = ["blueprints"]
