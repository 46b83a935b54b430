"""Incidents, the bell, and who is told of what."""

from blueprints.incidents import notices, webhook, wishes, words
from blueprints.incidents.routes import bp

blueprints = [bp, notices.bp, wishes.bp, webhook.bp]

__all__ = ["blueprints", "words"]
