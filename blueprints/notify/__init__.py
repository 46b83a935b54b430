"""Notifications: the bell, which of them a person gets, and the webhook."""

from blueprints.notify import labels, notifications, preferences, webhook

blueprints = [notifications.bp, preferences.bp, webhook.bp]

__all__ = ["blueprints", "labels"]
