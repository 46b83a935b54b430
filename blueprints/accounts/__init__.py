"""Signing in and out, and a person's own account."""

from blueprints.accounts import words
from blueprints.accounts.own import bp as own_bp
from blueprints.accounts.routes import bp

__all__ = ["bp", "own_bp", "words"]
