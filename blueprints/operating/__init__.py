"""What machines ask: whether the process lives, whether it can serve, and its figures."""

from blueprints.operating.routes import bp

__all__ = ["bp"]
