"""The audit trail: who changed which setting."""

from blueprints.security import audit

blueprints = [audit.bp]

__all__ = ["blueprints"]
