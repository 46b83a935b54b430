"""Users: who may sign in, and as what. For owners."""

from blueprints.users.routes import bp

__all__ = ["bp"]
