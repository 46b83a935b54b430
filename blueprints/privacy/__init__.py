"""Settings → Privacy: how long customers' data is kept, and what is done on a customer's request."""

from blueprints.privacy.routes import bp

__all__ = ["bp"]
